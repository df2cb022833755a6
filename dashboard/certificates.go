package dashboard

import (
	"fmt"
	"time"
)

// Certificate is one that senders are shown.
type Certificate struct {
	Name     string // the first that it is for; each once
	NotAfter time.Time
	Soon     bool // it ends within two weeks, or within the last quarter of a short life; or it has ended
}

// Certificates tells of the certificates that senders are shown, by name.
type Certificates interface {
	Certificates() []Certificate
}

func (f *facts) certificateWords() (words []string) {
	for _, c := range f.certificates {
		switch {
		case c.NotAfter.Before(f.now):
			words = append(words, fmt.Sprintf("the certificate for %s ended on %s: senders that verify go away", c.Name, stamp(c.NotAfter)))
		case c.Soon:
			words = append(words, fmt.Sprintf("the certificate for %s ends on %s", c.Name, stamp(c.NotAfter)))
		}
	}
	return words
}

// relays names the connectors that take mail for anywhere from weir, and so from
// whoever gets to weir (P39).
func (f *facts) relays() (words []string) {
	for _, p := range f.snapshot.Pools {
		for _, m := range p.Members {
			if m.Gone {
				continue
			}
			if answer := m.Probe().Relay; answer != "" {
				words = append(words, fmt.Sprintf("%s relays for anyone who gets here (it took a recipient at example.net: %s)", m.ID(), answer))
			}
		}
	}
	return words
}
