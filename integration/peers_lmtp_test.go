package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// lmtpSite is weir before a Dovecot that speaks LMTP.
type lmtpSite struct {
	*lanes
	d      *dovecot
	broken *scripted // the other connector of the lane "twice"
}

// TestPeers_DovecotLMTP: a pool of LMTP connectors (P35), a real Dovecot, behind SMTP senders.
func TestPeers_DovecotLMTP(t *testing.T) {
	t.Parallel()
	needWeir(t)
	s := &lmtpSite{d: startDovecot(t, "box0", "box1", "box2", "box3", "box4")}
	s.broken = (&scripted{offers: []string{"PIPELINING", "XCLIENT ADDR"}, answers: map[string]string{"RCPT TO:<BOX": "421 4.3.0 going down"}}).start(t)
	lmtp := func(name, identity string, backends ...string) lane {
		return lane{name: name, backends: backends, pool: []string{"protocol: lmtp", "client_identity: " + identity}}
	}
	twice := lmtp("twice", "xclient", s.broken.addr, s.d.lmtp)
	twice.health = strings.Replace(askedOnce, "envelope", "ehlo", 1) // only one of them knows a postmaster (P18)
	s.lanes = startLanes(t, lmtp("plain", "none", s.d.lmtp), lmtp("xclient", "xclient", s.d.lmtp), lmtp("proxy", "proxy-v2", s.d.proxy), twice)

	atOnce(t, map[string]func(*testing.T){
		"P35 one recipient a transaction, the others are asked to come back": s.oneRecipient,
		"P32 XCLIENT":   func(t *testing.T) { s.identity(t, "xclient") },
		"P32 P37 PROXY": func(t *testing.T) { s.identity(t, "proxy") },
		"P7 P35 a connector that goes away is left for the next":  s.failover,
		"P35 a refusal that comes last is the recipient's answer": s.lateRefusal,
		"P35 all bodies": s.bodies,
		"P35 a real Postfix with recipient limit 1 brings every recipient, and each once": s.fromPostfix,
	})
}

// letter is a message for one account.
func letter(kind, account string, body []byte) *message {
	m := newMessage(kind, body)
	m.to = []string{account + "@" + accountDomain}
	return m
}

func (s *lmtpSite) oneRecipient(t *testing.T) {
	c := s.visit(t, anna, "plain")
	if limits := c.caps["LIMITS"]; !strings.Contains(limits, "RCPTMAX=1") {
		t.Errorf("LIMITS %q, want RCPTMAX=1", limits)
	}
	m := letter("lmtp", "box0", filler(300))
	expect(t, c, 250, "%s", m.mailLine())
	expect(t, c, 550, "RCPT TO:<nobody@test.example>")
	expect(t, c, 250, "RCPT TO:<box0@test.example>")
	if rep := expect(t, c, 452, "RCPT TO:<box1@test.example>"); !strings.HasPrefix(rep.text(), "4.5.3") {
		t.Errorf("the second recipient: %s", rep)
	}
	expect(t, c, 354, "DATA")
	rep, err := c.finish(m.stuffed())
	if err != nil {
		t.Fatalf("the final reply: %v", err)
	}
	says(t, "the final reply", rep.String(), "250 2.0.0", "Saved")
	says(t, "weir's line", receivedLines(s.d.got(t, m, "box0"))[1], "from anna.sender.example ([127.0.44.1])", "by weir.test.example")
	if n := len(copies(s.d.path("mail/box1"), m)); n > 0 {
		t.Errorf("a recipient that was refused has %d copies", n)
	}
}

func (s *lmtpSite) identity(t *testing.T, name string) {
	m := letter("lmtp", "box1", filler(300))
	s.give(t, s.visit(t, anna, name), m)
	header := s.d.got(t, m, "box1")
	says(t, "Dovecot's line", receivedLines(header)[0], "from anna.sender.example ([127.0.44.1])", "by dovecot.test.example with LMTP")
	silent(t, "the header", header, "by weir.test.example")
}

func (s *lmtpSite) failover(t *testing.T) {
	c := s.visit(t, anna, "twice")
	for range 4 {
		m := letter("lmtp", "box3", filler(300))
		s.give(t, c, m)
		says(t, "Dovecot's line", receivedLines(s.d.got(t, m, "box3"))[0], "from anna.sender.example ([127.0.44.1])")
	}
	if len(s.broken.told("RCPT TO:<box3")) == 0 {
		t.Errorf("the other was not tried: %q", s.broken.told(""))
	}
}

func (s *lmtpSite) lateRefusal(t *testing.T) {
	s.d.writeFile("mail/box4", "no directory, so nothing can be stored below it\n")
	m := letter("lmtp", "box4", filler(300))
	c := s.visit(t, anna, "plain")
	rep, err := c.sendData(m)
	if err == nil || rep.class() != 4 {
		t.Errorf("%v, %v, want Dovecot's 4xx", rep, err)
	}
	if line := s.line(t, m); line.str("outcome") != "deferred" || line.str("by") != "connector" || line.str("stage") != "final_dot" {
		t.Errorf("the log: %v", line)
	}
}

func (s *lmtpSite) bodies(t *testing.T) {
	c := s.visit(t, anna, "plain")
	for _, one := range []string{"dots", "8bit", "998", "empty", "200k"} {
		m := letter("lmtp-"+one, "box2", bodyNamed(t, one))
		if _, err := c.sendBDAT(m, 1+len(m.raw)/3); err != nil {
			t.Fatalf("%s: %v", one, err)
		}
		s.d.got(t, m, "box2")
	}
}

func (s *lmtpSite) fromPostfix(t *testing.T) {
	sender := newMailHost(t, "sender.test.example")
	sender.addMain("virtual_mailbox_domains =\nrelay_domains = test.example\nrelay_transport = smtp\nsmtp_destination_recipient_limit = 1\n" +
		"relayhost = [127.0.0.1]:" + portOf(s.by["plain"].addr) + "\n")
	sender.start()
	m := newMessageTo("lmtp-sender", filler(3000), 4)
	c, err := dialSMTP(sender.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.quit()
	s.give(t, c, m)
	for i := range m.to {
		s.d.got(t, m, fmt.Sprintf("box%d", i))
	}
	eventually(t, ceiling, func() bool { return sender.queued() == 0 }, "the sender still has mail: %s", sender.log())
	if lines := s.transactionsFrom(m.id + "@"); len(lines) != len(m.to) {
		t.Errorf("%d transactions for %d recipients", len(lines), len(m.to))
	}
}

// bodyNamed is one of the bodies that have broken relays before.
func bodyNamed(t *testing.T, name string) []byte {
	t.Helper()
	for _, c := range bodyCases() {
		if c.name == name {
			return c.body
		}
	}
	t.Fatalf("no body is named %s", name)
	return nil
}

// TestPeers_PostfixLMTPSink: Postfix's smtp-sink as LMTP connector. It writes down what it is given.
func TestPeers_PostfixLMTPSink(t *testing.T) {
	t.Parallel()
	needWeir(t)
	dump := startLMTPSink(t)
	l := startLanes(t, lane{name: "sink", backends: []string{dump.addr}, pool: []string{"protocol: lmtp"}})
	c := l.visit(t, anna, "sink")
	for range 3 {
		m := newMessage("sink", filler(2000))
		l.give(t, c, m)
		var text string
		eventually(t, ceiling, func() bool { text = dump.with("X-Weir-Id: " + m.id); return text != "" }, "%s is not in the sink", m.id)
		says(t, "the sink's file", text, "X-Helo-Args: weir.test.example", "X-Mail-Args: <"+m.from+">", "X-Rcpt-Args: <box@test.example>",
			"from anna.sender.example ([127.0.44.1])")
	}
}

// lmtpSink is a running smtp-sink.
type lmtpSink struct {
	addr, dir string
}

func startLMTPSink(t *testing.T) *lmtpSink {
	t.Helper()
	need(t, "smtp-sink", "postfix")
	needRoot(t)
	// It gives root up, and then writes there.
	dir, err := os.MkdirTemp("/tmp", "ws-")
	if err != nil {
		t.Fatalf("making the sink's directory: %v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatalf("opening %s: %v", dir, err)
	}
	s := &lmtpSink{addr: freeAddr(t), dir: dir}
	cmd := exec.Command("smtp-sink", "-L", "-u", "nobody", "-d", filepath.Join(dir, "m."), s.addr, "100")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting smtp-sink: %v", err)
	}
	off := guard(t, cmd.Process.Pid)
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		off()
	})
	eventually(t, ceiling, func() bool {
		c, _, err := dialRaw(s.addr)
		if err == nil {
			c.quit()
		}
		return err == nil
	}, "smtp-sink does not greet")
	return s
}

// with is the message that contains a text; empty when none does.
func (s *lmtpSink) with(text string) string { return fileWith(s.dir, text) }
