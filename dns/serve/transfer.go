package serve

import (
	"net"
	"net/netip"
	"slices"

	"github.com/miekg/dns"
)

// transferChunk is how much of a zone goes into one message, in octets before
// compression.
const transferChunk = 16 << 10

// isPeer reports whether an address is one of those that may transfer the zone.
func (z *Zone) isPeer(from netip.Addr) bool {
	return slices.ContainsFunc(z.cfg.Serve.AllowTransfer, func(p netip.Prefix) bool { return p.Contains(from) })
}

// mayTransfer reports whether the zone is given to who asks. With a key it must have
// signed, with addresses it must have one of them; with neither nobody gets it.
func (z *Zone) mayTransfer(from netip.Addr, signed bool) bool {
	serve := z.cfg.Serve
	if serve.Key == nil {
		return z.isPeer(from)
	}
	return signed && (len(serve.AllowTransfer) == 0 || z.isPeer(from))
}

// transfer answers AXFR (RFC 5936), and IXFR as if it were one (RFC 1995 section
// 4). The error is the connection's.
func (z *Zone) transfer(q *query, conn net.Conn, from netip.Addr) error {
	if out := protest(q, nil); out != nil {
		return writeFrame(conn, out)
	}
	var s *signature
	if q.signed {
		checked, err := z.verify(q)
		if err != nil {
			return writeFrame(conn, refuse(q, nil, dns.RcodeFormatError))
		}
		s = &checked
	}
	p := z.picture.Load()
	switch {
	case s != nil && s.fault != 0:
		z.tell("transfer", "a transfer of %s to %s was refused: its signature is not right (%s): do name, secret, algorithm and clock agree?", z.cfg.Zone, from, dns.RcodeToString[int(s.fault)])
		return refuseTransfer(q, conn, s, dns.RcodeNotAuth)
	case !z.mayTransfer(from, s != nil):
		z.tell("transfer", "a transfer of %s to %s was refused: serve.allow_transfer or serve.key_file does not let it", z.cfg.Zone, from)
		return refuseTransfer(q, conn, s, dns.RcodeRefused)
	case p == nil, p.blank:
		// A secondary keeps what it has, which is better than a zone without ours.
		return refuseTransfer(q, conn, s, dns.RcodeServerFailure)
	case q.nameLen != len(p.origin):
		return refuseTransfer(q, conn, s, dns.RcodeNotAuth)
	}
	list := append(slices.Clone(p.records), p.records[0])
	if q.kind == dns.TypeIXFR && !newer(p.serial, q.ixfr) {
		list = list[:1] // it is up to date
	}
	return sendZone(q, conn, s, list)
}

// sendZone writes the records, in as many messages as it takes.
func sendZone(q *query, conn net.Conn, s *signature, list []dns.RR) error {
	mac, later := "", false
	if s != nil {
		mac = s.asked.MAC
	}
	for len(list) > 0 {
		n, size := 0, 0
		for n < len(list) && (n == 0 || size+dns.Len(list[n]) <= transferChunk) {
			size += dns.Len(list[n])
			n++
		}
		var m dns.Msg
		if err := m.Unpack(refuse(q, nil, dns.RcodeSuccess)); err != nil {
			return err
		}
		m.Authoritative, m.Compress, m.Answer = true, true, list[:n]
		if later {
			m.Question, m.Extra = nil, nil
		}
		packed, next, err := packSigned(&m, s, mac, later)
		if err != nil {
			return err
		}
		if err := writeFrame(conn, packed); err != nil {
			return err
		}
		list, mac, later = list[n:], next, true
	}
	return nil
}

func packSigned(m *dns.Msg, s *signature, mac string, later bool) (packed []byte, next string, err error) {
	if s == nil {
		packed, err = m.Pack()
		return packed, "", err
	}
	return s.sign(m, mac, later)
}

func refuseTransfer(q *query, conn net.Conn, s *signature, code int) error {
	out := refuse(q, nil, code)
	if s != nil {
		var err error
		if out, err = s.signReply(out); err != nil {
			return err
		}
	}
	return writeFrame(conn, out)
}
