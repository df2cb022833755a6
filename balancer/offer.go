package balancer

import (
	"strconv"
	"sync/atomic"

	"weir/internal/backend"
	"weir/internal/smtp"
)

// edgeRoom is how many octets weir may add to a message: its Received line.
const edgeRoom = 1 << 10

// offer is what EHLO announces, steady for a session (P30) but for AUTH: see
// offerPinned.
type offer struct {
	ext  backend.Extension
	size int64 // 0: no limit
	rare *rare // nil: none of these
}

// rare is what few connectors announce.
type rare struct {
	deliverBy int32          // least seconds of a BY with mode R; 0: none announced
	priority  string         // profile of MT-PRIORITY; empty: none named
	limits    backend.Limits // of recipients
}

// edgeExtensions are offered whatever the connectors can: weir converts.
const edgeExtensions = backend.ExtPipelining | backend.ExtChunking | backend.ExtEnhancedStatusCodes | backend.ExtSize

// offeredByAny are offered where any connector has them: who has not is no
// candidate for mail that needs them (P31). REQUIRETLS is only for those under TLS.
const offeredByAny = backend.Ext8BitMIME | backend.ExtSMTPUTF8 | backend.ExtRequireTLS

// offeredByAll are offered where all connectors have them.
const offeredByAll = backend.ExtDSN | backend.ExtBinaryMIME | backend.ExtDeliverBy | backend.ExtMTPriority

// offer returns what the listener announces now.
func (f *front) offer() offer {
	return f.bound(f.offers.of(f.pools))
}

// bound narrows an offer down to what the listener takes.
func (f *front) bound(o offer) offer {
	if limit := f.Limits.MessageSize; limit > 0 && (o.size == 0 || limit < o.size) {
		o.size = limit
	}
	return o
}

// offerCache keeps what the snapshots of some pools make possible to offer.
type offerCache struct{ last atomic.Pointer[pooledOffer] }

type pooledOffer struct {
	views []*backend.Pool
	offer
}

func (c *offerCache) of(pools []*pool) offer {
	if last := c.last.Load(); last != nil && last.holds(pools) {
		return last.offer
	}
	made := &pooledOffer{views: make([]*backend.Pool, len(pools))}
	lmtp := true
	for i, p := range pools {
		made.views[i] = p.view()
		lmtp = lmtp && p.LMTP
	}
	made.offer = offerOf(made.views, lmtp)
	c.last.Store(made)
	return made.offer
}

func (o *pooledOffer) holds(pools []*pool) bool {
	for i, p := range pools {
		if p.view() != o.views[i] {
			return false
		}
	}
	return true
}

// offerOf goes by what the members of all pools were last seen to offer while
// healthy, so that it neither shrinks with a sick connector nor hopes for an
// unknown one. Pools that speak LMTP take one recipient at a time (P35).
func offerOf(pools []*backend.Pool, lmtp bool) offer {
	o := offer{ext: edgeExtensions}
	all, known, unlimited := offeredByAll, false, false
	var r rare
	for _, p := range pools {
		for _, m := range p.Members {
			caps := &m.Health.Capabilities
			if !caps.Known {
				continue
			}
			o.ext |= caps.Ext & offeredByAny
			unlimited = unlimited || caps.Size == 0
			o.size = max(o.size, caps.Size-edgeRoom)
			all &= common(caps)
			r.take(caps, !known)
			known = true
		}
	}
	if known {
		o.ext |= all
	}
	if unlimited {
		o.size = 0
	}
	if lmtp {
		r.limits = backend.Limits{RcptMax: 1}
	}
	if o.ext&(backend.ExtDeliverBy|backend.ExtMTPriority) != 0 || r.limits != (backend.Limits{}) {
		o.rare = &r
	}
	return o
}

// common is what a connector contributes to the extensions of all. Without CHUNKING
// nothing binary gets to it.
func common(caps *backend.Capabilities) backend.Extension {
	if !caps.Has(backend.ExtChunking) {
		return caps.Ext &^ backend.ExtBinaryMIME
	}
	return caps.Ext
}

// take narrows the parameters down to what holds at one more connector. A profile
// that not all of them name is none.
func (r *rare) take(caps *backend.Capabilities, first bool) {
	r.deliverBy = max(r.deliverBy, caps.DeliverBy)
	if r.priority != caps.Priority {
		r.priority = ""
		if first {
			r.priority = caps.Priority
		}
	}
	r.limits.RcptMax = least(r.limits.RcptMax, caps.Limits.RcptMax)
	r.limits.RcptDomainMax = least(r.limits.RcptDomainMax, caps.Limits.RcptDomainMax)
}

// least is the smaller of two limits, of which 0 is none.
func least(a, b int32) int32 {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}

// parameters returns what MAIL and RCPT may carry: what EHLO offered (P38).
func (s *session) parameters() smtp.Extensions {
	if !s.extended {
		return 0
	}
	ext := smtp.Extensions(s.offer.ext)
	if s.secured == nil {
		ext &^= smtp.WithRequireTLS
	}
	if s.auth.offered != "" {
		ext |= smtp.WithAuth
	}
	return ext
}

// appendEHLO appends the answer to EHLO.
func (s *session) appendEHLO(b []byte) []byte {
	s.offerPinned()
	b = append(append(append(b, "250-"...), s.front.hostname...), "\r\n250-PIPELINING\r\n250-SIZE"...)
	if s.offer.size > 0 {
		b = strconv.AppendInt(append(b, ' '), s.offer.size, 10)
	}
	b = append(b, "\r\n"...)
	for _, e := range [...]struct {
		ext  backend.Extension
		line string
	}{
		{backend.Ext8BitMIME, "250-8BITMIME\r\n"},
		{backend.ExtSMTPUTF8, "250-SMTPUTF8\r\n"},
		{backend.ExtDSN, "250-DSN\r\n"},
		{backend.ExtBinaryMIME, "250-BINARYMIME\r\n"},
	} {
		if s.offer.ext&e.ext != 0 {
			b = append(b, e.line...)
		}
	}
	b = s.appendSecurity(b)
	if s.offer.rare != nil || s.front.Limits.MessagesPerConnection > 0 {
		b = s.appendRare(b)
	}
	if s.trusted {
		b = append(b, xclientOffer...)
	}
	return append(b, "250-ENHANCEDSTATUSCODES\r\n250 CHUNKING\r\n"...)
}

// appendSecurity appends what depends on TLS.
func (s *session) appendSecurity(b []byte) []byte {
	if s.offersStartTLS() {
		b = append(b, "250-STARTTLS\r\n"...)
	}
	if s.secured == nil {
		return b
	}
	if s.offer.ext&backend.ExtRequireTLS != 0 {
		b = append(b, "250-REQUIRETLS\r\n"...)
	}
	if words := s.authOffer(); words != "" {
		b = append(append(append(b, "250-AUTH "...), words...), "\r\n"...)
	}
	return b
}

// appendRare appends what has parameters of its own (RFC 2852 section 4.1, RFC 6710
// section 4, RFC 9422).
func (s *session) appendRare(b []byte) []byte {
	var r rare
	if s.offer.rare != nil {
		r = *s.offer.rare
	}
	if s.offer.ext&backend.ExtDeliverBy != 0 {
		b = append(b, "250-DELIVERBY"...)
		if r.deliverBy > 0 {
			b = strconv.AppendInt(append(b, ' '), int64(r.deliverBy), 10)
		}
		b = append(b, "\r\n"...)
	}
	if s.offer.ext&backend.ExtMTPriority != 0 {
		b = append(b, "250-MT-PRIORITY"...)
		if r.priority != "" {
			b = append(append(b, ' '), r.priority...)
		}
		b = append(b, "\r\n"...)
	}
	limits := r.limits
	limits.MailMax = int32(min(s.front.Limits.MessagesPerConnection, maxLimit))
	if limits.RcptMax > 0 {
		limits.RcptMax = least(limits.RcptMax, int32(min(s.front.Limits.Recipients, maxLimit)))
	}
	return appendLimits(b, limits)
}

// maxLimit is the largest that LIMITS can announce: six digits.
const maxLimit = 999999

func appendLimits(b []byte, l backend.Limits) []byte {
	if l == (backend.Limits{}) {
		return b
	}
	b = append(b, "250-LIMITS"...)
	for _, limit := range [...]struct {
		name string
		n    int32
	}{{" MAILMAX=", l.MailMax}, {" RCPTMAX=", l.RcptMax}, {" RCPTDOMAINMAX=", l.RcptDomainMax}} {
		if limit.n > 0 {
			b = strconv.AppendInt(append(b, limit.name...), int64(limit.n), 10)
		}
	}
	return append(b, "\r\n"...)
}

// maxAuth is the longest AUTH that is read: its initial response may be long where
// it is offered (P24).
func (s *session) maxAuth() int {
	if s.auth.offered == "" {
		return maxCommand
	}
	return smtp.MaxAuthLine
}
