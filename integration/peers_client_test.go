package integration

import (
	"bufio"
	"crypto/tls"
	"net"
	"strings"
	"testing"
	"time"
)

// overConn is the raw client on a connection that stands; nothing was read yet.
func overConn(conn net.Conn) *client {
	return &client{conn: conn, r: bufio.NewReader(conn), patience: 90 * time.Second}
}

// learn takes down what an answer to EHLO offers.
func (c *client) learn(rep reply) {
	c.caps = map[string]string{}
	for _, l := range rep.lines[1:] {
		word, rest, _ := strings.Cut(l, " ")
		c.caps[strings.ToUpper(word)] = rest
	}
}

// secure takes STARTTLS, and says EHLO again.
func (l *lanes) secure(t *testing.T, c *client, g guest, ca *authority) {
	t.Helper()
	if rep, err := c.cmd("STARTTLS"); err != nil || rep.code != 220 {
		t.Fatalf("STARTTLS: %v, %v", rep, err)
	}
	conn := tls.Client(c.conn, &tls.Config{RootCAs: ca.pool, ServerName: edgeName})
	_ = conn.SetDeadline(time.Now().Add(ceiling))
	if err := conn.Handshake(); err != nil {
		t.Fatalf("the handshake with weir: %v", err)
	}
	c.conn, c.r = conn, bufio.NewReader(conn)
	l.hello(t, c, g)
}

// expect says a command and wants a code.
func expect(t *testing.T, c *client, code int, format string, args ...any) reply {
	t.Helper()
	rep, err := c.cmd(format, args...)
	if err != nil || rep.code != code {
		t.Fatalf(format+": got %v, %v, want %d", append(args, rep, err, code)...)
	}
	return rep
}
