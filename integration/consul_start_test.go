package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestConsul_AwayAtStart: a weir that starts while Consul is away serves what it knew last; without that, what stands
// in the config; with nothing at all it is up, answers 451 and says why, and recovers by itself.
func TestConsul_AwayAtStart(t *testing.T) {
	t.Run("last good set", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, 3, siteOptions{})
		eventually(t, ceiling, func() bool { return keptSets(t, s.state) > 0 }, "the last good set is not in %s", s.state)
		s.consul.kill9()
		s.kill9()
		s.weir = s.again()
		s.waitEligible(poolName, 3)
		s.waitSource("consul", "stale")
		if src := s.status().source(poolName, "consul"); !src.FromDisk {
			t.Errorf("the source is %+v, want it to be said that the set is from the disk", src)
		}
		k := s.load("kept")
		s.consul.start()
		for _, c := range s.c {
			s.consul.place(c)
		}
		s.waitSource("consul", "fresh")
		s.finishLoad(k)
	})
	t.Run("static", func(t *testing.T) {
		t.Parallel()
		s := &site{flock: &flock{t: t}}
		static := s.connector("static")
		s.weir = launchWeir(t, launch{config: siteConfig(freeAddr(t), siteOptions{static: []string{static.Addr()}, opts: opts{top: []string{"startup_wait: 2s"}}})})
		s.waitReady(ceiling)
		s.waitEligible(poolName, 1)
		s.waitSource("consul", "stale")
		s.finishLoad(s.load("static"))
	})
	t.Run("nothing", func(t *testing.T) {
		t.Parallel()
		consul := startConsul(t, consulOptions{})
		consul.kill9()
		s := &site{flock: &flock{t: t}, consul: consul}
		s.weir = launchWeir(t, launch{config: siteConfig(consul.http, siteOptions{opts: opts{top: []string{"startup_wait: 1s"}}})})
		s.waitReady(ceiling)
		s.waitSource("consul", "stale", consul.http)
		c := s.dial()
		s.own(s.deliverOn(c, s.message("early", 300)), "451 4.3.2")
		s.expect(c, 250, "RSET")

		consul.start()
		consul.place(s.connector("c0"))
		s.waitEligible(poolName, 1)
		m := s.message("late", 300)
		if rep := s.deliverOn(c, m); rep.code != 250 {
			t.Errorf("on the same connection, once there is a connector: %s", rep)
		}
		s.storedOnce(m)
	})
}

// keptSets is how many files in the state directory name the service or the pool.
func keptSets(t *testing.T, state string) (n int) {
	t.Helper()
	err := filepath.WalkDir(state, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		text, _ := os.ReadFile(path)
		if strings.Contains(string(text), "c2") {
			n++
		}
		return nil
	})
	if err != nil {
		t.Fatalf("reading %s: %v", state, err)
	}
	return n
}

// TestConsul_BrokenKeptSet: a kept set that is no JSON, half of one, or of a later version is said and set aside; weir
// starts.
func TestConsul_BrokenKeptSet(t *testing.T) {
	t.Parallel()
	s := newSite(t, 3, siteOptions{})
	eventually(t, ceiling, func() bool { return keptSets(t, s.state) > 0 }, "the last good set is not in %s", s.state)
	s.kill9()
	spoilFiles(t, s.state)
	s.weir = s.again()
	s.waitEligible(poolName, 3)
	s.finishLoad(s.load("spoilt"))
}

// spoilFiles cuts every file below a directory in half.
func spoilFiles(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(path, text[:len(text)/2], 0o600)
	})
	if err != nil {
		t.Fatalf("spoiling %s: %v", dir, err)
	}
}
