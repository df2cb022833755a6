package certs

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// shown is the certificate that a client is shown.
func shown(t *testing.T, s *Store) *x509.Certificate {
	t.Helper()
	state, err := shake(s, asked(""))
	if err != nil {
		t.Fatal(err)
	}
	return state.PeerCertificates[0]
}

func TestWithoutCertificatesOneIsMadeAndKept(t *testing.T) {
	dir := t.TempDir()
	cfg := Config{StateDir: dir, Hostname: "MX.Example.com."}
	first, events := open(t, cfg)
	if events.count(Warning, "self-signed one for mx.example.com") != 1 || len(events.all) != 1 {
		t.Errorf("told:%v", events)
	}
	cert := shown(t, first)
	if err := cert.VerifyHostname("mx.example.com"); err != nil {
		t.Error(err)
	}
	if cert.PublicKeyAlgorithm != x509.ECDSA || time.Until(cert.NotAfter) < 4*365*24*time.Hour {
		t.Errorf("%v until %v", cert.PublicKeyAlgorithm, cert.NotAfter)
	}
	info, err := os.Stat(filepath.Join(dir, selfFile))
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	again, _ := open(t, cfg)
	if !shown(t, again).Equal(cert) {
		t.Error("another one after a restart")
	}
	other, _ := open(t, Config{StateDir: dir, Hostname: "192.0.2.1"})
	if err := shown(t, other).VerifyHostname("192.0.2.1"); err != nil {
		t.Error(err)
	}
	nameless, _ := open(t, Config{})
	if err := shown(t, nameless).VerifyHostname("localhost"); err != nil {
		t.Error(err)
	}
}

func TestStateDirThatCannotBeWritten(t *testing.T) {
	s, events := open(t, Config{StateDir: filepath.Join(t.TempDir(), "none"), Hostname: "mx.test"})
	cert := shown(t, s)
	if events.count(Warning, "cannot be kept in state_dir") != 1 {
		t.Errorf("told:%v", events)
	}
	if err := s.Reload(); err != nil || !shown(t, s).Equal(cert) || len(events.all) != 2 {
		t.Errorf("another look: %v, told:%v", err, events)
	}
}

func TestKeptCertificateThatIsBrokenOrOld(t *testing.T) {
	old, err := selfSigned(names("mx.test"), time.Now().Add(-selfLives+selfAnew/2))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"broken": []byte("half"), "old": old} {
		dir := t.TempDir()
		path := filepath.Join(dir, selfFile)
		put(t, path, content)
		s, events := open(t, Config{StateDir: dir, Hostname: "mx.test"})
		if got := time.Until(shown(t, s).NotAfter); got < selfAnew {
			t.Errorf("%s: ends in %v", name, got)
		}
		want := 0
		if name == "broken" {
			want = 1
		}
		if n := events.count(Warning, "cannot be used"); n != want {
			t.Errorf("%s: told:%v", name, events)
		}
		if kept, err := os.ReadFile(path); err != nil || string(kept) == string(content) {
			t.Errorf("%s: still there, %v", name, err)
		}
	}
}

func TestStoresThatShareAStateDir(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	one, _ := open(t, Config{StateDir: dir, Hostname: "mx.test"})
	two, _ := open(t, Config{StateDir: dir, Hostname: "mx.test"})
	later := now.Add(selfLives - selfAnew/2)
	if err := one.look(later); err != nil {
		t.Fatal(err)
	}
	if err := two.look(later); err != nil {
		t.Fatal(err)
	}
	if !shown(t, one).Equal(shown(t, two)) {
		t.Error("each has made its own")
	}
}

func TestSelfSignedIsMadeAnewBeforeItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, events := open(t, Config{Hostname: "mx.test"})
		first := s.Expiry()[0].NotAfter
		run(t, s)
		time.Sleep(selfLives - selfAnew - time.Hour)
		synctest.Wait()
		if got := s.Expiry()[0].NotAfter; !got.Equal(first) {
			t.Errorf("made anew too early: %v", got)
		}
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		if got := s.Expiry()[0].NotAfter; !got.After(first.Add(selfLives / 2)) {
			t.Errorf("still the one that ends on %v", got)
		}
		if events.count(Renewed, "mx.test until") != 1 || events.count(Warning, "") != 1 {
			t.Errorf("told:%v", events)
		}
	})
}
