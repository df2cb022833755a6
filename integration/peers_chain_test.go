package integration

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// far is a client that somebody in front of weir speaks for.
type far struct {
	addr string // its own
	port int
	shut string // the address that it reached
}

// header is its PROXY header of version 1.
func (f far) header() string {
	family := "TCP4"
	if strings.Contains(f.addr, ":") {
		family = "TCP6"
	}
	return fmt.Sprintf("PROXY %s %s %s %d 25\r\n", family, f.addr, f.shut, f.port)
}

// visitBehind is a connection whose PROXY header names the client.
func (l *lanes) visitBehind(t *testing.T, f far, g guest, name string) *client {
	t.Helper()
	conn, err := net.DialTimeout("tcp", l.by[name].addr, 10*time.Second)
	if err != nil {
		t.Fatalf("connecting: %v", err)
	}
	c := overConn(conn)
	t.Cleanup(c.close)
	if err := c.write([]byte(f.header())); err != nil {
		t.Fatalf("writing the header: %v", err)
	}
	if greeting, err := c.read(); err != nil || greeting.code != 220 {
		t.Fatalf("greeted with %v, %v", greeting, err)
	}
	l.hello(t, c, g)
	return c
}

// TestPeers_Chain: the client that a PROXY header or an XCLIENT names to weir is the one that weir names to a real Postfix, in
// either family of addresses.
func TestPeers_Chain(t *testing.T) {
	t.Parallel()
	needWeir(t)
	h := newMailHost(t, "chain.test.example")
	h.addMain("inet_protocols = all\nsmtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n")
	in := []string{"proxy_protocol: {trust: [127.0.0.0/8]}"}
	to := func(name, identity, setting string) lane {
		return lane{name: name, backends: []string{h.smtpd(name, setting)}, listener: in, pool: []string{"client_identity: " + identity, "reuse: {idle: 3s}"}}
	}
	named := to("named", "xclient", "smtpd_authorized_xclient_hosts = 127.0.0.1")
	named.listener = []string{"xclient: {trust: [127.0.0.0/8]}"}
	all := []lane{
		to("xclient", "xclient", "smtpd_authorized_xclient_hosts = 127.0.0.1"),
		to("xforward", "xforward", "smtpd_authorized_xforward_hosts = 127.0.0.1"),
		to("proxy1", "proxy-v1", behindProxy), to("proxy2", "proxy-v2", behindProxy), named,
	}
	h.start()
	l := startLanes(t, all...)

	clients := map[string]far{
		"203.0.113.7":        {"203.0.113.7", 40117, "192.0.2.25"},
		"IPv6:2001:db8::1:7": {"2001:db8::1:7", 40118, "2001:db8::25"},
	}
	for shown, f := range clients {
		for _, name := range []string{"xclient", "proxy1", "proxy2"} {
			t.Run("P32 "+name+" "+shown, func(t *testing.T) {
				t.Parallel()
				c := l.visitBehind(t, f, anna, name)
				expect(t, c, 250, "MAIL FROM:<a@sender.example>")
				expect(t, c, 554, "RCPT TO:<somebody@elsewhere.example>") // weir itself may relay here
				expect(t, c, 250, "RSET")
				m := newMessage(name, filler(300))
				l.give(t, c, m)
				says(t, "Postfix's line", receivedLines(h.got(t, m))[0], "from anna.sender.example (unknown ["+shown+"])")
				if client := l.line(t, m).str("client"); client != net.JoinHostPort(f.addr, fmt.Sprint(f.port)) {
					t.Errorf("weir's log: client %s", client)
				}
			})
		}
		t.Run("P32 xforward "+shown, func(t *testing.T) {
			t.Parallel()
			m := newMessage("xforward", filler(300))
			l.give(t, l.visitBehind(t, f, anna, "xforward"), m)
			says(t, "weir's line", receivedLines(h.got(t, m))[1], "from anna.sender.example (["+shown+"])")
			h.logs(t, 1, "xforward", `orig_client=unknown\[`+strings.TrimPrefix(shown, "IPv6:")+`\]`)
		})
	}
	t.Run("P25 P32 XCLIENT in, XCLIENT out", func(t *testing.T) {
		t.Parallel()
		c := l.visit(t, anna, "named")
		if !c.offers("XCLIENT") {
			t.Fatalf("weir offers %v", c.caps)
		}
		expect(t, c, 220, "XCLIENT NAME=mail.far.example ADDR=IPV6:2001:db8::9 PORT=4711 HELO=far.example PROTO=ESMTP")
		l.hello(t, c, guest{helo: "far.example"})
		m := newMessage("named", filler(300))
		l.give(t, c, m)
		says(t, "Postfix's line", receivedLines(h.got(t, m))[0], "from far.example (mail.far.example [IPv6:2001:db8::9])")
	})
}
