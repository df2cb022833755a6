package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ceiling is for a loaded machine; nothing here is meant to take as long. It is below
// the time after which a look is taken anyway.
const ceiling = 40 * time.Second

// made is a certificate as it would be asked of an authority.
type made struct {
	names       []string
	serial      int64
	from, until time.Duration // from now; 0: an hour around
	rsa         bool
}

// write makes a certificate and its key, signed by itself, and writes both.
func (m made) write(t testing.TB, dir, name string) Pair {
	t.Helper()
	p := Pair{filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")}
	cert, key := m.pem(t)
	put(t, p.Cert, cert)
	put(t, p.Key, key)
	return p
}

func put(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (m made) pem(t testing.TB) (cert, key []byte) {
	t.Helper()
	var secret crypto.Signer
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if m.rsa {
		secret, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	if m.from == 0 {
		m.from = -time.Hour
	}
	if m.until == 0 {
		m.until = time.Hour
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(m.serial), Subject: pkix.Name{CommonName: "test"}, DNSNames: m.names,
		NotBefore: time.Now().Add(m.from), NotAfter: time.Now().Add(m.until),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, secret.Public(), secret)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := x509.MarshalPKCS8PrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: plain})
}

// told gathers events.
type told struct {
	mu  sync.Mutex
	all []Event
}

func (e *told) tell(ev Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, ev)
}

// count is how many of a kind there were that contain this text.
func (e *told) count(kind Kind, text string) (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, ev := range e.all {
		if ev.Kind == kind && strings.Contains(ev.Text, text) {
			n++
		}
	}
	return n
}

func (e *told) String() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var b strings.Builder
	for _, ev := range e.all {
		b.WriteString("\n" + string(ev.Kind) + ": " + ev.Text)
	}
	return b.String()
}

// open makes a store that has to be sound.
func open(t testing.TB, cfg Config) (*Store, *told) {
	t.Helper()
	events := &told{}
	cfg.Tell = events.tell
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s, events
}

// shake does a handshake and returns what the client has seen of it.
func shake(s *Store, client *tls.Config) (tls.ConnectionState, error) {
	near, far := net.Pipe()
	defer far.Close()
	done := make(chan error, 1)
	go func() {
		defer near.Close()
		c := tls.Server(near, s.TLSConfig())
		_ = c.SetDeadline(time.Now().Add(ceiling))
		err := c.Handshake()
		if err == nil {
			_, err = c.Write([]byte("x"))
		}
		done <- err
	}()
	cfg := client.Clone()
	cfg.InsecureSkipVerify = true // certificates here are signed by themselves, and looked at
	c := tls.Client(far, cfg)
	_ = c.SetDeadline(time.Now().Add(ceiling))
	_, err := c.Read(make([]byte, 1)) // tickets come before it
	state := c.ConnectionState()
	_ = far.Close()
	if served := <-done; served != nil {
		err = served
	}
	return state, err
}

// serial is that of the certificate that a client is shown.
func serial(t testing.TB, s *Store, client *tls.Config) int64 {
	t.Helper()
	state, err := shake(s, client)
	if err != nil {
		t.Fatalf("handshake for %q: %v", client.ServerName, err)
	}
	return state.PeerCertificates[0].SerialNumber.Int64()
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	end := time.After(ceiling)
	for !holds() {
		select {
		case <-end:
			t.Fatalf("%s: not within %v", what, ceiling)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func asked(name string) *tls.Config { return &tls.Config{ServerName: name} }

func names(s ...string) []string { return slices.Clone(s) }
