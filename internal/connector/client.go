package connector

import "net/netip"

// IdentityMode is how connectors are told of the client that weir speaks for.
type IdentityMode uint8

// The modes.
const (
	IdentityNone     IdentityMode = iota // not at all
	IdentityProxyV1                      // a line before the banner
	IdentityProxyV2                      // the same in binary, with what is known of the client's TLS
	IdentityXCLIENT                      // a command behind EHLO, where it is offered
	IdentityXFORWARD                     // a command in front of each MAIL, where it is offered: [Conn.Forward]
)

// Client is a client of ours, as far as connectors can be told of it. Unknown
// fields are zero. The zero value is weir itself.
type Client struct {
	Addr    netip.AddrPort // where it speaks from
	Server  netip.AddrPort // where it reached weir
	Name    string         // its host name, if that was proven
	HELO    string         // what it said its name is
	Proto   string         // SMTP, ESMTP, ESMTPS …
	Login   string         // as whom it has authenticated
	Version uint16         // of its TLS, such as tls.VersionTLS13; 0: it speaks in plaintext
	Cipher  uint16         // of its TLS
	SNI     string         // whom it asked TLS for
	Subject string         // the common name in its certificate, if that was verified
}

// attributes are the fields of a Client of which a connector is told.
type attributes uint16

const (
	attrAddr attributes = 1 << iota
	attrPort
	attrServerAddr
	attrServerPort
	attrName
	attrHELO
	attrProto
	attrLogin
	attrTLS
)

const (
	attrsProxyV1 = attrAddr | attrPort | attrServerAddr | attrServerPort | attrHELO
	attrsProxyV2 = attrsProxyV1 | attrTLS
)

// of returns what c is to a connector that is told no other attributes of it.
func (a attributes) of(c *Client) Client {
	var out Client
	out.Addr = part(c.Addr, a&attrAddr != 0, a&attrPort != 0)
	out.Server = part(c.Server, a&attrServerAddr != 0, a&attrServerPort != 0)
	if a&attrName != 0 {
		out.Name = c.Name
	}
	if a&attrHELO != 0 {
		out.HELO = c.HELO
	}
	if a&attrProto != 0 {
		out.Proto = c.Proto
	}
	if a&attrLogin != 0 {
		out.Login = c.Login
	}
	if a&attrTLS != 0 {
		out.Version, out.Cipher, out.SNI, out.Subject = c.Version, c.Cipher, c.SNI, c.Subject
	}
	return out
}

func part(p netip.AddrPort, addr, port bool) netip.AddrPort {
	var out netip.AddrPort
	if addr {
		out = netip.AddrPortFrom(p.Addr(), 0)
	}
	if port {
		out = netip.AddrPortFrom(out.Addr(), p.Port())
	}
	return out
}

// Client returns what the connector was told of a client when the connection was
// made; the zero value when that was nothing. A connector that knows the client so
// adds its own Received line for it (P33).
func (c *Conn) Client() Client { return c.client }

// Told reports whether there is anything in [Conn.Client].
func (c *Conn) Told() bool { return c.named && c.client != (Client{}) }

// Serves reports whether the connection, as it is, may carry mail of a client: it
// must be told nothing else of it than it was told already (P32).
func (c *Conn) Serves(client *Client) bool {
	return !c.named && c.said == 0 || c.said.of(client) == c.client
}
