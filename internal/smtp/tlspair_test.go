package smtp

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"testing"
	"time"
)

// gate lets only so many octets of what is written through, and keeps the rest.
type gate struct {
	net.Conn
	shut bool
	kept bytes.Buffer
}

func (g *gate) Write(p []byte) (int, error) {
	if g.shut {
		return g.kept.Write(p)
	}
	return g.Conn.Write(p)
}

// let hands on the next n of the octets that were kept.
func (g *gate) let(t *testing.T, n int) {
	t.Helper()
	if err := g.SetWriteDeadline(time.Time{}); err != nil { // CloseWrite leaves one that has passed
		t.Fatal(err)
	}
	if _, err := g.Conn.Write(g.kept.Next(n)); err != nil {
		t.Fatal(err)
	}
}

// overTLSPair is a TLS connection over loopback: ours is over UnderTLS.
type overTLSPair struct {
	ours, theirs *tls.Conn
	under        *underTLS
	tcp          *net.TCPConn // theirs
	gate         *gate
	tickets      bool // theirs sends session tickets behind its handshake
}

// eachTLS runs a test for both versions and both sides, after the handshake.
func eachTLS(t *testing.T, test func(t *testing.T, p *overTLSPair)) {
	for name, version := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		for _, client := range []bool{true, false} {
			side := map[bool]string{true: " as client", false: " as server"}[client]
			t.Run(name+side, func(t *testing.T) {
				p := newTLSPair(t, version, client)
				p.handshake(t)
				test(t, p)
			})
		}
	}
}

func newTLSPair(t testing.TB, version uint16, client bool) *overTLSPair {
	t.Helper()
	ours, theirs := socketPair(t)
	p := &overTLSPair{tcp: theirs, gate: &gate{Conn: theirs}, tickets: client && version == tls.VersionTLS13}
	server := &tls.Config{Certificates: []tls.Certificate{certificate(t)}, MinVersion: version, MaxVersion: version}
	dialer := &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	under := UnderTLS(ours)
	p.under = under.(*underTLS)
	if client {
		p.ours, p.theirs = tls.Client(under, dialer), tls.Server(p.gate, server)
	} else {
		p.ours, p.theirs = tls.Server(under, server), tls.Client(p.gate, dialer)
	}
	return p
}

// handshake leaves session tickets on the descriptor, if there are any.
func (p *overTLSPair) handshake(t testing.TB) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- p.theirs.Handshake() }()
	if err := errors.Join(p.ours.Handshake(), <-done); err != nil {
		t.Fatal(err)
	}
	if p.tickets {
		p.onTheWire(t)
	}
}

// onTheWire waits until there are octets on our descriptor.
func (p *overTLSPair) onTheWire(t testing.TB) {
	t.Helper()
	if seen, err := p.under.Await(); err != nil || seen == Quiet {
		t.Fatal(seen, err)
	}
}

// unread looks at what TLS has left on our descriptor.
func (p *overTLSPair) unread() Attention { return p.under.Look() }

func certificate(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"mx.example.org"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
