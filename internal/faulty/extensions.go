package faulty

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
)

// offers reports whether the last EHLO had a further line with this keyword.
func (c *Capabilities) offers(keyword string) bool {
	return slices.ContainsFunc(c.Extra, func(line string) bool {
		word, _, _ := strings.Cut(line, " ")
		return strings.EqualFold(word, keyword)
	})
}

// extended reports whether a parameter of MAIL is one of an extension that was offered. Values are not looked at.
func (c *Capabilities) extended(key, value string) bool {
	keyword := map[string]string{
		"SMTPUTF8": "SMTPUTF8", "REQUIRETLS": "REQUIRETLS", "RET": "DSN", "ENVID": "DSN", "BY": "DELIVERBY",
		"MT-PRIORITY": "MT-PRIORITY", "AUTH": "AUTH",
	}[key]
	if key == "BODY" && value == "BINARYMIME" {
		keyword = "BINARYMIME"
	}
	return c.offers(keyword)
}

// xclient answers XCLIENT and XFORWARD as Postfix does: the one begins the session anew, the other only makes a note.
func (s *session) xclient(verb string) error {
	if !s.caps.offers(verb) {
		return s.refuse("502 5.5.1 Error: command not implemented")
	}
	if s.tx.open {
		return s.refuse("503 5.5.1 Error: MAIL transaction in progress")
	}
	if verb == "XFORWARD" {
		return s.plain(XFORWARD, "250 2.0.0 Ok")
	}
	code, err := s.answer(XCLIENT, "220 "+s.srv.name+" ESMTP faulty")
	if code == 220 {
		s.greeted, s.extended = false, false
	}
	return err
}

// startTLS answers STARTTLS and goes on in TLS.
func (s *session) startTLS() error {
	config := s.srv.behaviour.Load().TLS
	if config == nil || s.secure {
		return s.refuse("502 5.5.1 Error: command not implemented")
	}
	code, err := s.answer(STARTTLS, s.coded("220 2.0.0 Ready to start TLS"))
	if err != nil || code != 220 {
		return err
	}
	if err := s.w.Flush(); err != nil {
		return err
	}
	s.greeted, s.extended, s.tx = false, false, transaction{}
	return s.handshake(config)
}

func (s *session) handshake(config *tls.Config) error {
	if s.r.Buffered() > 0 {
		s.improper("plaintext before the handshake")
	}
	c := tls.Server(s.conn, config)
	if err := c.HandshakeContext(s.ctx); err != nil {
		s.event("handshake failed: %v", err)
		return err
	}
	s.secure = true
	s.r, s.w = bufio.NewReaderSize(c, s.r.Size()), bufio.NewWriter(c)
	s.event("TLS")
	return nil
}

// prepare does what comes before the banner.
func (s *session) prepare() error {
	b := s.srv.behaviour.Load()
	if b.Proxy {
		header, err := readProxy(s.r)
		if err != nil {
			return err
		}
		s.srv.log.line(s.id, header)
	}
	if b.ImplicitTLS {
		return s.handshake(b.TLS)
	}
	return nil
}

const signature = "\r\n\r\n\x00\r\nQUIT\n"

// readProxy reads a PROXY header of either version, and spells it as version 1 does but for the port numbers' place:
// "PROXY v2 1.2.3.4:5 6.7.8.9:25".
func readProxy(r *bufio.Reader) (string, error) {
	start, err := r.Peek(len(signature))
	if err != nil {
		return "", err
	}
	if string(start) != signature {
		line, err := r.ReadString('\n')
		f := strings.Fields(line)
		switch {
		case err != nil:
			return "", err
		case len(f) != 6 || f[0] != "PROXY":
			return "", errors.New("no PROXY header")
		}
		return fmt.Sprintf("PROXY v1 %s:%s %s:%s", f[2], f[4], f[3], f[5]), nil
	}
	head := make([]byte, 16)
	if _, err := io.ReadFull(r, head); err != nil {
		return "", err
	}
	rest := make([]byte, binary.BigEndian.Uint16(head[14:]))
	if _, err := io.ReadFull(r, rest); err != nil {
		return "", err
	}
	size := map[byte]int{0x11: 4, 0x21: 16}[head[13]]
	if head[12] == 0x20 || size == 0 || len(rest) < 2*size+4 {
		return "PROXY v2 LOCAL", nil
	}
	from, _ := netip.AddrFromSlice(rest[:size])
	to, _ := netip.AddrFromSlice(rest[size : 2*size])
	ports := rest[2*size:]
	return fmt.Sprintf("PROXY v2 %s %s", netip.AddrPortFrom(from, binary.BigEndian.Uint16(ports)),
		netip.AddrPortFrom(to, binary.BigEndian.Uint16(ports[2:]))), nil
}

// lmtp answers the end of the content for every recipient but the first, which was answered as in SMTP (RFC 2033 section 4.2).
func (s *session) lmtp(answer string, recipients int) error {
	if !s.srv.behaviour.Load().LMTP {
		return nil
	}
	for range recipients - 1 {
		if err := s.say(answer); err != nil {
			return err
		}
	}
	return nil
}
