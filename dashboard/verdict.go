package dashboard

import (
	"fmt"
	"strings"
	"time"

	"weir/internal/backend"
)

// facts is what the verdict follows from, at one moment.
type facts struct {
	now       time.Time
	unready   string // why no new senders are wanted; empty: they are
	snapshot  *backend.Snapshot
	deferring map[string]*Deferring // by pool; nil: it does not
	sources   []SourceStatus
	consul    ConsulStatus
	replicas  []Replica
	flags     Flags
	zones     []DNSStatus

	certificates []Certificate
}

// verdict says in one sentence whether senders are served, the worst first, and
// what needs a person behind it.
func (f *facts) verdict() string {
	senders, person := f.words(f.clock)
	return strings.Join(append(senders, person...), "; ")
}

// words are the parts of the verdict: of senders, at least one, and of what needs
// a person. began writes since when messages are deferred.
func (f *facts) words(began func(time.Time) string) (senders, person []string) {
	var broken, deferring, thin []string
	for _, p := range f.snapshot.Pools {
		if d := f.deferring[p.Name]; d != nil {
			deferring = append(deferring, fmt.Sprintf("%s: %s deferred by weir since %s", p.Name, messages(d.Messages), began(d.Since)))
		}
		switch {
		case p.Eligible == 0:
			broken = append(broken, brokenPool(p))
		case p.Panic:
			thin = append(thin, fmt.Sprintf("pool %s: panic: ejected connectors are used, because fewer than %d %% of a tier are eligible otherwise",
				p.Name, p.PanicPercent))
		case !p.Redundant():
			thin = append(thin, fmt.Sprintf("pool %s: only %d of %d connectors eligible, min_redundancy is %d",
				p.Name, p.Eligible, len(p.Members), p.MinRedundancy))
		}
	}
	words := append(broken, deferring...)
	if f.unready != "" {
		words = append([]string{f.unready}, words...)
	}
	if len(words) == 0 {
		words = []string{"mail flows"}
	}
	return words, append(thin, f.attention()...)
}

// clock is the time of the day by this machine's clock, with the date unless that
// was within a day.
func (f *facts) clock(t time.Time) string {
	layout := "15:04"
	if f.now.Sub(t) >= 24*time.Hour {
		layout = "2006-01-02 15:04"
	}
	return t.In(f.now.Location()).Format(layout)
}

func messages(n int64) string {
	if n == 1 {
		return "1 message"
	}
	return fmt.Sprintf("%d messages", n)
}

func brokenPool(p *backend.Pool) string {
	if len(p.Members) == 0 {
		return fmt.Sprintf("pool %s: no connectors", p.Name)
	}
	return fmt.Sprintf("pool %s: no eligible connector since %s", p.Name, lastChange(p).UTC().Format(time.RFC3339))
}

// lastChange is the latest change of state in a pool. When none is eligible that
// is when the last one left, or at most a later change for the worse.
func lastChange(p *backend.Pool) time.Time {
	var last time.Time
	for _, m := range p.Members {
		if m.Since.After(last) {
			last = m.Since
		}
	}
	return last
}
