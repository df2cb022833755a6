package certs

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
)

// index finds certificates by the names that they are for.
func (o *outfit) index() {
	o.byName = map[string][]*tls.Certificate{}
	for _, c := range o.chains {
		names := c.Leaf.DNSNames
		if len(names) == 0 && c.Leaf.Subject.CommonName != "" {
			names = []string{c.Leaf.Subject.CommonName} // out of use since RFC 6125; better than another's
		}
		for _, name := range names {
			name = strings.ToLower(name)
			o.byName[name] = append(o.byName[name], c)
		}
	}
}

// choose returns the certificate for a handshake: one for the name that the client
// asks for, else one with a wildcard for it, else any; of these the first that the
// client can verify by its key's type; and the very first of them where it can verify
// none. A wrong name is better than no handshake: most senders look at neither.
func (o *outfit) choose(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
	nameless := *hello // so that only the type of the key is asked about
	nameless.ServerName = ""
	var first *tls.Certificate
	for _, some := range [][]*tls.Certificate{o.byName[name], o.byName[wildcard(name)], o.chains} {
		for _, c := range some {
			if nameless.SupportsCertificate(c) == nil {
				return c, nil
			}
			if first == nil {
				first = c
			}
		}
	}
	return first, nil
}

// wildcard is what a wildcard for that name is called: it stands for one label.
func wildcard(name string) string {
	_, domain, ok := strings.Cut(name, ".")
	if !ok {
		return ""
	}
	return "*." + domain
}

// nameOf is what people call a certificate.
func nameOf(leaf *x509.Certificate) string {
	switch {
	case len(leaf.DNSNames) > 0:
		return leaf.DNSNames[0]
	case leaf.Subject.CommonName != "":
		return leaf.Subject.CommonName
	case len(leaf.IPAddresses) > 0:
		return leaf.IPAddresses[0].String()
	}
	return fmt.Sprintf("serial %v", leaf.SerialNumber)
}
