package dashboard

import (
	"fmt"
	"strings"
	"time"

	"weir/internal/backend"
)

// facts is what the verdict follows from, at one moment.
type facts struct {
	now      time.Time
	unready  string // why no new senders are wanted; empty: they are
	snapshot *backend.Snapshot
	sources  []SourceStatus
	consul   ConsulStatus
	replicas []Replica
	zones    []DNSStatus
}

// verdict says in one sentence whether senders are served, the worst first, and
// what needs a person behind it.
func (f *facts) verdict() string {
	senders, person := f.words()
	return strings.Join(append(senders, person...), "; ")
}

// words are the parts of the verdict: of senders, at least one, and of what needs
// a person.
func (f *facts) words() (senders, person []string) {
	var broken, thin []string
	for _, p := range f.snapshot.Pools {
		switch {
		case p.Eligible == 0:
			broken = append(broken, brokenPool(p))
		case p.Panic:
			thin = append(thin, fmt.Sprintf("pool %s: panic: ejected connectors are used, because fewer than %d %% of %d are eligible otherwise",
				p.Name, p.PanicPercent, len(p.Members)))
		case !p.Redundant():
			thin = append(thin, fmt.Sprintf("pool %s: only %d of %d connectors eligible, min_redundancy is %d",
				p.Name, p.Eligible, len(p.Members), p.MinRedundancy))
		}
	}
	words := broken
	if f.unready != "" {
		words = append([]string{f.unready}, words...)
	}
	if len(words) == 0 {
		words = []string{"mail flows"}
	}
	return words, append(thin, f.attention()...)
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
