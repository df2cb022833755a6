package connector

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"time"

	"weir/internal/backend"
	"weir/internal/smtp"
	"weir/internal/socket"
)

// TLSMode is when TLS is used towards connectors.
type TLSMode uint8

// The modes.
const (
	TLSOff           TLSMode = iota // never
	TLSOpportunistic                // STARTTLS where it is offered; plaintext where that fails (P3)
	TLSRequired                     // STARTTLS, or no mail
	TLSImplicit                     // from the first octet on, before the banner
)

// Security is how connections to connectors are protected. The version is TLS 1.2
// or later.
type Security struct {
	Mode TLSMode
	// Verify wants a certificate that is valid, for the right name and from Roots.
	// Without it TLS only encrypts. With [TLSOpportunistic] it has no effect, as
	// plaintext would be no better than a certificate that proves nothing.
	Verify     bool
	ServerName string         // the name in the certificate, also asked for (SNI); "": the host of the address
	Roots      *x509.CertPool // who is trusted to issue; nil: whom the system trusts
}

// enforced reports whether a certificate that does not verify ends the connection.
func (s *Security) enforced() bool { return s.Verify && s.Mode != TLSOpportunistic }

func (s *Security) same(other *Security) bool {
	return s.Mode == other.Mode && s.Verify == other.Verify && s.ServerName == other.ServerName &&
		(s.Roots == other.Roots || s.Roots != nil && other.Roots != nil && s.Roots.Equal(other.Roots))
}

// nameOf returns the name that the certificate of the connector at address must be
// for.
func (s *Security) nameOf(address string) string {
	if s.ServerName != "" {
		return s.ServerName
	}
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}

// Check verifies the certificate that the connector at address showed, whether or
// not Verify wants that: so people can be told what would become of it.
func (s *Security) Check(address string, state *tls.ConnectionState) error {
	options := x509.VerifyOptions{Roots: s.Roots, DNSName: s.nameOf(address), Intermediates: x509.NewCertPool()}
	for _, cert := range state.PeerCertificates[1:] {
		options.Intermediates.AddCert(cert)
	}
	_, err := state.PeerCertificates[0].Verify(options)
	return err
}

func (d *Dialer) tlsConfig(address string) *tls.Config {
	config := &tls.Config{
		ServerName: d.TLS.nameOf(address),
		RootCAs:    d.TLS.Roots,
		MinVersion: tls.VersionTLS12,
		// Large records from the start: mail is not rendered while it arrives.
		DynamicRecordSizingDisabled: true,
		InsecureSkipVerify:          !d.TLS.enforced(), //nolint:gosec // encryption without proof is what was asked for
	}
	if d.Sessions != nil {
		config.ClientSessionCache = &sessionsOf{all: d.Sessions, address: address}
	}
	return config
}

// sessionsOf is what is kept for one connector. TLS asks by the name in the
// certificate, which all of a pool may share, but each has tickets of its own.
type sessionsOf struct {
	all     tls.ClientSessionCache
	address string
}

// Get implements [tls.ClientSessionCache].
func (s *sessionsOf) Get(key string) (*tls.ClientSessionState, bool) {
	return s.all.Get(s.address + " " + key)
}

// Put implements [tls.ClientSessionCache].
func (s *sessionsOf) Put(key string, state *tls.ClientSessionState) {
	s.all.Put(s.address+" "+key, state)
}

// wantsTLS reports whether STARTTLS comes next, or its lack must be complained of.
func (d *Dialer) wantsTLS(c *Conn) bool {
	switch d.TLS.Mode {
	case TLSRequired:
		return true
	case TLSOpportunistic:
		_, ok := c.parameters("STARTTLS")
		return ok
	default:
		return false
	}
}

// startTLS goes on in TLS (RFC 3207). Opportunistic TLS that is refused leaves
// everything as it was; one that fails otherwise has cost the connection (P3).
func (d *Dialer) startTLS(c *Conn, deadline time.Time) error {
	if _, ok := c.parameters("STARTTLS"); !ok {
		return &Error{Stage: backend.StageTLS, Err: ErrNotOffered}
	}
	opportunistic := d.TLS.Mode == TLSOpportunistic
	var reply smtp.Reply
	err := c.Do("STARTTLS", &reply, deadline)
	switch {
	case err != nil:
		err = &Error{Stage: backend.StageTLS, Err: err}
	case reply.Code != 220 && reply.Code != 421 && opportunistic:
		return nil
	case reply.Code != 220:
		err = &Error{Stage: backend.StageTLS, Reply: reply}
	case c.spokeAhead():
		err = &Error{Stage: backend.StageTLS, Err: ErrInjected}
	default:
		err = d.shakeHands(c, deadline)
	}
	if e := (*Error)(nil); errors.As(err, &e) {
		e.plain = opportunistic
	}
	return err
}

// spokeAhead reports whether something is to be read in plaintext that would be
// taken for something said in TLS (P23).
func (c *Conn) spokeAhead() bool {
	return len(c.in.Buffered()) > 0 || c.sock.Look() == socket.Spoke
}

// shakeHands goes on in TLS.
func (d *Dialer) shakeHands(c *Conn, deadline time.Time) error {
	secure := tls.Client(smtp.UnderTLS(c.sock), d.tlsConfig(c.address))
	c.sock.Have(socket.Patience{Until: deadline})
	err := c.sock.SetReadDeadline(deadline)
	if err == nil {
		err = secure.Handshake()
	}
	if err != nil {
		return &Error{Stage: backend.StageTLS, Err: err}
	}
	c.secure, c.proven = secure, d.TLS.enforced()
	c.speakOver(secure)
	return nil
}
