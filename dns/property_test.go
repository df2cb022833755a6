package dns

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	mdns "github.com/miekg/dns"
	"pgregory.net/rapid"

	"weir/internal/backend"
)

// history is a world to which anything may happen, and that is watched by rules of
// its own: it knows nothing of plans.
type history struct {
	*world
	t     *rapid.T
	min   int
	ill   map[string]time.Time // connectors that are down here, since when
	votes map[string]int       // how many of the two other replicas have one out
	since map[string]time.Time // since when the majority has it out, by connector
	drops map[string]bool      // drained

	lastWrite, lastRemoval time.Time
}

func newHistory(t *rapid.T) *history {
	cfg := testConfig()
	cfg.MinRecords = rapid.IntRange(0, 3).Draw(t, "min_records")
	cfg.MinInterval = time.Duration(rapid.IntRange(1, 30).Draw(t, "min_interval")) * time.Second
	h := &history{
		world: newWorld(cfg, "internet"), t: t, min: cfg.MinRecords,
		ill: map[string]time.Time{}, votes: map[string]int{}, since: map[string]time.Time{}, drops: map[string]bool{},
	}
	h.cluster.votes = func(id backend.ID) (out, live int) { return h.against(id.Name), 3 }
	h.wrote = h.judge
	h.members(rapid.IntRange(1, 6).Draw(t, "connectors"))
	return h
}

func (h *history) against(name string) int {
	n := h.votes[name]
	if !h.ill[name].IsZero() {
		n++
	}
	return n
}

// mark notes since when the majority has a connector out.
func (h *history) mark(name string) {
	switch out := h.against(name) >= 2; {
	case !out:
		delete(h.since, name)
	case h.since[name].IsZero():
		h.since[name] = h.now
	}
}

// members makes the pool the first n connectors; new ones are up unless they were
// down before.
func (h *history) members(n int) {
	h.SetMembers("internet", connectorsOf("internet", n))
	for _, m := range h.Snapshot().Pool("internet").Members {
		h.tellHealth(m.Spec.Name)
	}
}

func (h *history) tellHealth(name string) {
	if h.ill[name].IsZero() {
		h.up(id(name))
	} else {
		h.down(id(name))
	}
}

// judge holds a write against the rules.
func (h *history) judge(before State, change Change, _ bool) {
	if !h.lastWrite.IsZero() && h.now.Sub(h.lastWrite) < h.planner.cfg.MinInterval {
		h.t.Fatalf("two writes %v apart", h.now.Sub(h.lastWrite))
	}
	h.lastWrite = h.now
	pool := h.Snapshot().Pool("internet")
	floor := max(h.min, (len(pool.Members)+1)/2, 1)
	damped := 0
	for _, put := range change.Put {
		if put.TTL != 60 || len(put.Records) == 0 || len(slices.Compact(slices.Clone(put.Records))) != len(put.Records) {
			h.t.Fatalf("writing %+v", put)
		}
		var removed []string
		for _, record := range before.set(put.Name).Records {
			if !slices.Contains(put.Records, record) {
				removed = append(removed, record)
			}
		}
		if len(removed) > 0 && len(put.Records) < floor {
			h.t.Fatalf("%v leave, and %v is below the floor of %d", removed, put.Records, floor)
		}
		for _, record := range removed {
			if h.unordered(pool, record) {
				damped++
			}
		}
	}
	if damped == 0 {
		return
	}
	if damped > 1 || !h.lastRemoval.IsZero() && h.now.Sub(h.lastRemoval) < 30*time.Second {
		h.t.Fatalf("%d removals %v after the last one", damped, h.now.Sub(h.lastRemoval))
	}
	h.lastRemoval = h.now
}

// unordered reports whether no operator has sent a record away, and fails when
// nothing else has either.
func (h *history) unordered(pool *backend.Pool, record string) bool {
	var n int
	if _, err := fmt.Sscanf(record, "192.0.2.%d", &n); err != nil {
		h.t.Fatalf("%s left: %v", record, err)
	}
	name := string(rune('a' + n - 1))
	switch m := pool.Member(name); {
	case m == nil:
		return true // deregistered
	case h.drops[name]:
		return false
	case h.since[name].IsZero() || h.now.Sub(h.since[name]) < 15*time.Second:
		h.t.Fatalf("%s left though only %d of 3 have it out, since %v", name, h.against(name), h.since[name])
	}
	return true
}

func (h *history) names() []string { return strings.Split("abcdef", "") }

// happen lets one thing happen.
func (h *history) happen() {
	name := rapid.SampledFrom(h.names()).Draw(h.t, "who")
	switch rapid.SampledFrom([]string{"down", "up", "others", "drain", "enable", "members", "nobody"}).Draw(h.t, "what") {
	case "down":
		if h.ill[name].IsZero() {
			h.ill[name] = h.now
		}
	case "up":
		delete(h.ill, name)
	case "others":
		h.votes[name] = rapid.IntRange(0, 2).Draw(h.t, "votes")
	case "drain":
		h.drops[name] = true
		h.drain(id(name))
	case "enable":
		delete(h.drops, name)
		h.enable(id(name))
	case "members":
		h.members(rapid.IntRange(1, 6).Draw(h.t, "connectors"))
	case "nobody":
		h.SetMembers("internet", nil)
	}
	h.tellHealth(name)
	h.mark(name)
}

func TestWhateverHappens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t)
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			h.happen()
			h.look()
			h.pass(time.Duration(rapid.IntRange(0, 90).Draw(t, "seconds")) * time.Second)
		}
		// Then all is quiet and well: in the end everybody is shown, and nobody else.
		clear(h.ill)
		clear(h.votes)
		clear(h.since)
		clear(h.drops)
		for _, name := range h.names() {
			h.enable(id(name))
		}
		h.members(4)
		h.rest(25 * time.Minute)
		if got := h.shows(); got != all4 {
			t.Fatalf("in the end %q is published", got)
		}
		if h.last.pending || h.last.next.After(h.now) && !h.last.next.IsZero() {
			t.Fatalf("it is not at rest: %+v", h.last)
		}
	})
}

// A minority of the replicas takes nobody out, whatever it believes.
func TestAMinorityShrinksNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(testConfig(), "internet")
		w.pool("internet", 4)
		live := rapid.IntRange(2, 7).Draw(t, "replicas")
		w.cluster.votes = func(id backend.ID) (int, int) { return 0, live }
		w.look()
		w.cluster.votes = func(id backend.ID) (int, int) {
			return rapid.IntRange(0, live/2).Draw(t, "against"), live
		}
		for range rapid.IntRange(1, 20).Draw(t, "events") {
			name := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "who")
			if rapid.Bool().Draw(t, "down") {
				w.down(id(name))
			} else {
				w.up(id(name))
			}
			w.pass(10 * time.Second)
			if got := w.shows(); got != all4 {
				t.Fatalf("published %q", got)
			}
		}
	})
}

// An hour of connectors that come and go all the time.
func TestAnHourOfFlapping(t *testing.T) {
	for seed := range uint64(5) {
		random := rand.New(rand.NewPCG(seed, 5))
		w := newWorld(testConfig(), "internet")
		w.pool("internet", 6)
		w.look()
		fewest := 6
		w.wrote = func(_ State, change Change, _ bool) { fewest = min(fewest, len(change.Put[0].Records)) }
		var turns [6]time.Time
		for end := w.now.Add(time.Hour); w.now.Before(end); w.pass(time.Second) {
			for i := range turns {
				if !w.now.Before(turns[i]) {
					w.flip(id(string(rune('a' + i))))
					turns[i] = w.now.Add(time.Duration(1+random.IntN(240)) * time.Second)
				}
			}
		}
		// 360 would be allowed by the interval alone, and 120 removals by their gap.
		if n := w.zone.count(); n > 90 || fewest != 3 {
			t.Errorf("seed %d: %d writes, and at least %d records", seed, n, fewest)
		}
		for _, name := range []string{"a", "b", "c"} {
			w.up(id(name))
		}
		for _, name := range []string{"d", "e", "f"} {
			w.down(id(name))
		}
		w.rest(25 * time.Minute)
		if got := w.zone.shows(poolName, mdns.TypeA); got != "192.0.2.1 192.0.2.2 192.0.2.3" {
			t.Errorf("seed %d: in the end %q is published", seed, got)
		}
	}
}

// flip brings a connector down that is up, and the other way.
func (w *world) flip(id backend.ID) {
	if w.Snapshot().Pool(id.Pool).Member(id.Name).Health.Health == backend.HealthUp {
		w.down(id)
	} else {
		w.up(id)
	}
}
