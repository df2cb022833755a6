package integration

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"weir/internal/faulty"
)

// edge is a weir with several listeners in front of one connector, which keeps what it gets.
type edge struct {
	*lanes
	ca *authority // of weir's certificates
	c  *faulty.Server
}

// newEdge starts it. The lanes need no connectors of their own.
func newEdge(t *testing.T, ca *authority, all ...lane) *edge {
	t.Helper()
	c, err := faulty.New(faulty.Options{Name: backendName(0), Behaviour: faulty.Honest()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	for i := range all {
		all[i].backends = []string{c.Addr()}
		all[i].health = quietHealth
	}
	return &edge{lanes: startLanes(t, all...), ca: ca, c: c}
}

// at is the address of a lane's listener.
func (e *edge) at(name string) string { return e.by[name].addr }

// hostPort is it in two.
func (e *edge) hostPort(name string) (host, port string) {
	host, port, _ = net.SplitHostPort(e.at(name))
	return host, port
}

// stored is how often the connector has a message.
func (e *edge) stored(m *message) (n int) {
	for _, got := range e.c.Messages() {
		if got.From == m.from {
			n++
		}
	}
	return n
}

// arrived wants a message with the connector, once, and words in the log line of its transaction.
func (e *edge) arrived(t *testing.T, m *message, want said) {
	t.Helper()
	if n := e.stored(m); n != 1 {
		t.Fatalf("%s is stored %d times, want once; the end of weir's log:\n%s", m.id, n, e.tail(2000))
	}
	want.by(t, e.line(t, m))
}

// said is what a log line must tell of a sender. An empty field is not looked at, but for tls: that is nothing, then.
type said struct {
	addr, helo string
	tls        []string // words
}

func (w said) by(t *testing.T, line logLine) {
	t.Helper()
	client, _, _ := net.SplitHostPort(line.str("client"))
	if w.addr != "" && client != w.addr {
		t.Errorf("the log has client %q, want %q", client, w.addr)
	}
	if w.helo != "" && line.str("helo") != w.helo {
		t.Errorf("the log has helo %q, want %q", line.str("helo"), w.helo)
	}
	if len(w.tls) == 0 && line.str("tls") != "" {
		t.Errorf("the log has tls %q, want none", line.str("tls"))
	}
	says(t, "the log's tls", line.str("tls"), w.tls...)
}

// sessionEnd waits for the log line of a session without a transaction, from an address, whose reason has these words.
func (e *edge) sessionEnd(t *testing.T, client string, words ...string) (found logLine) {
	t.Helper()
	ends := func() []logLine {
		return e.logged(func(l logLine) bool { return l.msg() == "session" && strings.HasPrefix(l.str("client"), client) })
	}
	ok := poll(ceiling, func() bool {
		for _, l := range ends() {
			if hasWords(l.str("reason"), words) {
				found = l
				return true
			}
		}
		return false
	})
	if !ok {
		t.Fatalf("no session of %s ended because of %q, but %v", client, words, ends())
	}
	return found
}

func hasWords(text string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

// guestDial connects from one of loopback's addresses.
func guestDial(t *testing.T, from, to string) net.Conn {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 10 * time.Second}
	conn, err := dialer.Dial("tcp", to)
	if err != nil {
		t.Fatalf("connecting from %s: %v", from, err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// greeted is a raw client after the greeting.
func greeted(t *testing.T, from, to string) *client {
	t.Helper()
	c := overConn(guestDial(t, from, to))
	if rep, err := c.read(); err != nil || rep.code != 220 {
		t.Fatalf("the greeting: %v, %v", rep, err)
	}
	return c
}

// trusts is what a sender needs to check weir's certificate.
func (a *authority) trusts() *tls.Config {
	return &tls.Config{RootCAs: a.pool, ServerName: edgeName, MinVersion: tls.VersionTLS12}
}

// shake is the handshake on a connection, and the raw client over it.
func shake(t *testing.T, c *client, cfg *tls.Config) *client {
	t.Helper()
	conn := tls.Client(c.conn, cfg)
	_ = conn.SetDeadline(time.Now().Add(ceiling))
	if err := conn.Handshake(); err != nil {
		t.Fatalf("the handshake with weir: %v", err)
	}
	return overConn(conn)
}

// sender makes the certificate of a sender, and returns its files.
func (a *authority) sender(name string) (cert, key string) {
	a.t.Helper()
	return a.signed("client-"+name, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

// signed makes a certificate from a template without the fields that all have alike.
func (a *authority) signed(file string, template *x509.Certificate) (cert, key string) {
	a.t.Helper()
	private := newKey(a.t)
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.KeyUsage = x509.KeyUsageDigitalSignature
	if template.NotAfter.IsZero() {
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &private.PublicKey, a.key)
	if err != nil {
		a.t.Fatalf("making a certificate: %v", err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		a.t.Fatalf("writing a key: %v", err)
	}
	cert = a.write(file+".pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return cert, a.write(file+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

// edgeWith is edge with further keys, such as "min_version: \"1.3\"".
func (a *authority) edgeWith(mode, more string) string {
	a.t.Helper()
	return strings.TrimSuffix(a.edge(mode), "}") + ", " + more + "}"
}

// spooled is a message in a file, its lines ended as by the sender that reads it.
func spooled(t *testing.T, m *message, crlf bool) string {
	t.Helper()
	if crlf {
		return writeSpool(t, t.TempDir(), m.id, m.raw)
	}
	// swaks ends the last line itself.
	return writeSpool(t, t.TempDir(), m.id, []byte(strings.TrimSuffix(string(m.textFile()), "\n")))
}

// source is an address of loopback for a sender of a test, which has a block of its own: each can be told from all others.
func source(block, n int) string { return fmt.Sprintf("127.%d.%d.%d", block, n/250, 1+n%250) }
