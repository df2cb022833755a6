package integration

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/smtp"
	"strconv"
	"strings"
	"testing"
)

// account is the one that all of these tests' senders authenticate as.
const account = "anna@" + accountDomain

// authSite is weir before a Postfix that has a Dovecot verify who authenticates.
type authSite struct {
	*lanes
	h  *mailHost
	ca *authority
}

// sasl is what lets a service of Postfix ask a Dovecot.
func (d *dovecot) sasl() (settings []string) {
	return []string{
		"smtpd_tls_security_level = encrypt", "smtpd_tls_auth_only = yes", "smtpd_sasl_auth_enable = yes", "smtpd_sasl_type = dovecot",
		"smtpd_sasl_path = " + d.path("base/auth-client"), "smtpd_sasl_authenticated_header = yes",
	}
}

// inTLS is the tls of a pool: required, and verified.
func (h *mailHost) inTLS(ca *authority) string {
	return fmt.Sprintf("{mode: required, verify: true, ca: %q, server_name: %s}", ca.file, h.host)
}

// TestPeers_AUTH: AUTH is relayed to a real Postfix, which has a Dovecot verify it (P34). Mechanisms of one step and of
// several, by senders that others wrote and by the raw one.
func TestPeers_AUTH(t *testing.T) {
	t.Parallel()
	needWeir(t)
	s := &authSite{h: newMailHost(t, "auth.test.example"), ca: newAuthority(t)}
	d := startDovecot(t, "anna")
	s.h.secured(s.ca)
	auth, named := s.h.smtpd("auth", d.sasl()...), s.h.smtpd("named", append(d.sasl(), "smtpd_authorized_xclient_hosts = 127.0.0.1")...)
	s.h.start()
	edge := s.ca.edge("starttls")
	s.lanes = startLanes(t, lane{name: "auth", backends: []string{auth}, tls: s.h.inTLS(s.ca), edge: edge},
		lane{name: "named", backends: []string{named}, tls: s.h.inTLS(s.ca), edge: edge, pool: []string{"client_identity: xclient"}})

	atOnce(t, map[string]func(*testing.T){
		"P34 offered only in TLS, and nothing that binds to the channel": s.offered,
		"P34 net/smtp with PLAIN": func(t *testing.T) {
			s.library(t, "PLAIN", smtp.PlainAuth("", account, accountPassword, "127.0.0.1"))
		},
		"P34 net/smtp with CRAM-MD5": func(t *testing.T) {
			s.library(t, "CRAM-MD5", smtp.CRAMMD5Auth(account, accountPassword))
		},
		"P34 SCRAM, in three steps, and the session stays on its connection":    s.stays,
		"P32 P34 with XCLIENT the connector knows who authenticates from where": s.named,
		"P34 a wrong password is the connector's to refuse":                     s.refused,
		"P34 a sender may give up in the middle":                                s.cancelled,
	})
}

// atOnce runs subtests side by side.
func atOnce(t *testing.T, all map[string]func(*testing.T)) {
	t.Helper()
	for name, test := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
}

// enter is a guest's connection in TLS.
func (s *authSite) enter(t *testing.T, g guest, name string) *client {
	t.Helper()
	c := s.visit(t, g, name)
	s.secure(t, c, g, s.ca)
	return c
}

func (s *authSite) offered(t *testing.T) {
	c := s.visit(t, anna, "auth")
	if c.offers("AUTH") {
		t.Errorf("AUTH is offered in plaintext: %v", c.caps)
	}
	s.secure(t, c, anna, s.ca)
	says(t, "AUTH", c.caps["AUTH"], "PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256")
	silent(t, "AUTH", c.caps["AUTH"], "PLUS", "EXTERNAL")
}

func (s *authSite) library(t *testing.T, mechanism string, how smtp.Auth) {
	first, second := newMessage("auth", filler(300)), newMessage("auth", filler(300))
	submit(t, s.by["auth"].addr, s.ca, how, first, second)
	for _, m := range []*message{first, second} {
		lines := receivedLines(s.h.got(t, m))
		says(t, "Postfix's line", lines[0], "SMTPSA id", "Authenticated sender: "+account)
		says(t, "weir's line", lines[1], "SMTPSA id", "TLS 1.3")
	}
	s.h.logs(t, 2, "auth", "sasl_method="+mechanism+", sasl_username="+account)
}

func (s *authSite) stays(t *testing.T) {
	c := s.enter(t, bert, "auth")
	scram(t, c, account, accountPassword)
	expect(t, c, 503, "AUTH PLAIN")
	m := newMessage("auth", filler(300))
	s.give(t, c, m)
	s.give(t, c, newMessage("auth", filler(300)))
	c.quit()
	says(t, "Postfix's line", receivedLines(s.h.got(t, m))[0], "Authenticated sender: "+account)
	s.h.logs(t, 2, "auth", "sasl_method=SCRAM-SHA-256, sasl_username="+account)
	s.h.logs(t, 1, "auth", `disconnect from .* auth=1 mail=2 .*quit=1`)
	silent(t, "the log", s.stderr(), accountPassword, base64.StdEncoding.EncodeToString([]byte(accountPassword)), plainSecret(account, accountPassword))
}

func (s *authSite) named(t *testing.T) {
	c := s.enter(t, anna, "named")
	scram(t, c, account, accountPassword)
	m := newMessage("named", filler(300))
	s.give(t, c, m)
	top := receivedLines(s.h.got(t, m))[0]
	says(t, "Postfix's line", top, "from anna.sender.example (unknown [127.0.44.1])", "using TLSv1.3", "Authenticated sender: "+account)
	s.h.logs(t, 1, "named", `client=unknown\[127\.0\.44\.1\], sasl_method=SCRAM-SHA-256`)
}

func (s *authSite) refused(t *testing.T) {
	c := s.enter(t, anna, "auth")
	rep := expect(t, c, 535, "AUTH PLAIN %s", plainSecret(account, "wrong"))
	says(t, "the reply", rep.String(), "5.7.8")
	m := newMessage("auth", filler(300))
	s.give(t, c, m)
	silent(t, "Postfix's line", receivedLines(s.h.got(t, m))[0], "Authenticated")
}

func (s *authSite) cancelled(t *testing.T) {
	c := s.enter(t, anna, "auth")
	expect(t, c, 334, "AUTH CRAM-MD5")
	expect(t, c, 501, "*")
	scram(t, c, account, accountPassword)
}

// plainSecret is the initial response of PLAIN.
func plainSecret(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + password))
}

// submit sends messages as Go's own net/smtp does: in TLS, and authenticated.
func submit(t *testing.T, addr string, ca *authority, how smtp.Auth, msgs ...*message) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, ceiling)
	if err != nil {
		t.Fatal(err)
	}
	c, err := smtp.NewClient(conn, "127.0.0.1")
	if err != nil {
		t.Fatalf("net/smtp: %v", err)
	}
	defer func() { _ = c.Close() }()
	if err := c.StartTLS(&tls.Config{RootCAs: ca.pool, ServerName: edgeName}); err != nil {
		t.Fatalf("STARTTLS: %v", err)
	}
	if err := c.Auth(how); err != nil {
		t.Fatalf("AUTH: %v", err)
	}
	for _, m := range msgs {
		if err := submitOne(c, m); err != nil {
			t.Fatalf("sending %s: %v", m.id, err)
		}
	}
	if err := c.Quit(); err != nil {
		t.Errorf("QUIT: %v", err)
	}
}

func submitOne(c *smtp.Client, m *message) error {
	if err := c.Mail(m.from); err != nil {
		return err
	}
	if err := c.Rcpt(m.to[0]); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(m.raw); err != nil {
		return err
	}
	return w.Close()
}

// scram authenticates with SCRAM-SHA-256 (RFC 5802, RFC 7677), and checks that the server knows the password too.
func scram(t *testing.T, c *client, user, password string) {
	t.Helper()
	b64 := base64.StdEncoding
	bare := "n=" + user + ",r=fyko+d2lbbFgONRv9qkxdawL"
	rep := expect(t, c, 334, "AUTH SCRAM-SHA-256 %s", b64.EncodeToString([]byte("n,,"+bare)))
	first, err := b64.DecodeString(rep.text())
	if err != nil {
		t.Fatalf("the challenge %q: %v", rep.text(), err)
	}
	nonce, salt, rounds := challenge(t, string(first))
	salted, err := pbkdf2.Key(sha256.New, password, salt, rounds, sha256.Size)
	if err != nil {
		t.Fatalf("salting: %v", err)
	}
	mac := func(key []byte, text string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(text))
		return h.Sum(nil)
	}
	final := "c=biws,r=" + nonce
	signed := bare + "," + string(first) + "," + final
	key := mac(salted, "Client Key")
	stored := sha256.Sum256(key)
	for i, b := range mac(stored[:], signed) {
		key[i] ^= b
	}
	rep = expect(t, c, 334, "%s", b64.EncodeToString([]byte(final+",p="+b64.EncodeToString(key))))
	want := "v=" + b64.EncodeToString(mac(mac(salted, "Server Key"), signed))
	if got, _ := b64.DecodeString(rep.text()); string(got) != want {
		t.Errorf("the server signs with %q, want %q", got, want)
	}
	expect(t, c, 235, "")
}

// challenge takes the server's first message apart.
func challenge(t *testing.T, text string) (nonce string, salt []byte, rounds int) {
	t.Helper()
	for field := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(field, "=")
		switch name {
		case "r":
			nonce = value
		case "s":
			salt, _ = base64.StdEncoding.DecodeString(value)
		case "i":
			rounds, _ = strconv.Atoi(value)
		}
	}
	if nonce == "" || len(salt) == 0 || rounds == 0 {
		t.Fatalf("no challenge of SCRAM: %q", text)
	}
	return nonce, salt, rounds
}
