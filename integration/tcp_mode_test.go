package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"weir/internal/faulty"
)

// passing is a config in tcp mode.
func passing(o opts) string { return strings.Replace(basicConfig(o), "mode: smtp", "mode: tcp", 1) }

// newPassing starts n honest connectors and weir before them, in tcp mode.
func newPassing(t *testing.T, n int, o opts) *flock {
	t.Helper()
	f := &flock{t: t}
	for i := range n {
		s, err := faulty.New(faulty.Options{Name: backendName(i), Behaviour: faulty.Honest()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		f.c = append(f.c, s)
		o.backends = append(o.backends, s.Addr())
	}
	o.health, o.timeouts = or(o.health, quietHealth), or(o.timeouts, shortTimeouts)
	f.weir = startWeir(t, passing(o))
	f.waitEligible(poolName, n)
	return f
}

// passages are the log lines of connections that were passed through and have ended.
func (w *weir) passages() []logLine {
	return w.logged(func(l logLine) bool { return l.msg() == "session" && l.str("backend") != "" })
}

// TestTCPModeLosesNothing: connectors that are mute, greet with 421 or 554, close or reset are replaced before their
// senders have got an octet, and are ejected; each message is stored once. Two of four are hurt, as a sender is offered to
// three at most.
func TestTCPModeLosesNothing(t *testing.T) {
	t.Parallel()
	for name, hurt := range map[string]func(a, b *faulty.Server){
		"words": func(a, b *faulty.Server) {
			a.Hurt(faulty.Say(faulty.Banner, "421 4.3.2 busy"))
			b.Hurt(faulty.Say(faulty.Banner, "554-5.7.1 no\n554 5.7.1 never"))
		},
		"none": func(a, b *faulty.Server) {
			a.Hurt(faulty.At(faulty.Banner, faulty.Mute).Limited(3), faulty.At(faulty.Banner, faulty.Drop))
			b.Hurt(faulty.At(faulty.Connect, faulty.Reset))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newPassing(t, 4, opts{})
			hurt(f.c[0], f.c[1])
			const n = 40
			for range n {
				m := f.message("tcp", 2000)
				if rep := f.deliver(m); rep.code != 250 {
					t.Fatalf("a first try got %s", rep)
				}
				if got := len(slices.DeleteFunc(slices.Concat(f.c[2].Messages(), f.c[3].Messages()), func(s faulty.Message) bool { return s.From != m.from })); got != 1 {
					t.Fatalf("%s is stored %d times", m.id, got)
				}
			}
			f.waitEligible(poolName, 2)
			eventually(t, ceiling, func() bool { return len(f.passages()) == n }, "%d connections in the log", n)
			for _, l := range f.passages() {
				if b := l.str("backend"); b != "c2" && b != "c3" || l.num("bytes_in") < 2000 || l.num("bytes_out") < 100 {
					t.Errorf("logged %v", l)
				}
			}
		})
	}
}

// TestTCPModeNobodyGreets: the sender is told in words.
func TestTCPModeNobodyGreets(t *testing.T) {
	t.Parallel()
	f := newPassing(t, 2, opts{})
	f.hurt(f.c, faulty.Say(faulty.Banner, "554 5.7.1 no"))
	c, rep, err := dialRaw(f.smtp)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if rep.code != 421 || !strings.HasPrefix(rep.text(), "4.3.2 No connector could be reached") || !ownReply.MatchString(rep.text()) {
		t.Errorf("got %s", rep)
	}
}

// TestTCPModeIdleIsCheap: a connection that nobody uses holds two sockets and nothing else. (A pipe for each direction would
// make it six descriptors; some that were used are kept for a while.)
func TestTCPModeIdleIsCheap(t *testing.T) {
	t.Parallel()
	f := newPassing(t, 2, opts{})
	before := f.openFiles()
	const n = 100
	for range n {
		f.dial() // greeted, and after EHLO
	}
	eventually(t, ceiling, func() bool { return f.openFiles() < before+4*n },
		"%d connections took %d descriptors", n, f.openFiles()-before)
}

// TestTCPModePostfix: a real Postfix that holds its own TLS key, told of the client by the PROXY protocol.
func TestTCPModePostfix(t *testing.T) {
	t.Parallel()
	need(t, "swaks", "swaks")
	need(t, "openssl", "openssl")
	p := newPostfix(t, "behind.test.example")
	key, cert := p.path("etc/key.pem"), p.path("etc/cert.pem")
	if out, err := run(t, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
		"-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=behind.test.example"); err != nil {
		t.Fatalf("making a certificate: %v\n%s", err, out)
	}
	main, err := os.ReadFile(p.path("etc/main.cf"))
	if err != nil {
		t.Fatal(err)
	}
	p.writeFile("etc/main.cf", string(main)+fmt.Sprintf("smtpd_tls_security_level = encrypt\nsmtpd_tls_loglevel = 1\n"+
		"smtpd_tls_cert_file = %s\nsmtpd_tls_key_file = %s\n", cert, key))
	behind := freeAddr(t)
	p.writeFile("etc/master.cf", strings.ReplaceAll(masterCF, "@ADDR@", p.addr)+
		behind+" inet n - n - - smtpd\n  -o smtpd_upstream_proxy_protocol=haproxy\n")
	p.start()
	for _, version := range []string{"proxy-v1", "proxy-v2"} {
		w := startWeir(t, passing(opts{
			backends: []string{behind}, pool: []string{"client_identity: " + version},
			health: "{probe: banner, interval: 1h, fast_interval: 100ms, timeout: 5s, rise: 1, fall: 5}",
		}))
		w.waitEligible(poolName, 1)
		m := newMessage("tcp"+version, filler(3000))
		content := writeSpool(t, t.TempDir(), "content", m.textFile())
		if out, err := run(t, "swaks", "--server", w.smtp, "--local-interface", "127.0.0.77", "--tls", "--ehlo", "swaks.test.example",
			"--from", m.from, "--to", m.to[0], "--data", "@"+content); err != nil {
			t.Fatalf("swaks: %v\n%s", err, out)
		}
		eventually(t, ceiling, func() bool {
			return strings.Contains(p.log(), "client=unknown[127.0.0.77]") && strings.Contains(p.log(), "TLS connection established from unknown[127.0.0.77]")
		}, "Postfix has not heard of the client")
	}
	eventually(t, ceiling, func() bool {
		mail, _ := filepath.Glob(p.path("mail/box/new/*"))
		return len(mail) == 2
	}, "the messages are not in the mailbox")
}

// TestTCPModeShutdown: who is passed through may finish what was begun.
func TestTCPModeShutdown(t *testing.T) {
	t.Parallel()
	f := newPassing(t, 1, opts{})
	c := f.dial()
	f.expect(c, 250, "MAIL FROM:<a@sender.example>")
	f.signal(15)
	eventually(t, ceiling, func() bool {
		other, rep, err := dialRaw(f.smtp)
		if err == nil {
			other.close()
		}
		return err != nil || rep.code == 421
	}, "new connections are still taken")
	f.expect(c, 250, "RCPT TO:<box@test.example>")
	time.Sleep(200 * time.Millisecond)
	f.expect(c, 354, "DATA")
	f.expect(c, 250, "Subject: x\r\n\r\ntext\r\n.")
	c.quit()
	if code := f.waitExit(stopCeiling); code != 0 {
		t.Errorf("exit %d", code)
	}
}
