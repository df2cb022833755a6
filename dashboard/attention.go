package dashboard

import (
	"fmt"
	"strings"
	"time"

	"weir/internal/backend"
)

// forgottenDrain is how long a drain may last before somebody has probably
// forgotten it.
const forgottenDrain = 24 * time.Hour

// mostOfAKind bounds how many of a kind the verdict names; the rest is counted.
const mostOfAKind = 3

// attention is what does not keep mail from flowing, but needs a person.
func (f *facts) attention() []string {
	var words []string
	for _, kind := range [][]string{f.doubtfulSources(), f.consulWords(), f.flagWords(), f.disagreeing(), f.zoneWords(), f.certificateWords(), f.relays(), f.longDrains()} {
		if more := len(kind) - mostOfAKind; more > 0 {
			kind = append(kind[:mostOfAKind], fmt.Sprintf("and %d more of the kind", more))
		}
		words = append(words, kind...)
	}
	return words
}

// The states of a [SourceStatus] that say something is amiss.
const (
	sourceStale   = "stale"
	sourceHolding = "holding"
)

// Stale reports whether what the source says may not be the present truth.
func (s *SourceStatus) Stale() bool { return s.State == sourceStale || s.State == sourceHolding }

func (f *facts) doubtfulSources() (words []string) {
	for i := range f.sources {
		s := &f.sources[i]
		if !s.Stale() {
			continue
		}
		text := fmt.Sprintf("discovery of pool %s by %s is stale since %s", s.Pool, s.Source, stamp(s.Since))
		if s.State == sourceHolding {
			text = fmt.Sprintf("discovery of pool %s by %s holds its last good set since %s", s.Pool, s.Source, stamp(s.Since))
			if s.Until != nil {
				text += " until " + stamp(*s.Until)
			}
		}
		words = append(words, because(text, s.Why))
	}
	return words
}

func (f *facts) consulWords() (words []string) {
	c := &f.consul
	if c.Address == "" {
		return nil
	}
	if !c.Reachable {
		text := "Consul at " + c.Address + " is not reachable"
		if c.Since != nil {
			text += " since " + stamp(*c.Since)
		}
		words = append(words, because(text, c.Error))
	}
	if len(c.Unshared) > 0 {
		words = append(words, "the other replicas have not been told of "+strings.Join(c.Unshared[:min(len(c.Unshared), mostOfAKind)], ", ")+
			andMore(len(c.Unshared)-mostOfAKind))
	}
	return words
}

func andMore(n int) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf(" and %d more", n)
}

func (f *facts) flagWords() []string {
	if f.flags.Unkept == "" {
		return nil
	}
	return []string{because("drain flags are not kept on disk", f.flags.Unkept)}
}

func (f *facts) disagreeing() (words []string) {
	for i := range f.replicas {
		switch r := &f.replicas[i]; {
		case r.Self:
		case !r.Live:
			words = append(words, "replica "+r.Name+" is silent since "+stamp(r.Seen))
		case !r.Agrees:
			words = append(words, "replica "+r.Name+" sees other connectors eligible than this one")
		}
	}
	return words
}

// longDrains names the connectors that have been out by somebody's word for so
// long that this needs a person. One that comes back by itself does not.
func (f *facts) longDrains() (words []string) {
	for _, p := range f.snapshot.Pools {
		for _, m := range p.Members {
			since := drainedSince(m)
			if since.IsZero() || f.now.Sub(since) < forgottenDrain || m.Admin.Until.After(f.now) {
				continue
			}
			words = append(words, because(fmt.Sprintf("%s is out (%s) since %s: needs a person", m.ID(), m.State, stamp(since)), m.Reason))
		}
	}
	return words
}

// drainedSince is since when a connector is out by the word of an operator or of
// its source; zero when it is not. The flag's own time counts, where it has one:
// it is older than this process.
func drainedSince(m *backend.Member) time.Time {
	switch {
	case m.State != backend.StateDrain && m.State != backend.StateDisabled, m.Gone:
		return time.Time{}
	case m.Admin.Admin != backend.AdminEnabled && !m.Admin.Since.IsZero():
		return m.Admin.Since
	default:
		return m.Since
	}
}

func because(text, why string) string {
	if why == "" {
		return text
	}
	return text + " (" + why + ")"
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
