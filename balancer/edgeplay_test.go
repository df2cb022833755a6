package balancer_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"weir/balancer"
	"weir/balancer/gate"
)

// What dialogue scripts can do at the edge of a session: settings of the listener's,
// TLS of the sender's, and where the sender connects from.

// kit is what TLS at the edge needs in tests: made once, as it costs time.
type kit struct {
	server *tls.Config
	client tls.Certificate // of CN "client of weir", verified by the server
	roots  *x509.CertPool
}

var edgeKit = sync.OnceValues(func() (*kit, error) {
	ca, caKey, err := certificate("test authority", nil, nil)
	if err != nil {
		return nil, err
	}
	server, serverKey, err := certificate("mx.test", ca, caKey)
	if err != nil {
		return nil, err
	}
	client, clientKey, err := certificate("client of weir", ca, caKey)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	return &kit{
		server: &tls.Config{
			Certificates: []tls.Certificate{{Certificate: [][]byte{server.Raw}, PrivateKey: serverKey}},
			ClientCAs:    roots, ClientAuth: tls.VerifyClientCertIfGiven, MinVersion: tls.VersionTLS12,
		},
		client: tls.Certificate{Certificate: [][]byte{client.Raw}, PrivateKey: clientKey},
		roots:  roots,
	}, nil
})

// certificate makes one that the parent has signed, or itself.
func certificate(name string, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"mx.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: parent == nil, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		return nil, nil, err
	}
	made, err := x509.ParseCertificate(der)
	return made, key, err
}

// sealed gives a listener TLS.
func (b *bench) sealed(mode balancer.TLSMode) *kit {
	b.t.Helper()
	k, err := edgeKit()
	if err != nil {
		b.t.Fatal(err)
	}
	b.listener().TLS = mode
	b.edge = map[string]*tls.Config{"inbound": k.server}
	return k
}

// setEdge is setListener for what only the edge has:
//
//	! listener tls=starttls|required|implicit|unavailable | greeting_delay=D | tarpit=D | per_ip=N | rate=N
//	! listener accept=PATTERN,… | proxy=NETWORK | xclient=NETWORK | allow=NETWORK | deny=NETWORK | exempt=NETWORK
func (p *player) setEdge(key, value string) error {
	l := p.listener()
	networks := map[string]*[]netip.Prefix{
		"proxy": &l.Proxy, "xclient": &l.XClient, "allow": &l.Limits.Allow, "deny": &l.Limits.Deny, "exempt": &l.Exempt,
	}
	if list := networks[key]; list != nil {
		network, err := netip.ParsePrefix(value)
		*list = append(*list, network)
		return err
	}
	switch key {
	case "tls":
		p.sealed(map[string]balancer.TLSMode{
			"starttls": balancer.TLSStartTLS, "unavailable": balancer.TLSStartTLS,
			"required": balancer.TLSRequired, "implicit": balancer.TLSImplicit,
		}[value])
		if value == "unavailable" {
			p.edge = nil
		}
	case "greeting_delay":
		return parseTime(value, &l.GreetingDelay)
	case "tarpit":
		return parseTime(value, &l.Limits.Tarpit)
	case "per_ip":
		return parseInto(value, &l.Limits.PerIP)
	case "rate":
		n, err := strconv.Atoi(value)
		l.Limits.Rate = gate.Rate{Events: n, Per: time.Hour}
		return err
	case "accept":
		l.AcceptDomains = strings.Split(value, ",")
	default:
		return fmt.Errorf("no setting %q of a listener", key)
	}
	return nil
}

// edgeLine carries out
//
//	tls [cert] [sni=NAME]           the sender makes a handshake: with its certificate, asking for a name
//	from ADDRESS                    where the sender connects from
func (p *player) edgeLine(mark, rest string) error {
	switch mark {
	case "from":
		p.peer.local = rest
		return nil
	case "tls":
		if err := p.peer.connect(p.addr); err != nil {
			return err
		}
		return p.peer.seal(rest)
	}
	return fmt.Errorf("unknown line in script")
}

// seal makes a handshake on the sender's connection.
func (s *peer) seal(how string) error {
	k, err := edgeKit()
	if err != nil {
		return err
	}
	config := &tls.Config{RootCAs: k.roots, ServerName: "mx.test"}
	for word := range strings.FieldsSeq(how) {
		if word == "cert" {
			config.Certificates = []tls.Certificate{k.client}
		}
		if name, ok := strings.CutPrefix(word, "sni="); ok {
			config.ServerName = name
		}
	}
	conn := tls.Client(s.nc, config)
	if err := conn.Handshake(); err != nil {
		return fmt.Errorf("shaking hands: %w", err)
	}
	s.nc, s.in = conn, bufio.NewReader(conn)
	return nil
}

// sealedTalker is a sender under TLS from the start.
func (b *bench) sealedTalker(k *kit) *talker {
	b.t.Helper()
	conn := tls.Client(connectTo(b.t, b.addr), &tls.Config{RootCAs: k.roots, ServerName: "mx.test"})
	if err := conn.Handshake(); err != nil {
		b.t.Fatal(err)
	}
	return newTalker(b.t, conn)
}
