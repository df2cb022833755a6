package discovery

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"weir/internal/backend"
)

func held(t *testing.T) (script, *bench) {
	s := newScript()
	b := begin(t, "", Feed{Name: "one", Pools: []string{"p"}, Source: s, Hold: time.Minute})
	s.sets <- Set{Pool: "p", Specs: hosts("abcd")}
	b.members("p", "a", "b", "c", "d")
	return s, b
}

func TestEmptyIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, b := held(t)
		s.sets <- Set{Pool: "p"}
		b.members("p", "a", "b", "c", "d")
		until := time.Now().Add(time.Minute)
		got := b.status(0, Holding, "answered empty: keeping 4 connectors until "+until.UTC().Format("15:04:05")+" UTC unless probes agree")
		if !got.Until.Equal(until) || got.Connectors != 4 {
			t.Errorf("until %v with %d connectors", got.Until, got.Connectors)
		}
		time.Sleep(59 * time.Second)
		s.sets <- Set{Pool: "p"} // does not restart the clock
		b.members("p", "a", "b", "c", "d")
		time.Sleep(2 * time.Second)
		b.members("p")
		b.status(0, Fresh, "")
		b.end()
	})
}

func TestHalvedIsHeldAndNewcomersAreNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, b := held(t)
		s.sets <- Set{Pool: "p", Specs: hosts("dx")}
		b.members("p", "a", "b", "c", "d", "x")
		b.status(0, Holding, "answered without 3 of 4 connectors: keeping 3 until")
		s.sets <- Set{Pool: "p", Specs: hosts("abcd")}
		time.Sleep(time.Second)
		b.members("p", "a", "b", "c", "d") // a sane answer drops what was held
		b.status(0, Fresh, "")
		s.sets <- Set{Pool: "p", Specs: hosts("ab")}
		time.Sleep(time.Second)
		b.members("p", "a", "b") // half is not more than half
		s.sets <- Set{Pool: "p", Specs: hosts("b")}
		time.Sleep(time.Second)
		b.status(0, Holding, "answered without 3 of 4 connectors: keeping 1 until")
		b.members("p", "a", "b") // but 3 of 4 within the minute is
		b.end()
	})
}

func TestProbesEndTheHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, b := held(t)
		b.down("a", "b")
		s.sets <- Set{Pool: "p", Specs: hosts("d")}
		time.Sleep(10 * time.Second)
		b.members("p", "a", "b", "c", "d") // no verdict on c
		b.down("c")
		time.Sleep(time.Second)
		b.members("p", "d")
		b.status(0, Fresh, "")
		b.end()
	})
}

// Those that were down when they left are no reason to doubt what comes next.
func TestDecommissioningIsNotHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, b := held(t)
		for _, left := range []string{"bcd", "cd", "d"} {
			if left != "d" { // c is well, and only one of two
				b.down(string(left[0] - 1))
			}
			s.sets <- Set{Pool: "p", Specs: hosts(left)}
			time.Sleep(time.Second)
			b.status(0, Fresh, "")
		}
		b.members("p", "d")
		b.end()
	})
}

// While the source cannot be asked, time proves nothing.
func TestHoldOutlastsSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, b := held(t)
		s.sets <- Set{Pool: "p"}
		s.sets <- Set{Pool: "p", Unheard: true, Doubt: "connection refused"}
		time.Sleep(time.Hour)
		b.status(0, Stale, "connection refused")
		s.sets <- Set{Pool: "p", Doubt: "no leader"}
		time.Sleep(time.Hour)
		b.status(0, Holding, "until it is sure of that, or probes agree (no leader)")
		s.sets <- Set{Pool: "p"}
		time.Sleep(59 * time.Second)
		b.members("p", "a", "b", "c", "d")
		time.Sleep(2 * time.Second)
		b.members("p")
		b.end()
	})
}

// A newcomer does not take the name of a connector that is kept.
func TestKeptConnectorsKeepTheirNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, b := held(t)
		s.sets <- Set{Pool: "p", Specs: []backend.Spec{spec("a", "10.1.1.1:25")}}
		synctest.Wait()
		if got := b.registry.Snapshot().Pool("p").Member("a").Address(); got != "10.0.0.1:25" {
			t.Errorf("a is %s", got)
		}
		time.Sleep(time.Minute + time.Second)
		if got := b.registry.Snapshot().Pool("p").Member("a").Address(); got != "10.1.1.1:25" {
			t.Errorf("a is %s after the hold", got)
		}
		b.end()
	})
}

// holdModel answers at random and checks that, of the connectors which believed
// answers named within the hold, half stay.
type holdModel struct {
	h    holdback
	now  time.Time
	dead map[string]bool
	// seen has the connectors of the believed answers since the last time that a
	// loss was agreed or stood long enough, by when they were last in one.
	seen map[string]time.Time
}

const modelHold = 10 * time.Second

func (m *holdModel) down(address string) bool { return m.dead[address] }

// A registry that restarted empty is filled again one by one.
func TestHoldLastsUntilAllAreBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, b := held(t)
		for _, back := range []string{"", "b", "bd", "abd"} {
			s.sets <- Set{Pool: "p", Specs: hosts(back)}
			time.Sleep(5 * time.Second)
			b.members("p", "a", "b", "c", "d")
			b.status(0, Holding, "keeping")
		}
		s.sets <- Set{Pool: "p", Specs: hosts("abcd")}
		time.Sleep(time.Second)
		b.status(0, Fresh, "")
		s.sets <- Set{Pool: "p", Specs: hosts("abc")}
		time.Sleep(2 * time.Second)
		b.members("p", "a", "b", "c") // what is said after that is plain truth again
		b.end()
	})
}

// One that does not come back is missed for a hold, from the first suspicion on.
func TestHoldOfAPartEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, b := held(t)
		s.sets <- Set{Pool: "p"}
		time.Sleep(50 * time.Second)
		s.sets <- Set{Pool: "p", Specs: hosts("abc")}
		time.Sleep(9 * time.Second)
		b.members("p", "a", "b", "c", "d")
		time.Sleep(2 * time.Second)
		b.members("p", "a", "b", "c")
		b.status(0, Fresh, "")
		b.end()
	})
}

func (m *holdModel) answer(t *rapid.T) {
	var specs []backend.Spec
	for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, 9), 0, 10, rapid.ID[int]).Draw(t, "answer") {
		specs = append(specs, spec(fmt.Sprint(i), fmt.Sprintf("10.0.0.%d:25", i)))
	}
	was, before := m.h.holding, m.h
	sure := rapid.Float64Range(0, 1).Draw(t, "sure") < 0.8
	m.h.hear(sorted(specs), sure, modelHold, m.now, m.down)
	if was && !m.h.holding {
		m.mayEnd(t, &before, specs, sure)
	}
	m.believe(!was && !m.h.holding || was && !m.h.holding && m.h.left != nil)
}

// mayEnd checks that an answer which ended a hold had a reason for that.
func (m *holdModel) mayEnd(t *rapid.T, before *holdback, specs []backend.Spec, sure bool) {
	if sure && before.sure && !m.now.Before(before.until) {
		return
	}
	for _, gone := range before.missing(specs) {
		if !m.dead[gone.Address] {
			t.Fatalf("the hold ended before its time without %s", gone.Address)
		}
	}
}

// believe takes the last good answer as seen; unless it was sane, what was seen
// before is past.
func (m *holdModel) believe(sane bool) {
	if m.h.holding {
		return
	}
	if !sane {
		m.seen = map[string]time.Time{}
	}
	for _, s := range m.h.good {
		m.seen[s.Address] = m.now
	}
}

func (m *holdModel) check(t *rapid.T) {
	named := map[string]bool{}
	for _, s := range m.h.want() {
		if named[s.Address] {
			t.Fatalf("%s twice", s.Address)
		}
		named[s.Address] = true
	}
	lost, of := 0, 0
	for address, at := range m.seen {
		if m.now.Sub(at) >= modelHold && !named[address] {
			continue
		}
		of++
		if !named[address] && !m.dead[address] {
			lost++
		}
	}
	if 2*lost > of {
		t.Fatalf("%d of %d connectors were lost within the hold", lost, of)
	}
	for _, s := range m.h.held {
		if !named[s.Address] {
			t.Fatalf("the newcomer %s waits", s.Address)
		}
	}
}

func TestHoldKeepsHalf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &holdModel{now: time.Unix(0, 0), dead: map[string]bool{}, seen: map[string]time.Time{}}
		t.Repeat(map[string]func(*rapid.T){
			"answer":  m.answer,
			"silence": func(*rapid.T) { m.h.unsure() },
			"time": func(t *rapid.T) {
				m.now = m.now.Add(time.Duration(rapid.IntRange(1, 4000).Draw(t, "ms")) * time.Millisecond)
				was := m.h.holding
				m.h.look(m.now, m.down)
				m.believe(!was)
			},
			// Only more of them: a verdict that is taken back later makes no loss.
			"dies": func(t *rapid.T) {
				m.dead[fmt.Sprintf("10.0.0.%d:25", rapid.IntRange(0, 9).Draw(t, "who"))] = true
			},
			"": m.check,
		})
	})
}

// Whatever was before, an answer that the source stands by is applied in the end.
func TestHoldConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &holdModel{now: time.Unix(0, 0), dead: map[string]bool{}, seen: map[string]time.Time{}}
		for range rapid.IntRange(0, 10).Draw(t, "answers") {
			m.answer(t)
			m.now = m.now.Add(time.Duration(rapid.IntRange(0, 9000).Draw(t, "ms")) * time.Millisecond)
		}
		last := sorted(hosts("ab")[:rapid.IntRange(0, 2).Draw(t, "size")])
		m.h.hear(last, true, modelHold, m.now, m.down)
		m.now = m.now.Add(modelHold)
		m.h.hear(last, true, modelHold, m.now, m.down)
		if m.h.holding || !same(m.h.want(), last) {
			t.Fatalf("holding %t, %v instead of %v", m.h.holding, m.h.want(), last)
		}
	})
}
