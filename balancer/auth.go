package balancer

import (
	"cmp"
	"strings"

	"weir/internal/backend"
	"weir/internal/connector"
	"weir/internal/smtp"
)

// AUTH is not weir's to judge: it is relayed to a connector, and the session is
// pinned to the connection on which it went well (P34; see pin). This file says
// what is offered and when; authrelay.go carries the dialogue.

// authentication is what a session knows of AUTH.
type authentication struct {
	offered   backend.Words // mechanisms that EHLO has announced; none: no AUTH
	mechanism string        // by which the sender has authenticated; "": it has not
}

// authOffer returns the mechanisms that EHLO announces, parted by blanks; "" is no
// AUTH at all. They stay the same for as long as TLS does (P30). They are only for
// a session under TLS.
func (s *session) authOffer() backend.Words {
	if s.auth.offered == "" {
		s.auth.offered = s.front.mechanisms()
	}
	return s.auth.offered
}

// forgetAuth takes the session back to before EHLO and AUTH, as STARTTLS (P23) and
// XCLIENT do.
func (s *session) forgetAuth() {
	if s.pinned.Load() != nil {
		s.unpin()
		s.offer = s.front.offer() // of all connectors again
	}
	s.auth = authentication{}
}

// mechanisms returns what AUTH can be relayed by: what all connectors of the pool
// were last seen to offer, and what works through a relay.
func (f *front) mechanisms() backend.Words {
	p := f.authPool()
	if p == nil {
		return ""
	}
	return announceable(commonMechanisms(p.view()).Relayable())
}

// authPool returns the pool that AUTH is relayed to: the listener's auth_pool, or
// its only pool. It is nil where passwords would be let out of TLS, and where the
// pool delivers only: nobody authenticates by LMTP.
func (f *front) authPool() *pool {
	p := f.all[cmp.Or(f.AuthPool, f.Pool)]
	if p == nil {
		return nil
	}
	if p = p.latest(); p.removed() || p.LMTP || !p.keepsSecrets() {
		return nil
	}
	return p
}

// keepsSecrets reports whether connections of the pool are always under TLS.
func (p *pool) keepsSecrets() bool {
	mode := p.dialer.TLS.Mode
	return mode == connector.TLSRequired || mode == connector.TLSImplicit
}

// commonMechanisms returns what all members offer that were ever seen.
func commonMechanisms(p *backend.Pool) backend.Words {
	var common backend.Words
	seen := false
	for _, m := range p.Members {
		switch caps := &m.Health.Capabilities; {
		case !caps.Known:
		case !seen:
			common, seen = caps.Auth, true
		case common != caps.Auth:
			common = common.Both(caps.Auth)
		}
	}
	return common
}

// maxMechanisms keeps the line in which EHLO announces AUTH within what every
// client reads (RFC 5321 section 4.5.3.1.5).
const maxMechanisms = 480

// announceable returns those of the words that are names of mechanisms, as far as
// they fit into a line: connectors may say anything.
func announceable(words backend.Words) backend.Words {
	var kept strings.Builder
	for word := range strings.FieldsSeq(string(words)) {
		name, err := smtp.ParseAuth([]byte(word))
		if err != nil || name.Mechanism != word || kept.Len()+len(word) >= maxMechanisms {
			continue
		}
		if kept.Len() > 0 {
			kept.WriteByte(' ')
		}
		kept.WriteString(word)
	}
	return backend.Words(kept.String())
}

// onAuth checks AUTH and has it relayed (RFC 4954 section 4).
func (s *session) onAuth(arg []byte) {
	switch {
	case s.auth.offered == "":
		s.refuseAuth()
		return
	case !s.extended:
		s.complain(503, enhanced(5, 5, 1), "EHLO first")
		return
	case s.auth.mechanism != "":
		s.complain(503, enhanced(5, 5, 1), "Already authenticated")
		return
	case s.tx != nil:
		s.complain(503, enhanced(5, 5, 1), "No AUTH within a mail transaction")
		return
	}
	auth, err := smtp.ParseAuth(arg)
	switch {
	case err != nil:
		s.complainOf(err)
	case !s.auth.offered.Has(auth.Mechanism):
		s.complain(504, enhanced(5, 5, 4), "That mechanism is not offered")
	default:
		s.relayAuth(auth)
	}
}

// refuseAuth says why there is no AUTH, or not yet.
func (s *session) refuseAuth() {
	possible := s.front.mechanisms() != ""
	switch {
	case possible && s.offersStartTLS():
		s.complain(538, enhanced(5, 7, 11), "AUTH needs TLS: STARTTLS first")
	case possible && s.secured != nil && !s.extended:
		s.complain(503, enhanced(5, 5, 1), "EHLO first")
	default:
		s.complain(502, enhanced(5, 5, 1), "AUTH is not offered")
	}
}

// mustAuthenticate reports whether an answer speaks to a sender that could have
// authenticated and has not (RFC 4954 section 6). The connector's TLS, of which 530
// can speak too, is given where AUTH is offered.
func (s *session) mustAuthenticate(code int) bool {
	return code == 530 && s.auth.offered != "" && s.auth.mechanism == ""
}
