package balancer

import (
	"time"
)

// receivedLine makes the trace field (RFC 5321 section 4.4) of a message. The
// token after the host name marks it as weir's own, on any replica, so that a
// loop is seen (P33).
func (s *session) receivedLine(id string, now time.Time) []byte {
	b := make([]byte, 0, 256)
	b = append(append(b, "Received: from "...), s.helo...)
	if addr := s.client.Addr(); addr.IsValid() {
		b = append(b, " (["...)
		if addr.Is6() {
			b = append(b, "IPv6:"...)
		}
		b = append(addr.WithZone("").AppendTo(b), "])"...)
	}
	b = append(append(b, "\r\n\tby "...), s.front.hostname...)
	b = append(append(append(b, ' '), s.front.token...), " with "...)
	if s.extended {
		b = append(b, 'E')
	}
	b = append(append(append(b, "SMTP id "...), id...), ";\r\n\t"...)
	return append(now.AppendFormat(b, time.RFC1123Z), "\r\n"...)
}
