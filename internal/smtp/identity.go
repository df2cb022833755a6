package smtp

import (
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Attributes is a set of what XCLIENT and XFORWARD can say about a client.
type Attributes uint16

// The attributes, as Postfix's XCLIENT_README and XFORWARD_README name them. Each
// of the two commands has some of its own.
const (
	AttrName Attributes = 1 << iota
	AttrAddr
	AttrPort
	AttrProto
	AttrHelo
	AttrLogin    // XCLIENT only
	AttrDestAddr // XCLIENT only
	AttrDestPort // XCLIENT only
	AttrIdent    // XFORWARD only
	AttrSource   // XFORWARD only
)

var attributeNames = [...]struct {
	name string
	attr Attributes
}{
	{"NAME", AttrName},
	{"ADDR", AttrAddr},
	{"PORT", AttrPort},
	{"PROTO", AttrProto},
	{"HELO", AttrHelo},
	{"LOGIN", AttrLogin},
	{"DESTADDR", AttrDestAddr},
	{"DESTPORT", AttrDestPort},
	{"IDENT", AttrIdent},
	{"SOURCE", AttrSource},
}

const (
	forBoth     = AttrName | AttrAddr | AttrPort | AttrProto | AttrHelo
	forXClient  = forBoth | AttrLogin | AttrDestAddr | AttrDestPort
	forXForward = forBoth | AttrIdent | AttrSource
)

func attributeOf(word []byte) Attributes {
	for i := range attributeNames {
		if equalFold(word, attributeNames[i].name) {
			return attributeNames[i].attr
		}
	}
	return 0
}

// Identity is what XCLIENT or XFORWARD says about a client. A value counts only
// when its attribute is in Known. Identities can be compared.
type Identity struct {
	Known       Attributes // said, and with a value
	Unknown     Attributes // said to be [UNAVAILABLE]
	NameTempErr bool       // NAME is unknown for now: [TEMPUNAVAIL]

	Name     string // host name, checked both ways
	Addr     netip.Addr
	Port     uint16
	Helo     string
	Proto    string // SMTP or ESMTP
	Login    string // SASL user
	DestAddr netip.Addr
	DestPort uint16
	Ident    string // the sender's own id of the message
	Local    bool   // SOURCE=LOCAL rather than REMOTE
}

// Words that stand for a value that there is not.
const (
	unavailable = "[UNAVAILABLE]"
	tempUnavail = "[TEMPUNAVAIL]"
)

// maxAttribute bounds a decoded value, as Postfix does.
const maxAttribute = 255

// ParseXClient parses the argument of XCLIENT, as a client that is trusted may
// send it (P25). What a later command says of the same client replaces what an earlier
// one said: [Identity.Merge]. The error is a *[SyntaxError].
func ParseXClient(arg []byte) (Identity, error) { return parseIdentity(arg, forXClient) }

// ParseXForward parses the argument of XFORWARD as [ParseXClient] does XCLIENT's.
func ParseXForward(arg []byte) (Identity, error) { return parseIdentity(arg, forXForward) }

func parseIdentity(arg []byte, allowed Attributes) (Identity, error) {
	var id Identity
	for key, value, rest := nextParameter(arg); len(key) > 0; key, value, rest = nextParameter(rest) {
		attr := attributeOf(key) & allowed
		switch {
		case attr == 0:
			return Identity{}, badArgument("Unknown attribute")
		case id.Says(attr):
			return Identity{}, badArgument("The same attribute twice")
		case !id.set(attr, value):
			return Identity{}, badArgument("That is no value of " + upper(key))
		}
	}
	if id.Known|id.Unknown == 0 {
		return id, badArgument("Attributes wanted, as in ADDR=192.0.2.1")
	}
	return id, nil
}

// set takes in one attribute.
func (id *Identity) set(attr Attributes, value []byte) bool {
	switch {
	case equalFold(value, tempUnavail) && attr == AttrName:
		id.NameTempErr = true
		id.Unknown |= attr
		return true
	case equalFold(value, unavailable):
		id.Unknown |= attr
		return true
	}
	text, ok := decodeXtext(value)
	if !ok || text == "" || len(text) > maxAttribute || !utf8.ValidString(text) || strings.ContainsFunc(text, isControl) {
		return false
	}
	if ok = id.setText(attr, text); !ok && attr == AttrHelo {
		id.Helo = ""
		id.Unknown |= attr // the client's fault, not that of who tells us
		return true
	}
	id.Known |= attr
	return ok
}

func (id *Identity) setText(attr Attributes, text string) (ok bool) {
	switch attr {
	case AttrName:
		id.Name, ok = ParseHello([]byte(text))
		ok = ok && id.Name == text
	case AttrHelo:
		id.Helo, ok = ParseHello([]byte(text))
		ok = ok && id.Helo == text
	case AttrAddr:
		id.Addr, ok = parseAddr(text)
	case AttrDestAddr:
		id.DestAddr, ok = parseAddr(text)
	case AttrPort:
		id.Port, ok = parsePort(text)
	case AttrDestPort:
		id.DestPort, ok = parsePort(text)
	case AttrProto:
		id.Proto = upper([]byte(text))
		ok = id.Proto == "SMTP" || id.Proto == "ESMTP"
	case AttrSource:
		id.Local = equalFold([]byte(text), "LOCAL")
		ok = id.Local || equalFold([]byte(text), "REMOTE")
	case AttrLogin:
		id.Login, ok = text, true
	case AttrIdent:
		id.Ident, ok = text, true
	}
	return ok
}

// parseAddr parses an IPv4 address, or an IPv6 address behind "IPV6:"; some
// senders leave that out.
func parseAddr(text string) (netip.Addr, bool) {
	if hasFold([]byte(text), "IPV6:") {
		addr, err := netip.ParseAddr(text[len("IPV6:"):])
		return addr.Unmap(), err == nil && addr.Is6() && addr.Zone() == ""
	}
	addr, err := netip.ParseAddr(text)
	return addr.Unmap(), err == nil && addr.Zone() == ""
}

func parsePort(text string) (uint16, bool) {
	n, err := strconv.ParseUint(text, 10, 16)
	return uint16(n), err == nil
}

// Says reports whether an attribute was said, be it to be unknown.
func (id *Identity) Says(attr Attributes) bool { return (id.Known|id.Unknown)&attr != 0 }

// Merge takes in what a further command says of the same client.
func (id *Identity) Merge(next *Identity) {
	for i := range attributeNames {
		switch attr := attributeNames[i].attr; {
		case next.Known&attr != 0:
			id.Known, id.Unknown = id.Known|attr, id.Unknown&^attr
			id.copy(attr, next)
		case next.Unknown&attr != 0:
			id.Known, id.Unknown = id.Known&^attr, id.Unknown|attr
			id.copy(attr, &Identity{NameTempErr: next.NameTempErr})
		}
	}
}

// copy takes over the value of one attribute.
func (id *Identity) copy(attr Attributes, from *Identity) {
	switch attr {
	case AttrName:
		id.Name, id.NameTempErr = from.Name, from.NameTempErr
	case AttrHelo:
		id.Helo = from.Helo
	case AttrAddr:
		id.Addr = from.Addr
	case AttrDestAddr:
		id.DestAddr = from.DestAddr
	case AttrPort:
		id.Port = from.Port
	case AttrDestPort:
		id.DestPort = from.DestPort
	case AttrProto:
		id.Proto = from.Proto
	case AttrSource:
		id.Local = from.Local
	case AttrLogin:
		id.Login = from.Login
	case AttrIdent:
		id.Ident = from.Ident
	}
}
