package certs

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestBrokenFileKeepsTheOldOne(t *testing.T) {
	dir := t.TempDir()
	a := made{names: names("a.test"), serial: 1}.write(t, dir, "a")
	b := made{names: names("b.test"), serial: 2}.write(t, dir, "b")
	s, events := open(t, Config{Certificates: []Pair{a, b}})
	put(t, a.Cert, []byte("half of a"))
	made{names: names("b.test"), serial: 20}.write(t, dir, "b")
	for range 2 {
		if err := s.Reload(); err == nil || !strings.Contains(err.Error(), a.Cert) {
			t.Fatalf("reload: %v", err)
		}
	}
	if n := events.count(Failed, a.Cert); n != 1 || events.count(Failed, "stays in use") != 1 {
		t.Errorf("told %d times:%v", n, events)
	}
	if got := serial(t, s, asked("a.test")); got != 1 {
		t.Errorf("a: certificate %d, want the old one", got)
	}
	if got := serial(t, s, asked("b.test")); got != 20 {
		t.Errorf("b: certificate %d, want the new one: it is sound", got)
	}
	made{names: names("a.test"), serial: 10}.write(t, dir, "a")
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	if got := serial(t, s, asked("a.test")); got != 10 {
		t.Errorf("mended: certificate %d", got)
	}
	if err := os.Remove(a.Key); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(); !errors.Is(err, os.ErrNotExist) || events.count(Failed, "no such file") != 1 {
		t.Errorf("removed: %v, told:%v", err, events)
	}
	if got := serial(t, s, asked("a.test")); got != 10 {
		t.Errorf("removed: certificate %d", got)
	}
}

// run runs a store until the test ends.
func run(t *testing.T, s *Store) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestFilesAreReadAgainWhenTheyChange(t *testing.T) {
	dir := t.TempDir()
	pair := made{names: names("mx.test"), serial: 1}.write(t, dir, "a")
	s, events := open(t, Config{Certificates: []Pair{pair}})
	run(t, s)
	made{names: names("mx.test"), serial: 2}.write(t, dir, "a")
	eventually(t, "the second certificate", func() bool { return serial(t, s, asked("")) == 2 })
	next := t.TempDir()
	renamed := made{names: names("mx.test"), serial: 3}.write(t, next, "a")
	for from, to := range map[string]string{renamed.Cert: pair.Cert, renamed.Key: pair.Key} {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the third certificate", func() bool { return serial(t, s, asked("")) == 3 })
	if events.count(Renewed, "mx.test until") < 2 {
		t.Errorf("told:%v", events)
	}
}

// As Kubernetes mounts secrets: the file is a link through ..data, which is swapped.
func TestLinksAreFollowedWhenTheyAreSwapped(t *testing.T) {
	dir := t.TempDir()
	version := func(name string, serial int64) {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		made{names: names("mx.test"), serial: serial}.write(t, filepath.Join(dir, name), "tls")
	}
	link := func(to, name string) {
		if err := errors.Join(os.Symlink(to, filepath.Join(dir, "..tmp")), os.Rename(filepath.Join(dir, "..tmp"), filepath.Join(dir, name))); err != nil {
			t.Fatal(err)
		}
	}
	version("..v1", 1)
	link("..v1", "..data")
	link("..data/tls.pem", "tls.pem")
	link("..data/tls.key", "tls.key")
	s, _ := open(t, Config{Certificates: []Pair{{filepath.Join(dir, "tls.pem"), filepath.Join(dir, "tls.key")}}})
	run(t, s)
	for i, name := range []string{"..v2", "..v3"} {
		version(name, int64(i+2))
		link(name, "..data")
		if err := os.RemoveAll(filepath.Join(dir, "..v1")); err != nil {
			t.Fatal(err)
		}
		eventually(t, name, func() bool { return serial(t, s, asked("")) == int64(i+2) })
	}
}

func TestRotationWhileHandshakesGoOn(t *testing.T) {
	dir := t.TempDir()
	s, _ := open(t, Config{Certificates: []Pair{made{names: names("mx.test"), serial: 1}.write(t, dir, "a")}})
	stop := make(chan struct{})
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			last := int64(0)
			for {
				state, err := shake(s, asked("mx.test"))
				if err != nil {
					t.Errorf("handshake: %v", err)
					return
				}
				n := state.PeerCertificates[0].SerialNumber.Int64()
				if n < last {
					t.Errorf("certificate %d after %d", n, last)
				}
				last = n
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for i := range 20 {
		made{names: names("mx.test"), serial: int64(i + 2)}.write(t, dir, "a")
		if err := s.Reload(); err != nil {
			t.Errorf("reload: %v", err)
		}
	}
	close(stop)
	all.Wait()
	if got := serial(t, s, asked("")); got != 21 {
		t.Errorf("certificate %d at last", got)
	}
}
