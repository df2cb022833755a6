package balancer

import (
	"crypto/tls"
	"net/netip"
	"strings"
	"testing"
	"time"

	"weir/internal/smtp"
)

// P33: how mail came in, by the names of RFC 3848 and RFC 6531 section 4.3.
func TestP33With(t *testing.T) {
	for want, s := range map[string]struct {
		extended, utf8, tls, auth bool
	}{
		"SMTP": {}, "ESMTP": {extended: true}, "ESMTPS": {extended: true, tls: true},
		"ESMTPSA": {extended: true, tls: true, auth: true}, "ESMTPA": {extended: true, auth: true},
		"UTF8SMTP": {extended: true, utf8: true}, "UTF8SMTPS": {extended: true, utf8: true, tls: true},
		"UTF8SMTPSA": {extended: true, utf8: true, tls: true, auth: true},
	} {
		tx := &transaction{s: &session{extended: s.extended}, mail: smtp.Mail{UTF8: s.utf8}}
		if s.tls {
			tx.s.secured = &secured{}
		}
		if s.auth {
			tx.s.auth.mechanism = "PLAIN"
		}
		if got := string(tx.appendWith(nil)); got != want {
			t.Errorf("%+v is %s, want %s", s, got, want)
		}
	}
}

func TestDates(t *testing.T) {
	var d dates
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		after time.Duration
		want  string
	}{
		{0, "Sun, 22 Nov 2026 12:00:00 +0000"},
		{999 * time.Millisecond, "Sun, 22 Nov 2026 12:00:00 +0000"},
		{time.Second, "Sun, 22 Nov 2026 12:00:01 +0000"},
		{-time.Second, "Sun, 22 Nov 2026 11:59:59 +0000"},
	} {
		if got := string(d.append(nil, at.Add(test.after))); got != test.want {
			t.Errorf("after %v it is %s, want %s", test.after, got, test.want)
		}
	}
}

// P33: whatever a sender calls itself, the line is one header field, of which it
// can only fill in one word, and no longer than what SIZE makes room for.
func TestP33ReceivedLine(t *testing.T) {
	long := strings.Repeat("h", maxTraceWord)
	for helo, from := range map[string]string{
		"client.test": "client.test", "[IPv6:::1]": "[IPv6:::1]", long: long,
		"": "unknown", long + "h": "unknown", "a\r\nX-Bad: b": "unknown", "a b": "unknown", "a(b": "unknown", "a;b": "unknown", "ä": "unknown",
	} {
		s := &session{
			srv: &Server{}, helo: helo, extended: true, client: netip.MustParseAddrPort("[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff%eth0]:65535"),
			front:   &front{hostname: long, token: "(weir/" + long + ")"},
			secured: &secured{version: tls.VersionTLS12, cipher: tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256},
		}
		tx := &transaction{s: s, id: "123456789ABC-1000000", mail: smtp.Mail{UTF8: true}}
		line := string(tx.appendReceived(nil, time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)))
		want := "Received: from " + from + " ([IPv6:2001:db8:ffff:ffff:ffff:ffff:ffff:ffff])\r\n" +
			"\t(using TLS 1.2 with cipher TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256)\r\n" +
			"\tby " + long + " (weir/" + long + ") with UTF8SMTPS id 123456789ABC-1000000;\r\n\tSun, 22 Nov 2026 12:00:00 +0000\r\n"
		if line != want {
			t.Errorf("for %q:\n%s", helo, line)
		}
		if len(line) > edgeRoom {
			t.Errorf("%d octets for %q", len(line), helo)
		}
	}
}
