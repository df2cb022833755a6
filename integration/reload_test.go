package integration

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// reloads is a flock whose config file changes while it runs.
type reloads struct {
	*flock
	o opts
}

func newReloads(t *testing.T, n int) *reloads {
	t.Helper()
	r := &reloads{flock: newFlock(t, n, opts{})}
	for _, c := range r.c {
		r.o.backends = append(r.o.backends, c.Addr())
	}
	r.o.health, r.o.timeouts = quietHealth, shortTimeouts
	return r
}

// hup writes a config and sends SIGHUP, and waits until the log tells what came of it.
func (r *reloads) hup(text string) {
	r.t.Helper()
	before := len(r.reloadLines())
	r.configure(text)
	r.signal(syscall.SIGHUP)
	eventually(r.t, ceiling, func() bool { return len(r.reloadLines()) > before }, "the log says nothing of the reload: %s", r.tail(2000))
}

// reloadLines are the log's words on reloads.
func (r *reloads) reloadLines() []logLine {
	return r.logged(func(l logLine) bool { return strings.Contains(l.msg(), "reload") })
}

// second is a further listener and pool.
func second(smtp, connector string) (listener, pool string) {
	return "  - {name: second, address: \"" + smtp + "\", pool: fax, tls: {mode: off}}\n",
		"  fax:\n    tls: {mode: off}\n    health: " + quietHealth + "\n    backends: [{address: \"" + connector + "\", name: f0}]\n"
}

// withSecond is basicConfig with the further listener and pool.
func withSecond(o opts, listener, pool string) string {
	return strings.Replace(basicConfig(o), "pools:\n", listener+"pools:\n", 1) + pool
}

// TestReload_UnderTraffic: SIGHUP and `weir reload` bring a new pool, a new listener and new connectors into force, and
// take them out again; senders of the listener that did not change keep their connections.
func TestReload_UnderTraffic(t *testing.T) {
	t.Parallel()
	r := newReloads(t, 2)
	k := r.load("reload")
	fax, addr := r.connector("f0"), freeAddr(t)
	listener, pool := second(addr, fax.Addr())
	r.hup(withSecond(r.o, listener, pool))
	r.waitEligible("fax", 1)
	c, err := dialSMTP(addr)
	if err != nil {
		t.Fatalf("the new listener: %v", err)
	}
	defer c.close()
	m := r.message("fax", 300)
	if rep := r.deliverOn(c, m); rep.code != 250 {
		t.Errorf("through the new listener: %s", rep)
	}
	if n, at := r.stored(m); n != 1 || at != fax {
		t.Errorf("stored %d times, want once in the new pool", n)
	}

	wider := r.o
	wider.backends = append(wider.backends, r.connector("c2").Addr())
	r.configure(basicConfig(wider))
	said := r.mustCtl("reload")
	if !strings.Contains(said, "fax") {
		t.Errorf("weir reload does not tell of the pool that is gone: %q", said)
	}
	r.waitEligible(poolName, 3)
	r.getsMail("c2")
	expectGoodbye(t, "a sender of the listener that is gone", c)
	if _, err := dialSMTP(addr); err == nil {
		t.Error("the listener that is gone still takes connections")
	}
	k.flows(40)
	r.finishLoad(k)
}

// TestReload_WrongFileChangesNothing: every mistake is told, with its line, by both ways, and all goes on.
func TestReload_WrongFileChangesNothing(t *testing.T) {
	t.Parallel()
	r := newReloads(t, 2)
	k := r.load("wrong")
	wrong := r.o
	wrong.top, wrong.pool = []string{"startup_wiat: 1s"}, []string{"replay_bufer: 1KiB"}
	r.hup(basicConfig(wrong))
	r.refused([]string{"reload"}, "startup_wiat", "replay_bufer", ":3")
	if code, text, err := r.post("/v1/reload", nil); err != nil || code != 400 || !strings.Contains(string(text), "startup_wiat") {
		t.Errorf("POST /v1/reload: %d, %s, %v; want 400 and every mistake", code, text, err)
	}
	lines := r.reloadLines()
	if last := lines[len(lines)-1]; last.str("level") != "error" {
		t.Errorf("the log calls the refused reload %q: %v", last.str("level"), last)
	}
	if n := r.status().eligible(poolName); n != 2 {
		t.Errorf("%d are eligible, want 2", n)
	}
	k.flows(20)
	r.finishLoad(k)
}

// TestReload_Previous: what was in force before comes back by one command, and the last ten files are kept.
func TestReload_Previous(t *testing.T) {
	t.Parallel()
	r := newReloads(t, 2)
	for i := range 12 {
		o := r.o
		if i%2 == 0 {
			o.backends = o.backends[:1]
		}
		o.pool = []string{"queue_timeout: " + string(rune('1'+i%9)) + "s"}
		r.configure(basicConfig(o))
		r.mustCtl("reload")
		r.waitEligible(poolName, 1+i%2)
	}
	r.mustCtl("reload", "--previous")
	r.waitEligible(poolName, 1)
	kept := 0
	err := filepath.WalkDir(r.state, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if text, _ := os.ReadFile(path); strings.Contains(string(text), "queue_timeout: ") {
			kept++
		}
		return nil
	})
	if err != nil || kept == 0 || kept > 10 {
		t.Errorf("%d applied configs are kept in %s (%v), want up to ten", kept, r.state, err)
	}
	if out := r.mustCtl("config"); !strings.Contains(out, "queue_timeout") {
		t.Errorf("weir config shows %q", out)
	}
}

// TestReload_KeepsDrains: a reload that takes a connector out and brings it back leaves the operator's word on it.
func TestReload_KeepsDrains(t *testing.T) {
	t.Parallel()
	r := newReloads(t, 3)
	r.mustCtl("drain", "c2")
	fewer := r.o
	fewer.backends = fewer.backends[:2]
	r.hup(basicConfig(fewer))
	r.waitNames("c0", "c1")
	r.hup(basicConfig(r.o))
	r.waitNames("c0", "c1", "c2")
	if b := r.status().backend(poolName, "c2"); b.State != "drain" {
		t.Errorf("c2 came back as %s, want drain", b.State)
	}
}
