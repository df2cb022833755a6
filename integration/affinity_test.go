package integration

import (
	"fmt"
	"testing"

	"weir/internal/faulty"
)

// TestAffinity_OutlivesConnections: what affinity counts as one meets the same connector again, over reconnects, and
// others are spread over all.
func TestAffinity_OutlivesConnections(t *testing.T) {
	type visit struct{ ip, from string }
	for kind, visits := range map[string]func(who, i int) visit{
		"client":  func(who, _ int) visit { return visit{fmt.Sprintf("127.0.3.%d", 1+who), ""} },
		"network": func(who, i int) visit { return visit{fmt.Sprintf("127.0.%d.%d", 10+who, 1+i), ""} },
		"sender": func(who, i int) visit {
			return visit{fmt.Sprintf("127.0.3.%d", 1+i), fmt.Sprintf("s%d@sender.example", who)}
		},
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			f := newFlock(t, 3, opts{pool: []string{"affinity: " + kind, "affinity_ttl: 10m"}})
			homes := map[int]*faulty.Server{}
			used := map[string]int{}
			for i := range 4 {
				for who := range 9 {
					v := visits(who, i)
					at := f.visit(v.ip, v.from, 2)
					if homes[who] == nil {
						homes[who] = at
						used[at.Name()]++
					}
					if homes[who] != at {
						t.Errorf("visit %d of %s %d went to %s, the first to %s", i+1, kind, who, at.Name(), homes[who].Name())
					}
				}
			}
			if len(used) != 3 {
				t.Errorf("nine went to %v, want all three used", used)
			}
		})
	}
}

// visit sends n messages on a connection of its own, and returns the connector that got all of them.
func (f *flock) visit(ip, from string, n int) (at *faulty.Server) {
	f.t.Helper()
	c := f.dialFrom(ip)
	defer c.quit()
	for range n {
		m := f.message("visit", 300)
		m.from = or(from, m.from)
		got := f.lands(c, m)
		if at != nil && got != at {
			f.t.Errorf("from %s: one message went to %s, one to %s", ip, at.Name(), got.Name())
		}
		at = got
	}
	return at
}

// TestAffinity_IsGivenUpAtOnce: when the preferred connector is drained, refuses or fails, the very next message goes
// elsewhere without a word to the sender, and stays there from then on.
func TestAffinity_IsGivenUpAtOnce(t *testing.T) {
	t.Parallel()
	f := newFlock(t, 3, opts{pool: []string{"affinity: client", "slow_start: 0s"}})
	c := f.dialFrom("127.0.4.1")
	first := f.lands(c, f.message("home", 300))
	f.mustCtl("drain", first.Name())
	second := f.lands(c, f.message("moved", 300))
	if second == first {
		t.Fatalf("mail still goes to %s, which is drained", first.Name())
	}
	f.mustCtl("undrain", first.Name())
	for range 3 {
		if at := f.visit("127.0.4.1", "", 1); at != second {
			t.Errorf("the client is at %s, want %s, where it had moved", at.Name(), second.Name())
		}
	}
	second.Refuse()
	second.DropConnections(false)
	m := f.message("refused", 300)
	if rep := f.deliverOn(c, m); rep.code != 250 {
		t.Errorf("with the preferred one refusing: %s", rep)
	}
	if n, at := f.stored(m); n != 1 || at == second {
		t.Errorf("stored %d times, at %s", n, at.Name())
	}
}

// TestAffinity_CostGoesFirst: a preferred connector of a dearer tier is left when a cheaper one is back.
func TestAffinity_CostGoesFirst(t *testing.T) {
	t.Parallel()
	f := newFlock(t, 2, opts{keys: []string{"", "cost: 5"}, pool: []string{"affinity: client", "slow_start: 0s"}})
	f.mustCtl("drain", "c0")
	if at := f.visit("127.0.4.2", "", 2); at != f.c[1] {
		t.Errorf("with c0 drained mail goes to %s", at.Name())
	}
	f.mustCtl("undrain", "c0")
	if at := f.visit("127.0.4.2", "", 2); at != f.c[0] {
		t.Errorf("with c0 back mail goes to %s", at.Name())
	}
}
