package connector

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/pires/go-proxyproto"
	"github.com/pires/go-proxyproto/tlvparse"

	"weir/internal/backend"
	"weir/internal/socket"
)

// header makes the PROXY header of a new connection, and notes in it what the
// connector will have been told; nil where none is sent. For weir itself it is
// LOCAL, or in version 1, where some servers refuse UNKNOWN, our own address (P37).
func (d *Dialer) header(c *Conn) ([]byte, error) {
	var h *proxyproto.Header
	switch d.Identity {
	case IdentityProxyV1:
		c.said = attrsProxyV1
		h = proxyHeader(1, &d.Client)
		if h == nil {
			h = proxyproto.HeaderProxyFromAddrs(1, c.sock.LocalAddr(), c.sock.RemoteAddr())
		}
	case IdentityProxyV2:
		c.said = attrsProxyV2
		h = proxyHeader(2, &d.Client)
		if h == nil {
			h = &proxyproto.Header{Version: 2, Command: proxyproto.LOCAL, TransportProtocol: proxyproto.UNSPEC}
			break
		}
		if err := addTLVs(h, &d.Client); err != nil {
			return nil, headerError(err)
		}
	default:
		return nil, nil
	}
	header, err := h.Format()
	if err != nil {
		return nil, headerError(err)
	}
	c.proxied = true
	if d.Client.Addr.Addr().IsValid() {
		c.client, c.named = c.said.of(&d.Client), true
	}
	return header, nil
}

func headerError(err error) error {
	return &Error{Stage: backend.StageBanner, Err: fmt.Errorf("making the PROXY header: %w", err), Against: AgainstUs}
}

// proxyHeader makes a header that names a client; nil for weir itself, or one
// without an address.
// Both addresses must be of one family: where they are not, the one that the client
// reached is left out.
func proxyHeader(version byte, client *Client) *proxyproto.Header {
	if !client.Addr.Addr().IsValid() {
		return nil
	}
	from, to := client.Addr.Addr().Unmap(), client.Server.Addr().Unmap()
	family := proxyproto.TCPv4
	if from.Is6() {
		family = proxyproto.TCPv6
	}
	if !to.IsValid() || to.Is4() != from.Is4() {
		to = netip.IPv4Unspecified()
		if from.Is6() {
			to = netip.IPv6Unspecified()
		}
	}
	return &proxyproto.Header{
		Version: version, Command: proxyproto.PROXY, TransportProtocol: family,
		SourceAddr:      net.TCPAddrFromAddrPort(netip.AddrPortFrom(from.WithZone(""), client.Addr.Port())),
		DestinationAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(to.WithZone(""), client.Server.Port())),
	}
}

// addTLVs adds what is known of the client's TLS (PROXY protocol, section 2.2.6).
func addTLVs(h *proxyproto.Header, client *Client) error {
	if client.Version == 0 {
		return nil
	}
	ssl := tlvparse.PP2SSL{
		Client: tlvparse.PP2_BITFIELD_CLIENT_SSL,
		Verify: 1, // zero would say that there was a certificate, and a good one
		TLV: []proxyproto.TLV{
			{Type: proxyproto.PP2_SUBTYPE_SSL_VERSION, Value: []byte(versionName(client.Version))},
			{Type: proxyproto.PP2_SUBTYPE_SSL_CIPHER, Value: []byte(tls.CipherSuiteName(client.Cipher))},
		},
	}
	if client.Subject != "" {
		ssl.Client |= tlvparse.PP2_BITFIELD_CLIENT_CERT_CONN | tlvparse.PP2_BITFIELD_CLIENT_CERT_SESS
		ssl.Verify = 0
		ssl.TLV = append(ssl.TLV, proxyproto.TLV{Type: proxyproto.PP2_SUBTYPE_SSL_CN, Value: []byte(client.Subject)})
	}
	tlv, err := ssl.Marshal()
	if err != nil {
		return err
	}
	tlvs := []proxyproto.TLV{tlv}
	if client.SNI != "" {
		tlvs = append(tlvs, proxyproto.TLV{Type: proxyproto.PP2_TYPE_AUTHORITY, Value: []byte(client.SNI)})
	}
	return h.SetTLVs(tlvs)
}

// versionName spells a TLS version as OpenSSL does, and with it everybody who
// reads these headers.
func versionName(version uint16) string {
	return strings.Replace(tls.VersionName(version), "TLS ", "TLSv", 1)
}

// sendHeader sends the PROXY header, which goes below TLS.
func (c *Conn) sendHeader(header []byte, stage backend.Stage, deadline time.Time) error {
	if len(header) == 0 {
		return nil
	}
	c.sock.Have(socket.Patience{Until: deadline})
	if _, err := c.sock.Write(header); err != nil {
		return &Error{Stage: stage, Err: err}
	}
	return nil
}
