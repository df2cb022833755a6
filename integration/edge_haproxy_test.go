package integration

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// runHAProxy runs HAProxy with a config of listen sections, and waits until the address of one of them answers.
func runHAProxy(t *testing.T, config, addr string) *exec.Cmd {
	t.Helper()
	need(t, "haproxy", "haproxy")
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	const common = "global\n  maxconn 4000\n  stats socket @SOCKET@ mode 600 level user\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1m\n  timeout server 1m\n  timeout check 5s\n"
	socket := strings.TrimSuffix(file, "haproxy.cfg") + "s"
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(common, "@SOCKET@", socket)+config), 0o600); err != nil {
		t.Fatalf("writing HAProxy's config: %v", err)
	}
	var out wordsOf
	cmd := exec.Command("haproxy", "-db", "-f", file)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting HAProxy: %v", err)
	}
	off := guard(t, cmd.Process.Pid)
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		off()
		if t.Failed() {
			t.Logf("HAProxy said: %s", out.String())
		}
	})
	eventually(t, ceiling, func() bool { return listens(addr) }, "HAProxy does not listen: %s", out.String())
	return cmd
}

// listens says whether somebody accepts connections at an address.
func listens(addr string) bool {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err == nil {
		_ = conn.Close()
	}
	return err == nil
}

// proxiedEdge is a weir that trusts a HAProxy at 127.0.0.1, and the addresses of that HAProxy: in front of each lane one
// for each way to send the header.
func proxiedEdge(t *testing.T) (e *edge, by map[string]string) {
	t.Helper()
	needWeir(t)
	ca := newAuthority(t)
	trust := []string{"proxy_protocol: {trust: [127.0.0.1/32]}", "timeouts: {command: 1m, data: 1m, greeting: 2s}"}
	e = newEdge(t, ca,
		lane{name: "open", listener: trust},
		lane{name: "starttls", edge: ca.edge("starttls"), listener: trust},
		lane{name: "few", listener: append(trust, "exempt: []", "limits: {per_ip: 2}")},
	)
	cert, key := ca.issue("haproxy.test.example")
	pem := ca.write("haproxy.pem", joined(t, cert, key))
	var conf strings.Builder
	by = map[string]string{}
	for _, f := range []struct{ name, lane, bind, server string }{
		{"v1", "open", "", "send-proxy"},
		{"v2", "open", "", "send-proxy-v2"},
		{"v1 few", "few", "", "send-proxy"},
		{"v2 few", "few", "", "send-proxy-v2"},
		{"v2 starttls", "starttls", "", "send-proxy-v2"},
		{"v2 of TLS", "open", fmt.Sprintf("ssl crt %s ca-file %s verify optional", pem, ca.file), "send-proxy-v2-ssl-cn proxy-v2-options ssl,cert-cn,ssl-cipher,authority"},
	} {
		by[f.name] = freeAddr(t)
		fmt.Fprintf(&conf, "listen %s\n  bind %s %s\n  option smtpchk EHLO haproxy.test.example\n  server s %s %s check inter 500ms\n",
			strings.ReplaceAll(f.name, " ", "-"), by[f.name], f.bind, e.at(f.lane), f.server)
	}
	runHAProxy(t, conf.String(), by["v2 of TLS"])
	return e, by
}

// joined is a certificate and its key in one.
func joined(t *testing.T, files ...string) []byte {
	t.Helper()
	var all []byte
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatalf("reading %s: %v", name, err)
		}
		all = append(all, text...)
	}
	return all
}

// TestEdge_HAProxy: behind a real HAProxy, weir knows the client: its address, its TLS, and how many connections it has.
func TestEdge_HAProxy(t *testing.T) {
	t.Parallel()
	e, by := proxiedEdge(t)
	for i, name := range []string{"v1", "v2"} {
		t.Run(name+" names the client", func(t *testing.T) {
			t.Parallel()
			from := guest{source(53, i), "behind.sender.example"}
			c := greeted(t, from.addr, by[name])
			e.hello(t, c, from)
			m := newMessage("proxied", filler(3000))
			e.give(t, c, m)
			e.arrived(t, m, said{addr: from.addr, helo: from.helo})
			e.receivedFrom(t, m, from)
		})
		t.Run(name+" and the limits are the client's", func(t *testing.T) {
			t.Parallel()
			heavy, light := source(53, 10+i), source(53, 20+i)
			greeted(t, heavy, by[name+" few"])
			greeted(t, heavy, by[name+" few"])
			if rep, err := overConn(guestDial(t, heavy, by[name+" few"])).read(); err != nil || rep.code != 421 {
				t.Errorf("a third connection gets %v, %v", rep, err)
			}
			greeted(t, light, by[name+" few"])
		})
	}
	t.Run("v2 and STARTTLS with the client behind it", func(t *testing.T) {
		t.Parallel()
		from := guest{source(53, 30), "starttls.sender.example"}
		c := greeted(t, from.addr, by["v2 starttls"])
		e.hello(t, c, from)
		e.secure(t, c, from, e.ca)
		m := newMessage("proxied", filler(3000))
		e.give(t, c, m)
		e.arrived(t, m, said{from.addr, from.helo, []string{"1.3"}})
	})
	t.Run("v2 tells of the TLS that HAProxy has ended", func(t *testing.T) {
		t.Parallel()
		from := guest{source(53, 31), "tls.sender.example"}
		pair, err := tls.LoadX509KeyPair(e.ca.sender(from.helo))
		if err != nil {
			t.Fatal(err)
		}
		cfg := &tls.Config{RootCAs: e.ca.pool, ServerName: "haproxy.test.example", Certificates: []tls.Certificate{pair}}
		c := shake(t, overConn(guestDial(t, from.addr, by["v2 of TLS"])), cfg)
		if rep, err := c.read(); err != nil || rep.code != 220 {
			t.Fatalf("the greeting: %v, %v", rep, err)
		}
		e.hello(t, c, from)
		m := newMessage("proxied", filler(3000))
		e.give(t, c, m)
		e.arrived(t, m, said{from.addr, from.helo, []string{"1.3", from.helo}})
	})
	t.Run("its checks find weir up", func(t *testing.T) {
		t.Parallel()
		eventually(t, ceiling, func() bool { return len(e.checks()) >= 3 }, "%d checks are logged", len(e.checks()))
	})
}

// checks are the sessions of HAProxy's own checks, which speak for nobody.
func (e *edge) checks() []logLine {
	return e.logged(func(l logLine) bool {
		return l.msg() == "session" && l.str("helo") == "haproxy.test.example" && strings.HasPrefix(l.str("client"), "127.0.0.1:")
	})
}

// receivedFrom wants the client in the Received line that weir adds (P33).
func (e *edge) receivedFrom(t *testing.T, m *message, from guest) {
	t.Helper()
	for _, got := range e.c.Messages() {
		if got.From == m.from {
			header, _, _ := bytes.Cut(got.Content, []byte("\r\n\r\n"))
			says(t, "the header", string(header), from.helo, "["+from.addr+"]")
		}
	}
}

// TestEdge_PROXYFaults: a header that is missing, malformed or slow ends the connection without a word, and the log says
// why; one from somebody who is not trusted is refused in words.
func TestEdge_PROXYFaults(t *testing.T) {
	t.Parallel()
	e, _ := proxiedEdge(t)
	v2 := "\r\n\r\n\x00\r\nQUIT\n"
	for name, c := range map[string]struct {
		sent string
		why  string
	}{
		"missing":          {"EHLO nobody.example\r\n", "PROXY"},
		"TLS in its place": {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00", "PROXY"},
		"malformed v1":     {"PROXY TCP4 1.2.3.4 nowhere 1 2\r\n", "PROXY"},
		"malformed v2":     {v2 + "\x31\x11\x00\x0c\x01\x01\x01\x01\x02\x02\x02\x02\x00\x01\x00\x02", "PROXY"},
		"too long v2":      {v2 + "\x21\x11\xff\xff", "PROXY"},
		"slow":             {"PROXY TC", "PROXY"},
		"cut":              {"", "PROXY"},
	} {
		t.Run("from a trusted proxy: "+name, func(t *testing.T) {
			t.Parallel()
			conn := guestDial(t, "127.0.0.1", e.at("open"))
			if _, err := io.WriteString(conn, c.sent); err != nil {
				t.Fatal(err)
			}
			if name == "cut" {
				_ = conn.(*net.TCPConn).CloseWrite()
			}
			_ = conn.SetReadDeadline(time.Now().Add(ceiling))
			if text, err := io.ReadAll(conn); len(text) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("it is answered %q, %v", text, err)
			}
			port := conn.LocalAddr().(*net.TCPAddr).Port
			line := e.sessionEnd(t, fmt.Sprintf("127.0.0.1:%d", port), c.why)
			t.Logf("the log's reason: %s", line.str("reason"))
		})
	}
	for i, header := range []string{"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", v2 + "\x21\x11\x00\x0c\x01\x01\x01\x01\x02\x02\x02\x02\x00\x01\x00\x02\r\n"} {
		t.Run(fmt.Sprintf("from a stranger: v%d", i+1), func(t *testing.T) {
			t.Parallel()
			from := source(53, 40+i)
			c := greeted(t, from, e.at("open"))
			if err := c.write([]byte(header)); err != nil {
				t.Fatal(err)
			}
			rep, err := c.read()
			if err != nil || rep.class() != 5 {
				t.Errorf("it is answered %v, %v", rep, err)
			}
			c.close()
			line := e.sessionEnd(t, from+":", "PROXY")
			t.Logf("the answer: %s; the log's reason: %s", rep, line.str("reason"))
		})
	}
}
