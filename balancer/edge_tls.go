package balancer

import (
	"crypto/tls"
	"errors"
	"io"
	"strings"
	"time"

	"weir/balancer/gate"
	"weir/internal/connector"
	"weir/internal/smtp"
)

// TLS between the sender and weir.

// offersStartTLS reports whether STARTTLS makes sense now.
func (s *session) offersStartTLS() bool {
	return s.front.tls != nil && s.secured == nil && (s.front.TLS == TLSStartTLS || s.front.TLS == TLSRequired)
}

// onStartTLS begins TLS (RFC 3207). What the sender has said before is forgotten, as
// somebody in between may have said it.
func (s *session) onStartTLS(arg []byte) {
	switch {
	case len(arg) > 0:
		s.complain(501, enhanced(5, 5, 4), "STARTTLS takes no argument")
		return
	case s.secured != nil:
		s.complain(503, enhanced(5, 5, 1), "TLS is active already")
		return
	case s.front.TLS == TLSOff:
		s.complain(502, enhanced(5, 5, 1), "STARTTLS is not offered")
		return
	case s.front.tls == nil:
		s.reply(454, enhanced(4, 7, 0), "TLS is not available, try again later")
		return
	case s.in.Look() == smtp.Spoke:
		// CVE-2011-0411: it would be taken for something said under TLS (P23).
		s.reply(554, enhanced(5, 5, 0), "Nothing may be sent behind STARTTLS before the handshake")
		s.finish("spoke between STARTTLS and the handshake")
		return
	}
	s.resetTransaction()
	s.forgetAuth()
	s.helo, s.extended = "", false
	s.reply(220, enhanced(2, 0, 0), "Go ahead")
	if err := s.flush(); err != nil {
		s.finish("lost before the TLS handshake")
		return
	}
	s.handshake(s.front.Timeouts.Greeting)
}

// handshake puts TLS over the connection. When it fails the session is over: there
// is nothing that could be said to the sender.
func (s *session) handshake(patience time.Duration) bool {
	conn := tls.Server(smtp.UnderTLS(s.raw), s.front.tls)
	s.atBoundary.Store(true)
	err := s.raw.SetDeadline(s.now.Add(patience))
	switch {
	case err != nil:
	case s.leaving():
		err = errLeaving
	default:
		err = s.shakeHands(conn)
	}
	s.tick()
	s.atBoundary.Store(false)
	if err != nil {
		s.unsealed = true
		s.finish(s.handshakeFailed(err))
		return false
	}
	s.in.Release()
	s.nc, s.in = conn, smtp.NewReader(conn, s.srv.buffers)
	state := conn.ConnectionState()
	s.secured = securedBy(&state)
	return true
}

// shakeHands makes a handshake on a stack of its own: it takes a deep one, which the
// session would keep for as long as it lasts.
func (s *session) shakeHands(conn *tls.Conn) error {
	s.raw.Carry(nil)
	defer s.raw.Carry(s.fiber)
	s.stepAside()
	done := make(chan error, 1)
	go func() { done <- conn.Handshake() }()
	return <-done
}

// handshakeFailed says why, for the log.
func (s *session) handshakeFailed(err error) string {
	var header tls.RecordHeaderError
	switch {
	case s.leaving():
		return "shutting down before the TLS handshake was over"
	case errors.As(err, &header):
		return "TLS handshake failed: the sender does not speak TLS"
	case connector.IsTimeout(err):
		return "TLS handshake failed: not over in time"
	case errors.Is(err, io.EOF):
		return "TLS handshake failed: closed by the sender"
	}
	return "TLS handshake failed: " + printable(strings.ReplaceAll(connector.Describe(err), "tls: ", ""))
}

// worksPlain reports whether a verb may be used without TLS where that is required
// (RFC 3207 section 4).
func worksPlain(verb smtp.Verb) bool {
	switch verb {
	case smtp.VerbEHLO, smtp.VerbHELO, smtp.VerbNoop, smtp.VerbQuit, smtp.VerbRset, smtp.VerbStartTLS, smtp.VerbHTTP:
		return true
	}
	return false
}

// demandTLS refuses a command until there is TLS.
func (s *session) demandTLS(cmd smtp.Command) {
	if cmd.Verb == smtp.VerbBdat {
		if chunk, ok := s.parseChunk(cmd.Arg); ok { // its octets are no commands (P20)
			s.skipChunk(chunk, 530, enhanced(5, 7, 0), mustStartTLS, true)
		}
		return
	}
	s.complain(530, enhanced(5, 7, 0), mustStartTLS)
}

const mustStartTLS = "Must issue a STARTTLS command first"

// secured is what is known of the TLS that a sender speaks.
type secured struct {
	text            string // for the log: version, cipher, and the name in a verified certificate
	version, cipher uint16 // by their numbers (RFC 8446); 0: not known
	sni             string
	subject         string // common name of the client's certificate; empty: none that was verified
}

// securedBy is the TLS of a connection whose handshake is over.
func securedBy(state *tls.ConnectionState) *secured {
	t := &secured{version: state.Version, cipher: state.CipherSuite, sni: state.ServerName}
	if len(state.VerifiedChains) > 0 {
		t.subject = printable(state.PeerCertificates[0].Subject.CommonName)
	}
	version := strings.Replace(tls.VersionName(t.version), "TLS ", "TLSv", 1)
	t.text = describeTLS(version, tls.CipherSuiteName(t.cipher), t.subject)
	return t
}

// securedByProxy is the TLS that ends at a trusted proxy, as it says; nil: none.
func securedByProxy(p *gate.Proxied) *secured {
	if p.TLS == "" {
		return nil
	}
	t := &secured{sni: p.Authority, cipher: cipherNamed(p.Cipher)}
	if p.Verified {
		t.subject = p.CN
	}
	for _, v := range []uint16{tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13} {
		if strings.TrimPrefix(p.TLS, "TLSv") == strings.TrimPrefix(tls.VersionName(v), "TLS ") {
			t.version = v
		}
	}
	t.text = describeTLS(p.TLS, p.Cipher, t.subject)
	return t
}

// cipherNamed is the number of a cipher suite; 0: not known by that name.
func cipherNamed(name string) uint16 {
	for _, suite := range tls.CipherSuites() {
		if suite.Name == name {
			return suite.ID
		}
	}
	return 0
}

func describeTLS(version, cipher, subject string) string {
	text := strings.TrimSpace(version + " " + cipher)
	if subject != "" {
		text += " CN=" + subject
	}
	return text
}

// printable replaces what is not to get into logs or connectors' hands.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
}

// tlsText is the session's TLS for the log; empty: none.
func (s *session) tlsText() string {
	if s.secured == nil {
		return ""
	}
	return s.secured.text
}

// plainHere is what a ClientHello is answered with where none is expected.
func (s *session) plainHere() string {
	if s.offersStartTLS() {
		return "This port speaks SMTP; say STARTTLS before you begin TLS"
	}
	return "This port speaks SMTP; TLS is not offered here"
}

// sayNoMore ends TLS, if there is any, so that the sender can tell the end from a
// connection that was cut.
func (s *session) sayNoMore() {
	if conn, ok := s.nc.(*tls.Conn); ok && !s.deaf && s.srv.base.Err() == nil {
		_ = conn.CloseWrite()
	}
}
