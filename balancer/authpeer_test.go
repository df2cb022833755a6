package balancer_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// selfSigned returns what servers speak TLS with in tests.
func selfSigned(t testing.TB) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"mx.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// puppet is a connector that greets and speaks TLS by itself, and then says and
// hears what a script wants.
type puppet struct {
	name   string
	config *tls.Config
	ln     net.Listener
	came   chan *strung // connections that are through EHLO under TLS
	now    *strung      // the one that the script speaks on

	mu     sync.Mutex
	offers []string // lines of EHLO under TLS
	open   []net.Conn
	wg     sync.WaitGroup
}

// strung is a connection to a puppet.
type strung struct {
	net.Conn
	in *bufio.Reader
}

func newPuppet(t testing.TB, name string, config *tls.Config, offers ...string) *puppet {
	t.Helper()
	p := &puppet{name: name, config: config, ln: loopback(t), came: make(chan *strung, 16), offers: offers}
	p.wg.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

func (p *puppet) close() {
	_ = p.ln.Close()
	p.mu.Lock()
	for _, nc := range p.open {
		_ = nc.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}

func (p *puppet) accept() {
	for {
		nc, err := p.ln.Accept()
		if err != nil {
			return
		}
		_ = nc.SetDeadline(time.Now().Add(ceiling))
		p.mu.Lock()
		p.open = append(p.open, nc)
		p.mu.Unlock()
		p.wg.Go(func() {
			if c, err := p.welcome(nc); err == nil {
				p.came <- c
			} else {
				_ = nc.Close()
			}
		})
	}
}

func (p *puppet) welcome(nc net.Conn) (*strung, error) {
	c := &strung{nc, bufio.NewReader(nc)}
	for _, step := range []string{"220 " + p.name + " ESMTP", "<EHLO *", "250-" + p.name + "\n250 STARTTLS", "<STARTTLS", "220 Go ahead"} {
		if err := c.step(step); err != nil {
			return nil, err
		}
	}
	secure := tls.Server(nc, p.config)
	c = &strung{secure, bufio.NewReader(secure)}
	p.mu.Lock()
	lines := append([]string{"250-" + p.name}, p.offers...)
	p.mu.Unlock()
	for i := range lines[1:] {
		lines[i+1] = "250-" + lines[i+1]
	}
	lines[len(lines)-1] = strings.Replace(lines[len(lines)-1], "250-", "250 ", 1)
	if err := c.step("<EHLO *"); err != nil {
		return nil, err
	}
	return c, c.step(strings.Join(lines, "\n"))
}

// step says something, or hears it where it begins with "<".
func (c *strung) step(step string) error {
	if want, ok := strings.CutPrefix(step, "<"); ok {
		return c.hear(want)
	}
	_, err := c.Write([]byte(strings.ReplaceAll(step, "\n", "\r\n") + "\r\n"))
	return err
}

// hear reads a line, or the end of the connection.
func (c *strung) hear(want string) error {
	got, err := c.in.ReadString('\n')
	switch {
	case want == "EOF" && err == nil:
		return fmt.Errorf("got %q, want the end", got)
	case want == "EOF" && !errors.Is(err, io.EOF):
		if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
			return errors.New("the connection is still open")
		}
		return nil
	case want == "EOF":
		return nil
	case err != nil:
		return fmt.Errorf("reading: %w (so far %q)", err, got)
	}
	return like(strings.TrimSuffix(got, "\r\n"), want)
}

// next waits for another connection.
func (p *puppet) next() error {
	select {
	case p.now = <-p.came:
		return nil
	case <-time.After(ceiling):
		return errors.New("nobody has connected")
	}
}

// line is a line of a script: "<" hears, ">" says, "next" waits for the next
// connection, "close" ends this one.
func (p *puppet) line(mark, rest string) error {
	if p.now == nil || mark == "next" {
		if err := p.next(); err != nil || mark == "next" {
			return err
		}
	}
	switch mark {
	case "<":
		return p.now.hear(rest)
	case ">":
		return p.now.step(rest)
	case "close":
		return p.now.Close()
	}
	return errors.New("unknown line in script")
}
