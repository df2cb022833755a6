package integration

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestReplicas_ShareDrains: an order given to one replica is obeyed by all, --wait asks them all, and any may end it.
func TestReplicas_ShareDrains(t *testing.T) {
	t.Parallel()
	r := startReplicas(t, 3, 3)
	all := r.load("shared")
	said := r.weirs[0].mustCtl("drain", "c0", "--wait", "--timeout", "1m", "--reason", "shared")
	if !strings.Contains(said, "safe to reboot") {
		t.Errorf("drain --wait said %q", said)
	}
	r.allShow("c0", "drain")
	for _, k := range all {
		r.connectors.weir = r.weirs[0]
		r.connectors.getsNone("c0", k)
	}
	r.weirs[2].mustCtl("undrain", "c0")
	r.allShow("c0", "up", "recovering")
	r.connectors.getsMail("c0")
	r.finish(all)
}

// TestReplicas_WaitAsksAll: a message in flight on another replica keeps drain --wait waiting, and it says where.
func TestReplicas_WaitAsksAll(t *testing.T) {
	t.Parallel()
	r := startReplicas(t, 2, 2)
	f := r.connectors
	f.weir = r.weirs[1]
	m := f.message("elsewhere", 4000)
	c, holder := f.begin(m)
	first, rest := halves(m)
	f.write(c, first)
	r.weirs[0].refused([]string{"drain", holder.Name(), "--wait", "--timeout", "3s"}, holder.Name())
	if rep := f.finish(c, rest); rep.code != 250 {
		t.Errorf("the message in flight: %s", rep)
	}
	r.weirs[0].mustCtl("drain", holder.Name(), "--wait", "--timeout", "1m")
}

// TestReplicas_NotEmptiedTogether: of two drains at once, on two replicas, of the two connectors that are left, one at
// most is obeyed.
func TestReplicas_NotEmptiedTogether(t *testing.T) {
	t.Parallel()
	r := startReplicas(t, 2, 2)
	rounds := 25
	if testing.Short() {
		rounds = 5
	}
	obeyed := 0
	for round := range rounds {
		var wg sync.WaitGroup
		codes := make([]int, 2)
		for i, w := range r.weirs {
			wg.Go(func() {
				codes[i], _ = w.order(backendName(i), "drain", map[string]any{"reason": fmt.Sprintf("round %d", round)})
			})
		}
		wg.Wait()
		for i, code := range codes {
			switch code {
			case 200:
				obeyed++
			case 409:
			default:
				t.Errorf("round %d: replica %d answered %d, want 200 or 409", round, i, code)
			}
		}
		if codes[0] == 200 && codes[1] == 200 {
			t.Fatalf("round %d: both drains were obeyed, the pool is empty", round)
		}
		for i := range codes {
			if code, _ := r.weirs[i].order(backendName(i), "undrain", nil); code != 200 {
				t.Fatalf("round %d: undrain on replica %d: %d", round, i, code)
			}
		}
		for i := range codes {
			r.allShow(backendName(i), "up", "recovering")
		}
	}
	if obeyed == 0 {
		t.Errorf("in %d rounds no drain was obeyed", rounds)
	}
}

// TestReplicas_CutOff: a replica that Consul is lost to goes on serving and says so; a drain there is done there, names
// who was not told, and fails; on return all replicas agree, by the later word.
func TestReplicas_CutOff(t *testing.T) {
	t.Parallel()
	r := startReplicas(t, 2, 4)
	all := r.load("cut")
	lonely, other := r.weirs[0], r.weirs[1]
	r.rooms[0].cut()
	eventually(t, 90*time.Second, func() bool { return !lonely.status().Consul.Reachable }, "the replica does not say that it is cut off: %s", later(lonely))
	for _, k := range all {
		k.flows(20)
	}
	name := selfName(t, other)
	lonely.refused([]string{"drain", "c0", "--reason", "alone"}, name)
	if b := lonely.status().backend(poolName, "c0"); b.State != "drain" {
		t.Errorf("the drain was not done where it was ordered: c0 is %s", b.State)
	}
	if b := other.status().backend(poolName, "c0"); b.State != "up" {
		t.Errorf("the other replica shows c0 as %s, want up: it was not told", b.State)
	}
	if unshared := lonely.status().Consul.Unshared; len(unshared) != 1 {
		t.Errorf("unshared flags: %q, want the one of c0", unshared)
	}
	if code, _ := other.order("c1", "drain", nil); code != 200 {
		t.Errorf("a drain on the replica that has Consul: %d, want 200", code)
	}
	r.rooms[0].mend()
	r.allShow("c0", "drain")
	r.allShow("c1", "drain")
	eventually(t, ceiling, func() bool { return len(lonely.status().Consul.Unshared) == 0 }, "flags are still unshared: %s", later(lonely))
	r.finish(all)
}

// selfName is the name of a replica.
func selfName(t *testing.T, w *weir) string {
	t.Helper()
	for _, rep := range w.status().Replicas {
		if rep.Self {
			return rep.Name
		}
	}
	t.Fatalf("a replica does not know its own name: %s", later(w))
	return ""
}

// TestReplicas_ConsulEmptied: a Consul that has forgotten everything is told the drains again.
func TestReplicas_ConsulEmptied(t *testing.T) {
	t.Parallel()
	r := startReplicas(t, 2, 3)
	r.weirs[0].mustCtl("drain", "c0", "--reason", "stays")
	r.allShow("c0", "drain")
	r.consul.kill9()
	r.consul.start()
	r.waitTogether()
	eventually(t, ceiling, func() bool {
		pair, _, err := r.consul.api().KV().Get("weir/default/drain/"+poolName+"/c0", nil)
		return err == nil && pair != nil && strings.Contains(string(pair.Value), "stays")
	}, "the drain of c0 is not in Consul again")
	r.allShow("c0", "drain")
	r.weirs[1].mustCtl("undrain", "c0")
	r.allShow("c0", "up", "recovering")
}

// TestReplicas_Garbage: keys that somebody else wrote are named and change nothing.
func TestReplicas_Garbage(t *testing.T) {
	t.Parallel()
	r := startReplicas(t, 2, 2)
	for key, value := range map[string]string{
		poolName + "/c0": "{\"drained\":", poolName + "/c1": "true", "nowhere/c9": "{\"drained\":true}", "": "x", "a/b/c/d": "[]",
	} {
		r.consul.put("weir/default/drain/"+key, value)
	}
	for _, w := range r.weirs {
		eventually(t, ceiling, func() bool {
			return len(w.logged(func(l logLine) bool { return strings.Contains(fmt.Sprint(l), "drain/"+poolName+"/c0") })) > 0
		}, "the log does not name the key that cannot be read")
		if n := w.status().eligible(poolName); n != 2 {
			t.Errorf("%d are eligible, want 2", n)
		}
	}
	r.weirs[0].mustCtl("drain", "c0")
	r.allShow("c0", "drain")
}
