package cluster

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// Three replicas, orders on any of them, partitions, freezes and a Consul that
// loses its data: when all is healed, every replica and Consul hold the same word
// on every connector, and it is the newest that any of them accepted.
func TestFlagsConverge(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.Custom(drawStep), 1, 12).Draw(rt, "steps")
		synctest.Test(t, func(t *testing.T) { converges(t, rt, steps) })
	})
}

// step is one thing that happens, and how long it is quiet after.
type step struct {
	what    string
	replica int
	name    string
	quiet   time.Duration
}

func drawStep(t *rapid.T) step {
	return step{
		what:    rapid.SampledFrom([]string{"drain", "undrain", "disable", "drain", "undrain", "cut", "freeze", "heal", "lose"}).Draw(t, "what"),
		replica: rapid.IntRange(0, 2).Draw(t, "replica"),
		name:    rapid.SampledFrom([]string{"a", "b"}).Draw(t, "name"),
		quiet:   time.Duration(rapid.SampledFrom([]int{1, 50, 3000, 20000}).Draw(t, "quiet")) * time.Millisecond,
	}
}

func converges(t *testing.T, rt *rapid.T, steps []step) {
	consul := newFakeConsul()
	var replicas []*replica
	for i := range 3 {
		replicas = append(replicas, start(t, consul, Config{Hostname: fmt.Sprint("mx", i)}, newRegistry(t, "a", "b", "c")))
	}
	settle()
	last := map[string]flag{}
	for _, s := range steps {
		r := replicas[s.replica]
		switch s.what {
		case "cut":
			r.agent.set(true, false)
		case "freeze":
			r.agent.set(false, true)
		case "heal":
			r.agent.set(false, false)
		case "lose":
			consul.restartEmpty()
		default:
			_, err := r.Order(t.Context(), idOf(s.name), Order{Verb: Verb(s.what), By: fmt.Sprint("op", s.replica), Force: true})
			if err != nil && !errors.Is(err, ErrNotShared) {
				rt.Errorf("%+v: %v", s, err)
			}
			if f := r.book.get(idOf(s.name)).flag; f.newer(last[s.name]) {
				last[s.name] = f
			}
		}
		pass(s.quiet)
	}
	for _, r := range replicas {
		r.agent.set(false, false)
	}
	pass(time.Minute)
	for name, want := range last {
		held, err := decodeFlag([]byte(consul.get("weir/test/drain/internet/"+name)), time.Now())
		if err != nil || !held.same(want) {
			rt.Errorf("Consul holds %+v (%v), want %+v", held, err, want)
		}
		for _, r := range replicas {
			if got := r.book.get(idOf(name)); !got.same(want) || got.unshared || r.admin(name) != want.admin(time.Now()) {
				rt.Errorf("%s holds %+v, shows %s, want %+v", r.Name(), got, r.admin(name), want)
			}
		}
	}
	for _, r := range replicas {
		r.stop()
	}
	consul.stop()
}

// Orders that are not forced never leave a pool empty, whoever gives them, while
// Consul can be asked.
func TestGuardHolds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.Custom(drawOrders), 1, 6).Draw(rt, "steps")
		synctest.Test(t, func(t *testing.T) { neverEmpty(t, rt, steps) })
	})
}

func drawOrders(t *rapid.T) [3]step {
	var round [3]step
	for i := range round {
		round[i] = step{
			what: rapid.SampledFrom([]string{"drain", "disable", "undrain"}).Draw(t, "what"),
			name: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "name"),
		}
	}
	return round
}

func neverEmpty(t *testing.T, rt *rapid.T, rounds [][3]step) {
	consul := newFakeConsul()
	var replicas []*replica
	for i := range 3 {
		replicas = append(replicas, start(t, consul, Config{Hostname: fmt.Sprint("mx", i)}, newRegistry(t, "a", "b", "c")))
	}
	settle()
	for _, round := range rounds {
		done := make(chan error)
		for i, s := range round {
			go func() {
				_, err := replicas[i].Order(t.Context(), idOf(s.name), Order{Verb: Verb(s.what)})
				done <- err
			}()
		}
		for range round {
			if err := <-done; err != nil && !errors.Is(err, ErrEmpties) {
				rt.Errorf("%v: %v", round, err)
			}
		}
		settle()
		for _, r := range replicas {
			if r.registry.Snapshot().Pool(poolName).Eligible == 0 {
				rt.Errorf("%v: %s has an empty pool", round, r.Name())
			}
			for _, name := range []string{"a", "b", "c"} {
				if got := r.admin(name); got != replicas[0].admin(name) {
					rt.Errorf("%v: %s has %s as %s, the first one as %s", round, r.Name(), name, got, replicas[0].admin(name))
				}
			}
		}
	}
	for _, r := range replicas {
		r.stop()
	}
	consul.stop()
}
