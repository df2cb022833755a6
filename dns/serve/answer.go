package serve

import (
	"encoding/binary"

	"github.com/miekg/dns"
)

// chase is how many CNAMEs in a row are followed.
const chase = 8

// Sections of a reply, as positions of their counts in the header.
const (
	answers    = 6
	authority  = 8
	additional = 10
)

// reply is a message under construction in a buffer that is used again.
type reply struct {
	buf   []byte
	limit int // of octets, without the OPT
	full  bool
}

// begin copies what the asker said, with its mixed case (draft-vixie-dnsext-dns0x20).
func (r *reply) begin(q *query, buf []byte, limit int) {
	r.buf = append(buf[:0], q.msg[:q.end]...)
	r.limit, r.full = limit, false
	if q.edns {
		r.limit -= optLen
	}
	// QR; opcode, RD and CD as asked (RFC 1035 section 4.1.1, RFC 4035 section 3.1.6).
	binary.BigEndian.PutUint16(r.buf[2:], 0x8000|q.flags&0x7910)
	clear(r.buf[6:headerLen])
}

func (r *reply) flag(bits byte) { r.buf[2] |= bits }

const (
	flagAA = 0x04
	flagTC = 0x02
)

func (r *reply) rcode(code int) { r.buf[3] = r.buf[3]&0xf0 | byte(code&0xf) }

// rr appends a record whose owner stands at that position in the message.
func (r *reply) rr(section, owner int, rest []byte) bool {
	if r.full || len(r.buf)+2+len(rest) > r.limit {
		r.full = true
		return false
	}
	r.buf = append(r.buf, 0xc0|byte(owner>>8), byte(owner))
	r.buf = append(r.buf, rest...)
	r.count(section)
	return true
}

func (r *reply) count(section int) {
	binary.BigEndian.PutUint16(r.buf[section:], binary.BigEndian.Uint16(r.buf[section:])+1)
}

// finish truncates a reply that does not fit, and appends the OPT.
func (r *reply) finish(q *query, extended byte) []byte {
	if r.full {
		r.buf = r.buf[:q.end]
		clear(r.buf[answers:headerLen])
		r.flag(flagTC)
	}
	if q.edns {
		do := byte(0)
		if q.do {
			do = 0x80
		}
		r.buf = append(r.buf, 0, 0, byte(dns.TypeOPT), ednsUDP>>8, ednsUDP&0xff, extended, 0, do, 0, 0, 0)
		r.count(additional)
	}
	return r.buf
}

// refuse answers with nothing but a code.
func refuse(q *query, buf []byte, code int) []byte {
	var r reply
	r.begin(q, buf, ednsUDP)
	r.rcode(code)
	return r.finish(q, byte(code>>4))
}

// cutShort answers that the same question by TCP will be answered.
func cutShort(q *query, buf []byte) []byte {
	var r reply
	r.begin(q, buf, ednsUDP)
	r.full = true
	return r.finish(q, 0)
}

// protest answers questions that are no matter of a zone's content; nil: this is
// one that is.
func protest(q *query, buf []byte) []byte {
	switch {
	case q.opcode == dns.OpcodeUpdate:
		return refuse(q, buf, dns.RcodeRefused)
	case q.opcode != dns.OpcodeQuery:
		return refuse(q, buf, dns.RcodeNotImplemented)
	case q.bad || q.kind == dns.TypeOPT || q.kind == dns.TypeTSIG || q.kind == 0:
		return refuse(q, buf, dns.RcodeFormatError)
	case q.edns && q.version > 0:
		return refuse(q, buf, dns.RcodeBadVers) // RFC 6891 section 6.1.3
	case q.class != dns.ClassINET:
		return refuse(q, buf, dns.RcodeRefused) // CHAOS: whoever wants the version asks the API
	}
	return nil
}

// answer writes the reply of a zone to a question about it. turn rotates the records
// of a set; limit is the most octets the reply may have.
func (p *picture) answer(q *query, buf []byte, limit int, turn uint32) []byte {
	var r reply
	r.begin(q, buf, limit)
	key, owner := q.key(0), headerLen
	for range chase {
		n, cut := p.find(q, key)
		switch {
		case cut != nil:
			p.refer(&r, q, cut, owner == headerLen)
			return r.finish(q, 0)
		case n == nil:
			r.flag(flagAA)
			r.rcode(dns.RcodeNameError)
			p.deny(&r, q)
			return r.finish(q, 0)
		}
		r.flag(flagAA)
		set := n.lookup(q.kind)
		switch {
		case set == nil && n.waits(q.kind):
			return refuse(q, buf, dns.RcodeServerFailure)
		case set == nil:
			p.deny(&r, q)
			return r.finish(q, 0)
		case set.target == "" || q.kind == dns.TypeCNAME || q.kind == dns.TypeANY:
			r.set(answers, owner, set, turn)
			return r.finish(q, 0)
		}
		at := len(r.buf) + 12 // where the CNAME's rdata will be
		if !r.rr(answers, owner, set.rrs[0]) || len(set.target) < len(p.origin) || set.target[len(set.target)-len(p.origin):] != p.origin {
			return r.finish(q, 0)
		}
		key, owner = []byte(set.target), at
	}
	return r.finish(q, 0)
}

func (r *reply) set(section, owner int, set *rrset, turn uint32) {
	n := uint32(len(set.rrs))
	first := turn % n
	for i := range n {
		if at := first + i; at < n {
			r.rr(section, owner, set.rrs[at])
		} else {
			r.rr(section, owner, set.rrs[at-n])
		}
	}
}

// lookup returns the set of that type, or the name's CNAME. ANY gets one set of
// those there are (RFC 8482 section 4.1).
func (n *node) lookup(kind uint16) *rrset {
	if kind == dns.TypeANY && len(n.sets) > 0 {
		return &n.sets[0]
	}
	for i := range n.sets {
		if n.sets[i].kind == kind || n.sets[i].target != "" {
			return &n.sets[i]
		}
	}
	return nil
}

// waits reports whether weir will publish that type here, and has not yet.
func (n *node) waits(kind uint16) bool {
	for _, pending := range n.pending {
		if pending == kind || kind == dns.TypeANY {
			return true
		}
	}
	return false
}

// find returns the node of a name, which may be a wildcard's (RFC 4592 section
// 4.3.2); nil: the name does not exist. Or the cut above it.
func (p *picture) find(q *query, key []byte) (*node, *referral) {
	if p.cuts {
		if cut := p.cutAbove(q, key); cut != nil {
			return nil, cut
		}
	}
	if n := p.nodes[string(key)]; n != nil {
		return n, nil
	}
	for len(key) > len(p.origin) {
		key = key[1+int(key[0]):]
		if p.nodes[string(key)] != nil { // the closest encloser
			var star [257]byte
			wild := append(append(star[:0], 1, '*'), key...)
			return p.nodes[string(wild)], nil
		}
	}
	return nil, nil
}

// cutAbove returns the cut at the name or above it; of several the highest.
func (p *picture) cutAbove(q *query, key []byte) *referral {
	var top *referral
	for at := key; len(at) > len(p.origin); at = at[1+int(at[0]):] {
		n := p.nodes[string(at)]
		if n == nil || n.cut == nil || len(at) == len(key) && q.kind == dns.TypeDS {
			continue // DS is the parent's to answer (RFC 4035 section 3.1.4.1)
		}
		top = n.cut
	}
	return top
}

// refer sends the asker to the servers that are responsible. direct: the name was
// asked for, and not found behind a CNAME.
func (p *picture) refer(r *reply, q *query, cut *referral, direct bool) {
	if !direct {
		return // the asker follows the CNAME itself, and is told then
	}
	owner := headerLen + q.nameLen - len(cut.key)
	for _, rr := range cut.ns.rrs {
		r.rr(authority, owner, rr)
	}
	if q.do && cut.ds != nil {
		for _, rr := range cut.ds.rrs {
			r.rr(authority, owner, rr)
		}
	}
	for _, g := range cut.glue {
		if r.full || len(r.buf)+len(g.owner)+len(g.rr) > r.limit {
			r.full = true // RFC 9471: glue or TC
			return
		}
		r.buf = append(append(r.buf, g.owner...), g.rr...)
		r.count(additional)
	}
}

// deny puts the SOA beside a negative answer (RFC 2308 section 3).
func (p *picture) deny(r *reply, q *query) {
	r.rr(authority, headerLen+q.nameLen-len(p.origin), p.negative.rrs[0])
}
