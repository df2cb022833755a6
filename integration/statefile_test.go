package integration

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestStateFile_KillNine: weir is killed while drains and undrains are ordered in a loop. It always starts, and the flag
// is what was acknowledged last, or what was under way.
func TestStateFile_KillNine(t *testing.T) {
	t.Parallel()
	f := newFlock(t, 2, opts{})
	rounds := 20
	if testing.Short() {
		rounds = 4
	}
	for round := range rounds {
		acknowledged, under := f.orderUntilKilled(time.Duration(5+rand.IntN(60)) * time.Millisecond)
		f.weir = f.again()
		got := f.status().backend(poolName, "c0").Admin
		if got != acknowledged && got != under {
			t.Fatalf("round %d: c0 is %q after the restart, want %q, or %q which was under way", round, got, acknowledged, under)
		}
	}
}

// orderUntilKilled orders drain and undrain of c0 by turns until weir is killed, and returns the flag that was
// acknowledged last and the one that was under way.
func (f *flock) orderUntilKilled(after time.Duration) (acknowledged, under string) {
	f.t.Helper()
	words := map[string]string{"drain": "drain", "undrain": "enabled"}
	acknowledged = f.status().backend(poolName, "c0").Admin
	under = acknowledged
	var killed atomic.Bool
	timer := time.AfterFunc(after, func() { killed.Store(true); _ = f.cmd.Process.Kill() })
	defer timer.Stop()
	for i := 0; ; i++ {
		verb := []string{"drain", "undrain"}[i%2]
		under = words[verb]
		code, _, err := f.post("/v1/backends/"+poolName+"/c0/"+verb, nil)
		if err != nil && killed.Load() {
			f.waitExit(stopCeiling)
			return acknowledged, under
		}
		if err != nil || code != 200 {
			f.t.Fatalf("%s: %d, %v", verb, code, err)
		}
		acknowledged = under
	}
}

// TestStateFile_Spoilt: a state file that is cut off, empty, or of a later version is set aside and said; weir starts.
func TestStateFile_Spoilt(t *testing.T) {
	t.Parallel()
	f := newFlock(t, 2, opts{})
	for name, spoil := range map[string]func(text string) string{
		"half":       func(text string) string { return text[:len(text)/2] },
		"empty":      func(string) string { return "" },
		"no JSON":    func(string) string { return "\x00\xff rubbish" },
		"of version": func(text string) string { return strings.Replace(text, "\"version\":", "\"version\":9", 1) },
	} {
		f.mustCtl("drain", "c0")
		f.kill9()
		path := filepath.Join(f.state, "flags.json")
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatalf("%s: reading the flags: %v", name, err)
		}
		if err := os.WriteFile(path, []byte(spoil(string(text))), 0o600); err != nil {
			t.Fatal(err)
		}
		f.weir = f.again()
		f.waitEligible(poolName, 2)
		eventually(t, ceiling, func() bool {
			return len(f.logged(func(l logLine) bool { return strings.Contains(l.str("why")+l.str("error"), "flags.json") })) > 0
		}, "%s: the log does not name the file: %s", name, f.tail(2000))
	}
}

// TestStateFile_Unwritable: a state directory that cannot be written is a warning, not an end.
func TestStateFile_Unwritable(t *testing.T) {
	t.Parallel()
	f := newFlock(t, 2, opts{})
	f.kill9()
	if err := os.RemoveAll(f.state); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.state, []byte("not a directory"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.weir = f.again()
	f.waitEligible(poolName, 2)
	f.order("c0", "drain", nil)
	f.waitState(poolName, "c0", "drain")
	f.delivered(f.message("unwritable", 300))
}
