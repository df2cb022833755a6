package health

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
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// script is one dialogue of testdata, played by a connector of the test. Lines
// that begin with "# key: value" say what the probe is and what it must find.
//
//	S: text     the connector sends the line
//	S... text   the connector sends this much of a line; \r\n is a line's end
//	C: text     the connector wants exactly this line
//	C... text   the connector wants a line that begins so
//	TLS         both shake hands; the certificate ends in ten days
//	quiet       the probe must say nothing for a while
//	mute        the connector says nothing until the probe has closed
//	EOF         the probe must close in good order, not with a reset
//	close       the connector closes
type script struct {
	keys  map[string]string
	steps []string
}

func loadScripts(t *testing.T) map[string]script {
	t.Helper()
	files, err := filepath.Glob("testdata/*.smtp")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts found: %v", err)
	}
	out := map[string]script{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s := script{keys: map[string]string{"timeout": "1h", "to": "postmaster"}}
		for line := range strings.Lines(string(text)) {
			line = strings.TrimRight(line, "\n")
			if comment, ok := strings.CutPrefix(line, "# "); ok {
				if key, value, ok := strings.Cut(comment, ": "); ok {
					s.keys[key] = value
				}
			} else if line != "" {
				s.steps = append(s.steps, line)
			}
		}
		out[strings.TrimSuffix(filepath.Base(file), ".smtp")] = s
	}
	return out
}

// listen plays the script to the one connection that comes; the channel tells how
// it went.
func (s script) listen(t *testing.T) (address string, played <-chan error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	result := make(chan error, 1)
	go func() {
		conn, err := ln.Accept()
		if err == nil {
			p := &player{conn: conn, in: bufio.NewReader(conn)}
			err = s.play(p)
			_ = p.conn.Close()
		}
		result <- err
	}()
	return ln.Addr().String(), result
}

// player is the connector's end of the connection.
type player struct {
	conn net.Conn
	in   *bufio.Reader
}

func (s script) play(p *player) error {
	for i, step := range s.steps {
		if err := p.step(step); err != nil {
			return fmt.Errorf("step %d (%s): %w", i+1, step, err)
		}
	}
	return nil
}

func (p *player) step(step string) error {
	conn, in := p.conn, p.in
	if text, ok := strings.CutPrefix(step, "S: "); ok {
		_, err := io.WriteString(conn, text+"\r\n")
		return err
	}
	if text, ok := strings.CutPrefix(step, "S... "); ok {
		_, err := io.WriteString(conn, strings.ReplaceAll(text, `\r\n`, "\r\n"))
		return err
	}
	if want, ok := strings.CutPrefix(step, "C: "); ok {
		got, err := in.ReadString('\n')
		if err == nil && got != want+"\r\n" {
			err = fmt.Errorf("got %q", got)
		}
		return err
	}
	if want, ok := strings.CutPrefix(step, "C... "); ok {
		got, err := in.ReadString('\n')
		if err == nil && !strings.HasPrefix(got, want) {
			err = fmt.Errorf("got %q", got)
		}
		return err
	}
	switch step {
	case "TLS":
		return p.secure()
	case "quiet":
		return wantQuiet(conn, in)
	case "EOF":
		if got, err := in.ReadString('\n'); !errors.Is(err, io.EOF) || got != "" {
			return fmt.Errorf("got %q and %w", got, err)
		}
		return nil
	case "mute":
		_, err := io.Copy(io.Discard, in)
		return err
	case "close":
		return conn.Close()
	}
	return errors.New("no such step")
}

// secure makes a certificate of its own and goes on in TLS.
func (p *player) secure() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"mx.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(10*24*time.Hour + time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	secure := tls.Server(p.conn, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	p.conn, p.in = secure, bufio.NewReader(secure)
	return secure.Handshake()
}

// wantQuiet listens for longer than a probe on this machine needs to speak.
func wantQuiet(conn net.Conn, in *bufio.Reader) error {
	if err := conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
		return err
	}
	if got, err := in.Peek(1); !errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("got %q and %w", got, err)
	}
	return conn.SetReadDeadline(time.Time{})
}
