package balancer

import (
	"crypto/tls"
	"strings"
	"sync/atomic"
	"time"
)

// appendReceived appends the trace field (RFC 5321 section 4.4) of a message. The
// token after the host name marks it as weir's own, on any replica, so that a
// loop is seen (P33). It is shorter than edgeRoom, whatever the sender says.
func (t *transaction) appendReceived(b []byte, now time.Time) []byte {
	s := t.s
	b = append(append(b, "Received: from "...), traceWord(s.helo)...)
	if addr := s.client.Addr(); addr.IsValid() {
		b = append(b, " (["...)
		if addr.Is6() {
			b = append(b, "IPv6:"...)
		}
		b = append(addr.WithZone("").AppendTo(b), "])"...)
	}
	if p := s.secured; p != nil && p.version != 0 {
		b = append(append(b, "\r\n\t(using "...), tls.VersionName(p.version)...)
		b = append(append(append(b, " with cipher "...), tls.CipherSuiteName(p.cipher)...), ')')
	}
	b = append(append(b, "\r\n\tby "...), s.front.hostname...)
	b = append(append(append(b, ' '), s.front.token...), " with "...)
	b = append(append(append(t.appendWith(b), " id "...), t.id...), ";\r\n\t"...)
	return append(s.srv.dates.append(b, now), "\r\n"...)
}

// dates keeps the date of the present second: to write it anew for each message takes as
// long as all the rest of the line. The zero value is ready for use.
type dates struct{ last atomic.Pointer[date] }

type date struct {
	second int64 // Unix time
	text   string
}

// append appends the date and time of now (RFC 5322 section 3.3).
func (d *dates) append(b []byte, now time.Time) []byte {
	last := d.last.Load()
	if second := now.Unix(); last == nil || last.second != second {
		last = &date{second, now.Format(time.RFC1123Z)}
		d.last.Store(last)
	}
	return append(b, last.text...)
}

// appendWith appends the protocol by which the message has come, by the names of
// RFC 3848 and RFC 6531 section 4.3.
func (t *transaction) appendWith(b []byte) []byte {
	s := t.s
	switch {
	case t.mail.UTF8:
		b = append(b, "UTF8SMTP"...)
	case s.extended:
		b = append(b, "ESMTP"...)
	default:
		return append(b, "SMTP"...)
	}
	if s.secured != nil {
		b = append(b, 'S')
	}
	if s.auth.mechanism != "" {
		b = append(b, 'A')
	}
	return b
}

// maxTraceWord bounds what a sender can add to a trace field; a host name is no
// longer (RFC 1035 section 3.1).
const maxTraceWord = 255

// traceWord returns what can stand as one word in a trace field: the name that a
// sender gives itself, unless that could be taken for something else there.
func traceWord(name string) string {
	odd := func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;\"`, r) }
	if name == "" || len(name) > maxTraceWord || strings.ContainsFunc(name, odd) {
		return "unknown"
	}
	return name
}
