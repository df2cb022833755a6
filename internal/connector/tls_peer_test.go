package connector

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"
)

// authority is a certificate for mx.test and 127.0.0.1, and who trusts it.
func authority(t testing.TB) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"mx.test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, roots
}

// playsTLS starts a connector that goes through one dialogue a connection, the
// last one again and again. "TLS" is a handshake, "garble" none. What became of them comes out of
// the channel, as from scripted.
func playsTLS(t *testing.T, config *tls.Config, dialogues ...[]string) (address string, ended <-chan error) {
	t.Helper()
	result := make(chan error, 8)
	var mu sync.Mutex
	next := 0
	return connectors(t, func(c *net.TCPConn) {
		mu.Lock()
		dialogue := dialogues[min(next, len(dialogues)-1)]
		next++
		mu.Unlock()
		result <- playTLS(c, config, dialogue)
	}), result
}

func playTLS(c net.Conn, config *tls.Config, dialogue []string) error {
	from := 0
	for i, step := range dialogue {
		if step != "TLS" && step != "garble" {
			continue
		}
		if err := play(c, dialogue[from:i]...); err != nil {
			return err
		}
		if step == "garble" {
			if _, err := c.Read(make([]byte, 4096)); err != nil {
				return err
			}
			return play(c, "> 500 what?")
		}
		secure := tls.Server(c, config)
		if err := secure.Handshake(); err != nil {
			return err
		}
		c, from = secure, i+1
	}
	if err := play(c, dialogue[from:]...); err != nil {
		return err
	}
	return untilLeft(c)
}

// gate holds back what the server's TLS writes behind the handshake: tickets.
type gate struct {
	net.Conn
	mu     sync.Mutex
	wrote  bool
	shut   bool
	kept   bytes.Buffer
	opened bool
}

func (g *gate) Read(p []byte) (int, error) {
	n, err := g.Conn.Read(p)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = g.wrote && !g.opened // it was the client's answer to our part of the handshake
	return n, err
}

func (g *gate) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		return g.kept.Write(p)
	}
	g.wrote = true
	return g.Conn.Write(p)
}

// open lets through what was held back, in two pieces with a pause in between, and
// everything after it.
func (g *gate) open() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, err := g.Conn.Write(g.kept.Next(g.kept.Len() / 2)); err != nil {
		return err
	}
	<-time.After(short)
	_, err := g.kept.WriteTo(g.Conn)
	g.shut, g.opened = false, true
	return err
}

// underTLS returns a connection in TLS 1.3 to a connector that holds its session
// tickets back until its gate opens, and does what it is told.
func underTLS(t *testing.T, handle func(c *tls.Conn, g *gate) error) (c *Conn, ended <-chan error) {
	t.Helper()
	config, _ := authority(t)
	result := make(chan error, 1)
	address := connectors(t, func(tcp *net.TCPConn) {
		g := &gate{Conn: tcp}
		secure := tls.Server(g, config)
		err := secure.Handshake()
		if err == nil {
			err = handle(secure, g)
		}
		result <- err
	})
	d := &Dialer{TLS: Security{Mode: TLSImplicit}, Sessions: tls.NewLRUClientSessionCache(4)}
	c = connect(t, address)
	if err := d.shakeHands(c, later()); err != nil {
		t.Fatal(err)
	}
	return c, result
}
