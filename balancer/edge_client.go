package balancer

import (
	"net/netip"
	"strconv"

	"weir/internal/connector"
	"weir/internal/smtp"
)

// Who the sender is: what its connection shows, and what those say who are trusted
// to speak for others.

// identity is the sender as connectors are told of it (P32). What XFORWARD has said
// is for this transaction and for those who are told of clients in each (P25).
func (s *session) identity() connector.Client {
	c := connector.Client{Addr: s.client, Server: s.serverAddr(), HELO: s.helo, Proto: s.protocol()}
	if t := s.secured; t != nil {
		c.Version, c.Cipher, c.SNI, c.Subject = t.version, t.cipher, t.sni, t.subject
	}
	for _, said := range []*smtp.Identity{s.claimed, s.forwardedNow()} {
		if said != nil {
			override(&c, said)
		}
	}
	return c
}

// override takes over what somebody trusted says about a client. What is said to be
// unknown is unknown.
func override(c *connector.Client, said *smtp.Identity) {
	all := said.Known | said.Unknown
	if all&smtp.AttrName != 0 {
		c.Name = said.Name
	}
	if all&smtp.AttrHelo != 0 {
		c.HELO = said.Helo
	}
	if all&smtp.AttrProto != 0 && said.Proto != "" {
		c.Proto = said.Proto
	}
	if all&smtp.AttrLogin != 0 {
		c.Login = said.Login
	}
	c.Addr = overrideAddr(c.Addr, said, all)
	if all&smtp.AttrDestAddr != 0 {
		c.Server = netip.AddrPortFrom(said.DestAddr, c.Server.Port())
	}
	if all&smtp.AttrDestPort != 0 {
		c.Server = netip.AddrPortFrom(c.Server.Addr(), said.DestPort)
	}
}

// overrideAddr is the client's address after it was told anew. The port of another
// address means nothing.
func overrideAddr(was netip.AddrPort, said *smtp.Identity, all smtp.Attributes) netip.AddrPort {
	now := was
	if all&smtp.AttrAddr != 0 {
		now = netip.AddrPortFrom(said.Addr, 0)
	}
	if all&smtp.AttrPort != 0 {
		now = netip.AddrPortFrom(now.Addr(), said.Port)
	}
	return now
}

// serverAddr is where the client reached weir, or the proxy in front of it.
func (s *session) serverAddr() netip.AddrPort {
	if s.proxied != nil && s.proxied.Server.IsValid() {
		return s.proxied.Server
	}
	return addrPort(s.raw.LocalAddr())
}

// protocol is what the sender speaks, by the names of RFC 3848.
func (s *session) protocol() string {
	switch {
	case !s.extended:
		return "SMTP"
	case s.auth.mechanism != "":
		return "ESMTPSA"
	case s.secured != nil:
		return "ESMTPS"
	default:
		return "ESMTP"
	}
}

// xclientOffer announces both commands to those who may use them (P25), as Postfix's
// XCLIENT_README and XFORWARD_README have it.
const xclientOffer = "250-XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT\r\n" +
	"250-XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE\r\n"

// trustedHere checks that one of them is sent by whom, and when, it may be.
func (s *session) trustedHere() bool {
	switch {
	case !s.trusted:
		s.complain(550, enhanced(5, 7, 1), "Not from here")
	case s.tx != nil:
		s.complain(503, enhanced(5, 5, 1), "A transaction is under way")
	default:
		return true
	}
	return false
}

// onXClient has the session go on as that of another client, from its greeting on.
// The limits that hold for the new address hold from here.
func (s *session) onXClient(arg []byte) {
	if !s.trustedHere() {
		return
	}
	said, err := smtp.ParseXClient(arg)
	if err != nil {
		s.complainOf(err)
		return
	}
	if s.claimed == nil || said.Says(smtp.AttrAddr) && s.claimed.Says(smtp.AttrAddr) {
		s.claimed = new(smtp.Identity) // another client: nothing that was said of the one before holds
	}
	s.claimed.Merge(&said)
	s.resetTransaction()
	s.forgetAuth()
	s.helo, s.extended = "", false
	was := s.client.Addr()
	if s.client = overrideAddr(s.client, &said, said.Known|said.Unknown); s.client.Addr() != was {
		s.leave()
		if !s.enter() {
			return
		}
	}
	s.greet()
}

// forward is what XFORWARD has said of the origin of one message.
type forward struct {
	smtp.Identity
	of int // the number of its transaction in the session
}

// onXForward notes where the next message comes from.
func (s *session) onXForward(arg []byte) {
	if !s.trustedHere() {
		return
	}
	said, err := smtp.ParseXForward(arg)
	if err != nil {
		s.complainOf(err)
		return
	}
	next := s.messages + 1
	if s.forwarded == nil || s.forwarded.of != next {
		s.forwarded = &forward{of: next}
	}
	s.forwarded.Merge(&said)
	s.reply(250, enhanced(2, 0, 0), "OK")
}

// forwardedNow is what XFORWARD has said of the present transaction, or nil.
func (s *session) forwardedNow() *smtp.Identity {
	if s.forwarded == nil || s.forwarded.of != s.messages {
		return nil
	}
	return &s.forwarded.Identity
}

// proxyText is who has spoken for the client, and what it said beyond addresses.
func (s *session) proxyText() string {
	p := s.proxied
	if p == nil {
		return ""
	}
	text := s.raw.RemoteAddr().String() + " v" + strconv.Itoa(p.Version)
	if p.Local {
		text += " local"
	}
	for _, said := range [...]struct{ name, value string }{
		{"authority", p.Authority}, {"alpn", p.ALPN}, {"id", p.UniqueID},
	} {
		if said.value != "" {
			text += " " + said.name + "=" + said.value
		}
	}
	return text
}
