package integration

import (
	"fmt"
	"strings"
	"testing"
)

// TestPeers_PostfixExtensions: parameters reach a real Postfix, which acts upon them.
func TestPeers_PostfixExtensions(t *testing.T) {
	t.Parallel()
	needWeir(t)
	h := newMailHost(t, "extensions.test.example")
	h.addMain("smtputf8_enable = yes\nstrict_smtputf8 = yes\n")
	addr := h.smtpd("all")
	h.start()
	l := startLanes(t, lane{name: "all", backends: []string{addr}})

	t.Run("P30 DSN arrives, and Postfix reports to the sender what was asked for", func(t *testing.T) {
		t.Parallel()
		c := l.visit(t, anna, "all")
		m := newMessage("dsn", filler(300))
		m.from = m.id + "@test.example" // reports come back into the same Maildir
		expect(t, c, 250, "MAIL FROM:<%s> RET=HDRS ENVID=an+2Benvelope", m.from)
		expect(t, c, 250, "RCPT TO:<box@test.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;first+2Bname@test.example")
		expect(t, c, 354, "DATA")
		if _, err := c.finish(m.stuffed()); err != nil {
			t.Fatal(err)
		}
		h.got(t, m)
		report := h.reportTo(t, m.from)
		says(t, "the report", report, "Original-Envelope-Id: an+envelope", "Original-Recipient: rfc822;first+name@test.example", "Action: delivered")
		silent(t, "the report", report, "The quick brown fox")
	})
	t.Run("P31 SMTPUTF8 mail for a Postfix that demands the parameter", func(t *testing.T) {
		t.Parallel()
		c := l.visit(t, anna, "all")
		m := newMessage("utf8", eightBits())
		expect(t, c, 553, "MAIL FROM:<grüße-%s>", m.from)
		m.from, m.to = "grüße-"+m.from, []string{"bücher@test.example"}
		expect(t, c, 250, "MAIL FROM:<%s> SMTPUTF8 BODY=8BITMIME", m.from)
		expect(t, c, 250, "RCPT TO:<%s>", m.to[0])
		expect(t, c, 354, "DATA")
		if _, err := c.finish(m.stuffed()); err != nil {
			t.Fatal(err)
		}
		header := h.got(t, m)
		says(t, "the header", header, "Return-Path: <grüße-", "Delivered-To: bücher@test.example")
		lines := receivedLines(header)
		says(t, "Postfix's line", lines[0], "with UTF8SMTP")
		says(t, "weir's line", lines[1], "with UTF8SMTP")
	})
	t.Run("P38 parameters that nobody offers", func(t *testing.T) {
		t.Parallel()
		c := l.visit(t, anna, "all")
		for _, parameter := range []string{"REQUIRETLS", "BODY=BINARYMIME", "BY=120;R", "MT-PRIORITY=3", "X-OTHER=1"} {
			if rep := expect(t, c, 555, "MAIL FROM:<a@sender.example> %s", parameter); !strings.HasPrefix(rep.text(), "5.5.4") {
				t.Errorf("%s: %s", parameter, rep)
			}
		}
		l.give(t, c, newMessage("all", filler(300)))
	})
}

// reportTo waits for a delivery report in the Maildir.
func (h *mailHost) reportTo(t *testing.T, to string) (text string) {
	t.Helper()
	eventually(t, ceiling, func() bool {
		text = fileWith(h.path("mail/box/new"), "Delivered-To: "+to+"\n")
		return text != ""
	}, "no report for %s: %s", to, h.log())
	return text
}

// TestPeers_NeedsFindTheAble: what only one connector of a pool can do goes there: in TLS that stays required (REQUIRETLS, to who is verified), and
// with octets that are no lines (BINARYMIME). No server at hand offers these, so that one is scripted; the other is a Postfix.
func TestPeers_NeedsFindTheAble(t *testing.T) {
	t.Parallel()
	needWeir(t)
	ca := newAuthority(t)
	h := newMailHost(t, "plain.test.example")
	h.secured(ca)
	both := h.smtpd("both", wrapped, needsTLS)
	h.start()
	able := (&scripted{tls: ca.server(h.host), offers: []string{"8BITMIME", "CHUNKING", "BINARYMIME", "REQUIRETLS", "PIPELINING"}}).start(t)
	l := startLanes(t,
		lane{name: "both", backends: []string{both, able.addr}, tls: fmt.Sprintf("{mode: implicit, verify: true, ca: %q, server_name: %s}", ca.file, h.host), edge: ca.edge("starttls")},
		lane{name: "binary", backends: []string{able.addr}, tls: "{mode: implicit}"})

	t.Run("P31 REQUIRETLS, offered only in TLS", func(t *testing.T) {
		t.Parallel()
		c := l.visit(t, anna, "both")
		if c.offers("REQUIRETLS") {
			t.Error("REQUIRETLS is offered in plaintext")
		}
		l.secure(t, c, anna, ca)
		for range 3 {
			m := newMessage("requiretls", filler(300))
			expect(t, c, 250, "%s REQUIRETLS", m.mailLine())
			expect(t, c, 250, "RCPT TO:<box@test.example>")
			expect(t, c, 354, "DATA")
			if _, err := c.finish(m.stuffed()); err != nil {
				t.Fatal(err)
			}
			says(t, "MAIL", able.mailLineOf(t, m), " REQUIRETLS")
		}
	})
	t.Run("P22 BINARYMIME is not touched, and not for DATA", func(t *testing.T) {
		t.Parallel()
		c := l.visit(t, anna, "binary")
		m := newMessage("binary", nil)
		octets := "\r\n\x00 a bare \n, a bare \r, \n.\n and \r\n.\r\n no end"
		m.raw = append(m.raw, octets...)
		expect(t, c, 250, "%s BODY=BINARYMIME", m.mailLine())
		expect(t, c, 250, "RCPT TO:<box@test.example>")
		expect(t, c, 503, "DATA")
		expect(t, c, 250, "RSET")
		expect(t, c, 250, "%s BODY=BINARYMIME", m.mailLine())
		expect(t, c, 250, "RCPT TO:<box@test.example>")
		if _, err := c.finish(append(fmt.Appendf(nil, "BDAT %d LAST\r\n", len(m.raw)), m.raw...)); err != nil {
			t.Fatal(err)
		}
		says(t, "MAIL", able.mailLineOf(t, m), " BODY=BINARYMIME")
		if !strings.Contains(able.taken(), string(m.raw)) {
			t.Errorf("the connector was given %q, which lacks %q", able.taken(), m.raw)
		}
	})
	t.Run("P30 BINARYMIME is not offered where not all have it", func(t *testing.T) {
		t.Parallel()
		if c := l.visit(t, anna, "both"); c.offers("BINARYMIME") {
			t.Errorf("offered: %v", c.caps)
		}
	})
}
