package app

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weir/config"
)

// issue writes a certificate that signs itself, and its key, into one file.
func issue(t *testing.T, path, name string, valid time.Duration) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: time.Now().Add(-90 * 24 * time.Hour), NotAfter: time.Now().Add(valid)}
	der, err := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	_ = pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	_ = pem.Encode(&text, &pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

const securedFile = `hostname: weir.test.example
state_dir: "@STATE@"
listeners:
  - {name: inbound, address: "127.0.0.1:0", tls: {mode: implicit, certificates: [{cert: mx.pem, key: mx.pem}]}}
  - {name: again, address: "127.0.0.2:0", tls: {mode: implicit, certificates: [{cert: mx.pem, key: mx.pem}]}}
  - {name: own, address: "127.0.0.3:0", tls: {mode: implicit}}
pools:
  internet: {tls: {mode: off}, min_redundancy: 1, relay: true, backends: [{address: "@A@", name: a}]}
admin: {address: "127.0.0.1:0"}
`

// shown is the name in the certificate that a listener shows to the end of a
// handshake, after which it must greet.
func (s *site) shown(t *testing.T, listener string) string {
	t.Helper()
	dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: ceiling}, Config: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // signed by nobody
	conn, err := dialer.DialContext(context.Background(), "tcp", s.ListenerAddr(listener).String())
	if err != nil {
		return err.Error()
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(ceiling))
	banner := make([]byte, 4)
	if n, err := conn.Read(banner); err != nil || !strings.HasPrefix("220 ", string(banner[:n])) {
		return fmt.Sprintf("greeted with %q, %v", banner[:n], err)
	}
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0].DNSNames[0]
}

func (s *site) told(to, why string) bool {
	list, _ := s.Events().Since(0)
	for _, e := range list {
		if e.Kind == "certificate" && e.To == to && strings.Contains(e.Why, why) {
			return true
		}
	}
	return false
}

// Certificates are shown, watched, counted and told of; a broken file changes
// nothing; a reload takes others.
func TestCertificatesOfListeners(t *testing.T) {
	_, addrs := startConnectors(t, 2)
	dir := t.TempDir()
	s := &site{path: filepath.Join(dir, "weir.yaml"), addrs: addrs}
	file := filepath.Join(dir, "mx.pem")
	issue(t, file, "one.test", 90*24*time.Hour)
	s.write(t, securedFile)
	cfg, _, err := config.Load(s.path)
	if err != nil {
		t.Fatal(err)
	}
	s.running = start(t, cfg)
	s.awaitReady(t)
	for listener, want := range map[string]string{"inbound": "one.test", "again": "one.test", "own": "weir.test.example"} {
		if got := s.shown(t, listener); got != want {
			t.Errorf("%s shows %s", listener, got)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "state", "self-signed.pem")); err != nil || !s.told("warning", "weir.test.example") {
		t.Errorf("the certificate of weir's own: %v", err)
	}
	if a, b := s.edge.inUse(), len(s.edge.stores); b != 2 || a[0] == a[1] {
		t.Errorf("there are %d stores", b)
	}

	issue(t, file, "two.test", 7*24*time.Hour)
	eventually(t, "the next certificate", func() bool { return s.shown(t, "inbound") == "two.test" })
	eventually(t, "its event", func() bool {
		return s.told("renewed", "two.test") && s.told("warning", "the certificate for two.test ends on")
	})
	_, metrics := s.get(t, "/metrics")
	for _, want := range []string{`weir_certificate_expiry_timestamp_seconds{name="two.test"}`, `weir_certificate_expiry_timestamp_seconds{name="weir.test.example"}`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %s", want)
		}
	}
	if _, status := s.get(t, "/v1/status"); !strings.Contains(status, "the certificate for two.test ends on") {
		t.Errorf("the verdict says nothing of it: %s", status)
	}

	if err := os.WriteFile(file, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the complaint", func() bool { return s.told("failed", "mx.pem") })
	if got := s.shown(t, "again"); got != "two.test" {
		t.Errorf("with a broken file it shows %s", got)
	}
	if _, err := s.Reload(false, "test"); err == nil || !strings.Contains(err.Error(), "mx.pem") {
		t.Errorf("reloaded with a broken file: %v", err)
	}
	eventually(t, "the log", func() bool {
		found := s.log.find("certificate")
		return len(found) > 2 && found[len(found)-1]["level"] == "warn"
	})
}

// A reload brings other settings of TLS into force and reads files again.
func TestReloadOfTLS(t *testing.T) {
	_, addrs := startConnectors(t, 2)
	dir := t.TempDir()
	s := &site{path: filepath.Join(dir, "weir.yaml"), addrs: addrs}
	issue(t, filepath.Join(dir, "mx.pem"), "one.test", time.Hour)
	issue(t, filepath.Join(dir, "new.pem"), "new.test", time.Hour)
	s.write(t, securedFile)
	cfg, _, err := config.Load(s.path)
	if err != nil {
		t.Fatal(err)
	}
	s.running = start(t, cfg)
	s.awaitReady(t)
	s.write(t, strings.Replace(strings.Replace(securedFile, "mx.pem, key: mx.pem", "new.pem, key: new.pem", 1), `{mode: implicit}}`, `{mode: off}}`, 1))
	if _, err := s.Reload(false, "test"); err != nil {
		t.Fatal(err)
	}
	if got := s.shown(t, "inbound") + " " + s.shown(t, "again"); got != "new.test one.test" {
		t.Errorf("after the reload they show %s", got)
	}
	if c, err := net.Dial("tcp", s.ListenerAddr("own").String()); err != nil {
		t.Error(err)
	} else {
		greeting := make([]byte, 4)
		if _, err := c.Read(greeting); err != nil || string(greeting) != "220 " {
			t.Errorf("without TLS: %q, %v", greeting, err)
		}
		_ = c.Close()
	}
	issue(t, filepath.Join(dir, "new.pem"), "newer.test", time.Hour)
	if _, err := s.Reload(false, "test"); err != nil {
		t.Fatal(err)
	}
	if got := s.shown(t, "inbound"); got != "newer.test" {
		t.Errorf("a reload has not read the file: %s", got)
	}
}

// P39: a connector that takes anybody's mail from weir is told of, in event, log and
// status, and gets mail all the same; one that is meant to is left alone.
func TestRelayIsToldOf(t *testing.T) {
	_, addrs := startConnectors(t, 1)
	r := start(t, parse(t, addrs))
	r.awaitReady(t)
	eventually(t, "the alarm", func() bool { return len(r.log.find("relay")) > 0 })
	if line := r.log.find("relay")[0]; line["level"] != "warn" || line["to"] != "relays" || line["pool"] != "internet" {
		t.Errorf("logged %v", line)
	}
	if _, status := r.get(t, "/v1/status"); !strings.Contains(status, "relays for anyone who gets here") || !strings.Contains(status, `"state":"up"`) {
		t.Errorf("status %s", status)
	}
	r.dial(t)
}
