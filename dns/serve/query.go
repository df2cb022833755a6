package serve

import (
	"encoding/binary"

	"github.com/miekg/dns"
)

const (
	headerLen = 12
	optLen    = 11   // of our OPT record
	plainUDP  = 512  // octets of a reply to who does not speak EDNS
	ednsUDP   = 1232 // octets of any other reply: what passes without fragments
)

// query is a question as it stands in a message that is well-formed.
type query struct {
	msg     []byte
	flags   uint16
	opcode  int
	name    [255]byte // lower case, wire form
	nameLen int
	labels  [128]uint8 // where they begin in name; the root is the last
	depth   int        // labels without the root
	kind    uint16
	class   uint16
	end     int // of the question in msg

	edns    bool
	size    int // of what the asker takes by UDP
	version uint8
	do      bool
	signed  bool   // the last record is a TSIG
	bad     bool   // FORMERR: understood, but against the rules
	ixfr    uint32 // the serial that the asker of an IXFR has
}

// key is the name asked for, from its label i on.
func (q *query) key(i int) []byte { return q.name[q.labels[i]:q.nameLen] }

// parse reads a message, and reports whether it deserves an answer at all: that
// it is a question (QR clear) with one name in it, and is well-formed to its end.
// A reply to anything else would only help those who forge addresses.
func (q *query) parse(msg []byte) bool {
	q.msg, q.depth, q.edns, q.size, q.version = msg, 0, false, plainUDP, 0
	q.do, q.signed, q.bad, q.ixfr = false, false, false, 0
	if len(msg) < headerLen+5 {
		return false
	}
	q.flags = binary.BigEndian.Uint16(msg[2:])
	q.opcode = int(q.flags>>11) & 0xf
	if q.flags&0x8000 != 0 || binary.BigEndian.Uint16(msg[4:]) != 1 {
		return false
	}
	at := q.parseName(headerLen)
	if at < 0 || at+4 > len(msg) {
		return false
	}
	q.kind = binary.BigEndian.Uint16(msg[at:])
	q.class = binary.BigEndian.Uint16(msg[at+2:])
	q.end = at + 4
	return q.parseRest()
}

// parseName reads the question's name, and returns where it ends; -1: it is none.
func (q *query) parseName(at int) int {
	q.nameLen = 0
	for {
		if at >= len(q.msg) {
			return -1
		}
		size := int(q.msg[at])
		if size > 63 || q.nameLen+1+size > len(q.name) || at+1+size > len(q.msg) {
			return -1 // there is nothing yet that a pointer could point to
		}
		q.labels[q.depth] = uint8(q.nameLen)
		q.name[q.nameLen] = byte(size)
		for i, c := range q.msg[at+1 : at+1+size] {
			if c >= 'A' && c <= 'Z' {
				c += 'a' - 'A'
			}
			q.name[q.nameLen+1+i] = c
		}
		q.nameLen += 1 + size
		at += 1 + size
		if size == 0 {
			return at
		}
		q.depth++
	}
}

// parseRest walks the records behind the question: OPT and TSIG matter, the
// others must at least be whole.
func (q *query) parseRest() bool {
	answers := int(binary.BigEndian.Uint16(q.msg[6:]))
	authority := int(binary.BigEndian.Uint16(q.msg[8:]))
	additional := int(binary.BigEndian.Uint16(q.msg[10:]))
	if q.opcode == dns.OpcodeQuery && answers > 0 {
		return false
	}
	at := q.end
	for i := range answers + authority + additional {
		name := at
		if at = skipName(q.msg, at); at < 0 || at+10 > len(q.msg) {
			return false
		}
		size := int(binary.BigEndian.Uint16(q.msg[at+8:]))
		rdata := at + 10
		if rdata+size > len(q.msg) {
			return false
		}
		if i >= answers+authority {
			q.extra(name, at, i+1 == answers+authority+additional)
		} else if q.kind == dns.TypeIXFR {
			q.soa(at, rdata, size)
		}
		at = rdata + size
	}
	return at == len(q.msg)
}

// extra takes note of a record of the additional section.
func (q *query) extra(name, at int, last bool) {
	switch binary.BigEndian.Uint16(q.msg[at:]) {
	case dns.TypeOPT: // RFC 6891 section 6.1
		if q.edns || at != name+1 {
			q.bad = true // a second one, or not of the root
		}
		q.edns = true
		q.size = min(max(int(binary.BigEndian.Uint16(q.msg[at+2:])), plainUDP), ednsUDP)
		q.version = q.msg[at+5]
		q.do = q.msg[at+6]&0x80 != 0
	case dns.TypeTSIG:
		q.signed = last
		if !last {
			q.bad = true // RFC 8945 section 5.1
		}
	}
}

// soa reads the serial of the SOA that an IXFR brings.
func (q *query) soa(at, rdata, size int) {
	if binary.BigEndian.Uint16(q.msg[at:]) != dns.TypeSOA || size < 22 {
		return
	}
	q.ixfr = binary.BigEndian.Uint32(q.msg[rdata+size-20:])
}

// skipName returns where a name ends; -1: it is none.
func skipName(msg []byte, at int) int {
	for at < len(msg) {
		size := int(msg[at])
		switch {
		case size == 0:
			return at + 1
		case size >= 0xc0:
			if at+2 > len(msg) {
				return -1
			}
			return at + 2
		case size > 63:
			return -1
		}
		at += 1 + size
	}
	return -1
}
