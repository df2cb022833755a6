package serve

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/miekg/dns"

	room "weir/dns"
)

// tsigFudge is by how much two clocks may differ, in seconds (RFC 8945 section 10).
const tsigFudge = 300

// signature is what a signed question brought.
type signature struct {
	key   *room.Key
	asked *dns.TSIG
	fault uint16 // 0, or why the question is not believed
}

// verify looks at a question's signature.
func (z *Zone) verify(q *query) (signature, error) {
	var m dns.Msg
	if err := m.Unpack(q.msg); err != nil {
		return signature{}, err
	}
	t := m.IsTsig()
	if t == nil || len(t.Hdr.Name) <= 1 || len(t.Algorithm) <= 1 {
		return signature{}, errors.New("no TSIG with a key and an algorithm at the end")
	}
	s := signature{key: z.cfg.Serve.Key, asked: t}
	if s.key == nil || dns.CanonicalName(t.Hdr.Name) != s.key.Name || dns.CanonicalName(t.Algorithm) != s.key.Algorithm {
		s.fault = dns.RcodeBadKey
		return s, nil
	}
	switch err := dns.TsigVerify(slices.Clone(q.msg), s.key.Secret, "", false); {
	case err == nil:
	case errors.Is(err, dns.ErrTime):
		s.fault = dns.RcodeBadTime
	default:
		s.fault = dns.RcodeBadSig
	}
	return s, nil
}

// sign packs a message with a signature. before is the MAC of the question, or of
// the message before this one in a transfer (then only the timers are signed).
func (s signature) sign(m *dns.Msg, before string, timersOnly bool) (packed []byte, mac string, err error) {
	m.Compress = true
	m.SetTsig(s.asked.Hdr.Name, s.asked.Algorithm, tsigFudge, time.Now().Unix())
	t := m.IsTsig()
	t.OrigId = m.Id
	t.Error = s.fault
	secret := ""
	if s.key != nil {
		secret = s.key.Secret
	}
	if s.fault == dns.RcodeBadTime { // RFC 8945 section 5.2.3
		t.OtherLen, t.OtherData = 6, hex.EncodeToString(clock(t.TimeSigned))
		t.TimeSigned = s.asked.TimeSigned
	}
	packed, mac, err = dns.TsigGenerate(m, secret, before, timersOnly)
	if err != nil {
		return nil, "", fmt.Errorf("signing: %w", err)
	}
	return packed, mac, nil
}

// clock is a TSIG's time as it goes into the other data: 48 bits.
func clock(seconds uint64) []byte {
	b := make([]byte, 6)
	for i := range b {
		b[i] = byte(seconds >> (40 - 8*i))
	}
	return b
}

// size is how many octets the signature of a reply takes at most.
func (s signature) size() int {
	const fixed = 10 + 16 + 64 + 6 // of the record, of its rdata, the longest MAC, the other data
	return fixed + len(s.asked.Hdr.Name) + 1 + len(s.asked.Algorithm) + 1
}

// respondSigned answers a signed question with a signed reply.
func (z *Zone) respondSigned(q *query, buf []byte, limit int, turn uint32) []byte {
	s, err := z.verify(q)
	if err != nil {
		return refuse(q, buf, dns.RcodeFormatError)
	}
	var out []byte
	if s.fault != 0 {
		out = refuse(q, buf, dns.RcodeNotAuth)
	} else {
		out = z.respond(q, buf, limit-s.size(), turn)
	}
	signed, err := s.signReply(out)
	if err != nil || len(signed) > limit {
		return refuse(q, buf, dns.RcodeServerFailure)
	}
	return signed
}

func (s signature) signReply(out []byte) ([]byte, error) {
	var m dns.Msg
	if err := m.Unpack(out); err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	packed, _, err := s.sign(&m, s.asked.MAC, false)
	return packed, err
}
