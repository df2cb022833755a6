package cluster

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/backend"
)

func TestOrdersAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		r := start(t, nil, Config{Hostname: "mx", Dir: dir}, newRegistry(t, "a", "b"))
		s := r.order(t, Drain, "a")
		if r.admin("a") != backend.AdminDrain || s.State != "drain" || !s.Safe || !strings.Contains(s.Warning, "1 eligible of min_redundancy 2") {
			t.Errorf("%s, standing %+v", r.admin("a"), s)
		}
		r.mustTell(t, "backend", "reboot By:alice")
		if _, err := r.Order(t.Context(), idOf("b"), Order{Verb: Disable}); !errors.Is(err, ErrEmpties) || r.admin("b") != backend.AdminEnabled {
			t.Errorf("the last one: %v, %s", err, r.admin("b"))
		}
		r.order(t, Drain, "a") // again: fine
		r.order(t, Disable, "a")
		if r.admin("a") != backend.AdminDisabled {
			t.Errorf("%s after disable", r.admin("a"))
		}
		s, err := r.Order(t.Context(), idOf("b"), Order{Verb: Drain, Force: true})
		if err != nil || !strings.Contains(s.Warning, "no eligible connector left") {
			t.Errorf("forced: %+v, %v", s, err)
		}
		r.stop()

		again := start(t, nil, Config{Hostname: "mx", Dir: dir}, newRegistry(t, "a", "b"))
		if again.admin("a") != backend.AdminDisabled || again.admin("b") != backend.AdminDrain {
			t.Errorf("after a restart: %s, %s", again.admin("a"), again.admin("b"))
		}
		again.order(t, Undrain, "b")
		again.order(t, Enable, "a")
		if again.admin("a") != backend.AdminEnabled || again.admin("b") != backend.AdminEnabled {
			t.Errorf("lifted: %s, %s", again.admin("a"), again.admin("b"))
		}
		again.stop()
	})
}

func TestOrdersThatMakeNoSense(t *testing.T) {
	c, err := New(Config{Cluster: "test"}, Deps{Registry: newRegistry(t, "a", "b")})
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		id    backend.ID
		order Order
		words string
	}{
		"unknown connector": {idOf("z"), Order{Verb: Drain}, "looking for internet/z: no such connector"},
		"unknown pool":      {backend.ID{Pool: "fax", Name: "a"}, Order{Verb: Undrain}, "no such connector"},
		"unknown verb":      {idOf("a"), Order{Verb: "reboot"}, `"reboot" is none of drain`},
		"undrain for":       {idOf("a"), Order{Verb: Undrain, For: time.Hour}, "makes no sense with undrain"},
		"negative for":      {idOf("a"), Order{Verb: Drain, For: -time.Hour}, "makes no sense with drain"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := c.Order(t.Context(), tc.id, tc.order); err == nil || !strings.Contains(err.Error(), tc.words) {
				t.Errorf("%v, want %q", err, tc.words)
			}
		})
	}
	if _, err := New(Config{Cluster: "a/b"}, Deps{}); err == nil {
		t.Error("a cluster's name with a slash is taken")
	}
}

// One that is not eligible anyway may always be taken out.
func TestDrainOfOneThatIsDown(t *testing.T) {
	registry := newRegistry(t, "a", "b")
	c, err := New(Config{Cluster: "test"}, Deps{Registry: registry})
	if err != nil {
		t.Fatal(err)
	}
	registry.SetHealth(registry.Snapshot().Pool(poolName).Member("b").Backend, backend.HealthFact{Health: backend.HealthDown})
	if _, err := c.Order(t.Context(), idOf("b"), Order{Verb: Drain}); err != nil {
		t.Errorf("the one that is down: %v", err)
	}
	if _, err := c.Order(t.Context(), idOf("a"), Order{Verb: Drain}); !errors.Is(err, ErrEmpties) {
		t.Errorf("the one that is up: %v", err)
	}
}

func TestUndrainUnderMaintenance(t *testing.T) {
	registry := newRegistry(t, "a", "b")
	spec := registry.Snapshot().Pool(poolName).Member("a").Spec
	spec.Maintenance, spec.Meta = "maintenance: kernel", map[string]string{"undrain": "on node n1: consul maint -disable -service=a"}
	registry.SetMembers(poolName, []backend.Spec{spec, registry.Snapshot().Pool(poolName).Member("b").Spec})
	c, err := New(Config{Cluster: "test"}, Deps{Registry: registry})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Order(t.Context(), idOf("a"), Order{Verb: Drain}); err != nil {
		t.Fatal(err)
	}
	s, err := c.Order(t.Context(), idOf("a"), Order{Verb: Undrain})
	if !errors.Is(err, ErrMaintenance) || !strings.Contains(err.Error(), spec.Meta["undrain"]) || s.State != "drain" {
		t.Errorf("%+v, %v", s, err)
	}
	if got := registry.Snapshot().Pool(poolName).Member("a").Admin.Admin; got != backend.AdminEnabled {
		t.Errorf("our own flag is still %s", got)
	}
}

func TestFlagsEndByThemselves(t *testing.T) {
	fleet(t, 2, func(t *testing.T, consul *fakeConsul, replicas []*replica) {
		if _, err := replicas[0].Order(t.Context(), idOf("a"), Order{Verb: Drain, By: "alice", For: time.Hour}); err != nil {
			t.Fatal(err)
		}
		pass(time.Hour - time.Second)
		for _, r := range replicas {
			if r.admin("a") != backend.AdminDrain {
				t.Errorf("%s before it is over", r.admin("a"))
			}
		}
		pass(2 * time.Second)
		for _, r := range replicas {
			if r.admin("a") != backend.AdminEnabled {
				t.Errorf("%s when it is over", r.admin("a"))
			}
			r.mustTell(t, "backend", "its time is over")
		}
	})
}

func TestStateFileTroubleStopsNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	r := &replica{t: t}
	c, err := New(Config{Cluster: "test", Dir: dir}, Deps{Registry: newRegistry(t, "a", "b"), Event: r.event})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Order(t.Context(), idOf("a"), Order{Verb: Drain}); err != nil {
		t.Errorf("drain: %v", err)
	}
	r.mustTell(t, "state", "a restart would forget them")
	if err := os.MkdirAll(filepath.Join(dir, "flags.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Config{Cluster: "test", Dir: dir}, Deps{Registry: newRegistry(t, "a", "b"), Event: r.event}); err != nil {
		t.Errorf("start with an unreadable file: %v", err)
	}
	r.mustTell(t, "state", "starting without them")
}

// Flags that are not on disk are told with every order and in the status, and saved
// when that can be done again, though nothing else happens.
func TestFlagsThatCannotBeSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "full")
		r := start(t, nil, Config{Hostname: "mx", Dir: dir}, newRegistry(t, "a", "b", "c"))
		for _, name := range []string{"a", "b"} {
			if s := r.order(t, Drain, name); !strings.Contains(s.Warning, "a restart would forget them") {
				t.Errorf("%+v", s)
			}
		}
		if s := r.Status(); !strings.Contains(s.Unkept, "a restart would forget them") {
			t.Errorf("%+v", s)
		}
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		pass(saveAgain + time.Second)
		r.mustTell(t, "state", "To:kept")
		if flags, err := (stateFile{dir}).read(); err != nil || len(flags) != 2 || r.Status().Unkept != "" {
			t.Errorf("on disk %v, %v; %+v", flags, err, r.Status())
		}
		trouble := 0
		for _, e := range r.events {
			if e.To == "trouble" && strings.Contains(e.Why, "writing") {
				trouble++
			}
		}
		if trouble != 1 {
			t.Errorf("told %d times", trouble)
		}
		r.stop()
	})
	c, err := New(Config{Cluster: "test", NoDir: "no such disk"}, Deps{Registry: newRegistry(t, "a", "b")})
	if err != nil {
		t.Fatal(err)
	}
	if s, err := c.Order(t.Context(), idOf("a"), Order{Verb: Drain}); err != nil || !strings.Contains(s.Warning, "no such disk") {
		t.Errorf("%+v, %v", s, err)
	}
}

// A word that changes nothing now is a word all the same: this one ends never.
func TestSecondDrainIsSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		r := start(t, nil, Config{Hostname: "mx", Dir: dir}, newRegistry(t, "a", "b"))
		if _, err := r.Order(t.Context(), idOf("a"), Order{Verb: Drain, For: time.Hour}); err != nil {
			t.Fatal(err)
		}
		r.order(t, Drain, "a")
		if flags, err := (stateFile{dir}).read(); err != nil || !flags[idOf("a")].Until.IsZero() {
			t.Errorf("on disk %v, %v", flags, err)
		}
		r.stop()
	})
}
