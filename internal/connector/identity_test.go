package connector

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/pires/go-proxyproto"
	"github.com/pires/go-proxyproto/tlvparse"

	"weir/internal/backend"
	"weir/internal/smtp"
)

// somebody is a client of which everything is known.
func somebody() Client {
	return Client{
		Addr: netip.MustParseAddrPort("192.0.2.7:4711"), Server: netip.MustParseAddrPort("198.51.100.1:25"),
		Name: "mail.example.org", HELO: "helo.example.org", Proto: "ESMTPS", Login: "ann+bob",
		Version: tls.VersionTLS13, Cipher: tls.TLS_AES_128_GCM_SHA256, SNI: "mx.example.com", Subject: "relay",
	}
}

func xclientDialer(client Client) *Dialer {
	return &Dialer{Hostname: "weir.test", Identity: IdentityXCLIENT, Client: client}
}

// greets is a connector that offers XCLIENT with some attributes.
func greets(attributes string, then ...string) []string {
	return append(dialogue("> 220 mx1", "< EHLO weir.test", "> 250-mx1", "> 250 XCLIENT "+attributes), then...)
}

// P32: what is offered is told, and nothing else; EHLO follows, as the client.
func TestXCLIENT(t *testing.T) {
	nobody := Client{Addr: netip.MustParseAddrPort("[2001:db8::7]:0")}
	long := somebody()
	long.HELO, long.Login = strings.Repeat("h", 240), strings.Repeat("+", 83)
	odd := somebody()
	odd.HELO, odd.Name, odd.Login, odd.Proto = "two words\r\nQUIT", "-bad-.example", strings.Repeat("=", 90), ""
	tests := map[string]struct {
		client Client
		script []string
	}{
		"everything": {somebody(), greets(
			"NAME ADDR PROTO HELO REVERSE_NAME PORT LOGIN DESTADDR DESTPORT",
			"< XCLIENT HELO=helo.example.org DESTPORT=25 DESTADDR=198.51.100.1 REVERSE_NAME=mail.example.org PROTO=ESMTP LOGIN=ann+2Bbob PORT=4711 NAME=mail.example.org ADDR=192.0.2.7",
			"> 220 mx1", "< EHLO helo.example.org", "> 250 mx1")},
		"some, in small letters": {somebody(), greets(
			"addr Name", "< XCLIENT NAME=mail.example.org ADDR=192.0.2.7", "> 220 mx1", "< EHLO helo.example.org", "> 250 mx1")},
		"little is known": {nobody, greets(
			"NAME ADDR PORT PROTO HELO LOGIN DESTADDR",
			"< XCLIENT HELO=[UNAVAILABLE] DESTADDR=[UNAVAILABLE] LOGIN=[UNAVAILABLE] PORT=[UNAVAILABLE] NAME=[UNAVAILABLE] ADDR=IPV6:2001:db8::7",
			"> 220 mx1", "< EHLO weir.test", "> 250 mx1")},
		"two commands": {long, greets(
			"NAME ADDR HELO LOGIN",
			"< XCLIENT HELO="+long.HELO, "> 220 mx1",
			"< XCLIENT LOGIN="+strings.Repeat("+2B", 83)+" NAME=mail.example.org ADDR=192.0.2.7", "> 220 mx1",
			"< EHLO "+long.HELO, "> 250 mx1")},
		"what cannot be told": {odd, greets(
			"NAME ADDR HELO LOGIN PROTO",
			"< XCLIENT HELO=two+20words+0D+0AQUIT LOGIN=[UNAVAILABLE] NAME=[UNAVAILABLE] ADDR=192.0.2.7",
			"> 220 mx1", "< EHLO weir.test", "> 250 mx1")},
		"not offered":            {somebody(), dialogue("> 220 mx1", "< EHLO weir.test", "> 250 mx1")},
		"nothing of it":          {somebody(), dialogue("> 220 mx1", "< EHLO weir.test", "> 250-mx1", "> 250 XCLIENT")},
		"P37: weir for its sake": {Client{}, greets("NAME ADDR")},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, ended := scripted(t, append(test.script, "< NOOP", "> 250 fine")...)
			c, err := xclientDialer(test.client).Dial(t.Context(), address, later())
			if err != nil {
				t.Fatal(err)
			}
			if reply := new(smtp.Reply); c.Do("NOOP", reply, later()) != nil || reply.Code != 250 {
				t.Errorf("NOOP behind it: %s", reply)
			}
			if !c.Serves(&test.client) {
				t.Error("it does not serve whom it was made for")
			}
			c.HangUp(later())
			wantEnd(t, ended, io.EOF)
		})
	}
}

// XCLIENT comes behind TLS, and what is offered there counts (P32).
func TestXCLIENTBehindTLS(t *testing.T) {
	config, _ := authority(t)
	address, _ := playsTLS(t, config, greets("NAME ADDR PORT", "< nothing"),
		dialogue("> 220 mx1", "< EHLO weir.test", "> 250-mx1", "> 250-XCLIENT PORT", "> 250 STARTTLS", "< STARTTLS", "> 220 go", "TLS",
			"< EHLO weir.test", "> 250-mx1", "> 250 XCLIENT ADDR", "< XCLIENT ADDR=192.0.2.7", "> 220 mx1", "< EHLO helo.example.org", "> 250-mx1", "> 250 SIZE 5"))
	d := xclientDialer(somebody())
	d.TLS.Mode = TLSRequired
	if _, err := d.Dial(t.Context(), address, later()); err == nil {
		t.Fatal("without STARTTLS it passed")
	}
	c, err := d.Dial(t.Context(), address, later())
	if err != nil {
		t.Fatal(err)
	}
	if c.Capabilities().Size != 5 || c.TLS() == nil || c.Client().Addr.Addr() != somebody().Addr.Addr() || c.Client().Name != "" {
		t.Errorf("%+v, %+v", c.Capabilities(), c.Client())
	}
	c.HangUp(later())
}

// P3a: whom a refusal speaks against.
func TestRefusalsOfAClient(t *testing.T) {
	xclient := func(answer string) []string {
		return greets("ADDR", "< XCLIENT ADDR=192.0.2.7", answer)
	}
	tests := map[string]struct {
		identity IdentityMode
		script   []string
		stage    backend.Stage
		against  Party
	}{
		"XCLIENT 554":          {IdentityXCLIENT, xclient("> 554 5.7.1 listed"), backend.StageEHLO, AgainstClient},
		"XCLIENT 550":          {IdentityXCLIENT, xclient("> 550 5.7.1 listed"), backend.StageEHLO, AgainstClient},
		"XCLIENT 421":          {IdentityXCLIENT, xclient("> 421 4.7.0 later"), backend.StageEHLO, AgainstClient},
		"XCLIENT 450":          {IdentityXCLIENT, xclient("> 450 4.7.1 no name"), backend.StageEHLO, AgainstClient},
		"XCLIENT unauthorized": {IdentityXCLIENT, xclient("> 550 5.7.0 Error: insufficient authorization"), backend.StageEHLO, AgainstUs},
		"XCLIENT 501":          {IdentityXCLIENT, xclient("> 501 5.5.4 Bad ADDR"), backend.StageEHLO, AgainstUs},
		"XCLIENT 503":          {IdentityXCLIENT, xclient("> 503 5.5.1 not now"), backend.StageEHLO, AgainstUs},
		"XCLIENT, then EHLO":   {IdentityXCLIENT, append(xclient("> 220 mx1"), "< EHLO helo.example.org", "> 550 5.7.1 liar"), backend.StageEHLO, AgainstClient},
		"before XCLIENT":       {IdentityXCLIENT, dialogue("> 220 mx1", "< EHLO weir.test", "> 550 5.7.1 not you"), backend.StageEHLO, AgainstConnector},
		"banner, no identity":  {IdentityNone, dialogue("> 554 5.7.1 not you"), backend.StageBanner, AgainstConnector},
		"PROXY, banner":        {IdentityProxyV1, dialogue("< PROXY TCP4 192.0.2.7 198.51.100.1 4711 25", "> 554 5.7.1 listed"), backend.StageBanner, AgainstClient},
		"PROXY, EHLO":          {IdentityProxyV1, dialogue("< PROXY TCP4 192.0.2.7 198.51.100.1 4711 25", "> 220 mx1", "< EHLO helo.example.org", "> 550 5.7.1 liar"), backend.StageEHLO, AgainstClient},
		"PROXY not expected":   {IdentityProxyV1, dialogue("< PROXY TCP4 192.0.2.7 198.51.100.1 4711 25", "> 220 mx1", "< EHLO helo.example.org", "> 502 5.5.2 Error: command not recognized"), backend.StageEHLO, AgainstUs},
	}
	for name, test := range tests {
		address, _ := scripted(t, test.script...)
		d := xclientDialer(somebody())
		d.Identity = test.identity
		_, err := d.Dial(t.Context(), address, later())
		if e := wantError(t, err, test.stage, test.stage.String()+": "); e.Against != test.against || e.Reply.Code == 0 {
			t.Errorf("%s: %v is against %d, want %d", name, err, e.Against, test.against)
		}
	}
	// A loss is no judgement.
	address := connectors(t, func(c *net.TCPConn) { _ = play(c, greets("ADDR", "< XCLIENT ADDR=192.0.2.7")...) })
	_, err := xclientDialer(somebody()).Dial(t.Context(), address, later())
	if e := wantError(t, err, backend.StageEHLO, "ehlo: connection closed"); e.Against != AgainstConnector {
		t.Errorf("%v is against %d", err, e.Against)
	}
}

// proxied starts a connector behind PROXY, in TLS when there is a config, which
// tells what header it got.
func proxied(t *testing.T, config *tls.Config) (address string, headers <-chan *proxyproto.Header) {
	t.Helper()
	result := make(chan *proxyproto.Header, 1)
	return connectors(t, func(tcp *net.TCPConn) {
		in := bufio.NewReader(tcp)
		header, err := proxyproto.Read(in)
		if err != nil {
			t.Errorf("reading the header: %v", err)
			return
		}
		result <- header
		var c net.Conn = tcp
		if config != nil {
			c = tls.Server(&rest{Conn: tcp, in: in}, config)
		}
		_ = play(c, "> 220 mx1", "> 250 mx1") // to EHLO, whatever it says
		_ = untilLeft(c)
	}), result
}

// rest is a connection of which something was read already.
type rest struct {
	net.Conn
	in *bufio.Reader
}

func (r *rest) Read(p []byte) (int, error) { return r.in.Read(p) }

// PROXY goes ahead of everything (P32), also of implicit TLS, and says what is
// known of the client's TLS.
func TestPROXY(t *testing.T) {
	v6 := somebody()
	v6.Addr, v6.Version = netip.MustParseAddrPort("[2001:db8::7]:4711"), 0
	config, _ := authority(t)
	for name, test := range map[string]struct {
		identity IdentityMode
		client   Client
		config   *tls.Config
		from, to string
		version  byte
	}{
		"v1":                      {IdentityProxyV1, somebody(), nil, "192.0.2.7:4711", "198.51.100.1:25", 1},
		"v1, other family":        {IdentityProxyV1, v6, nil, "[2001:db8::7]:4711", "[::]:25", 1},
		"v2":                      {IdentityProxyV2, somebody(), nil, "192.0.2.7:4711", "198.51.100.1:25", 2},
		"v2, other family":        {IdentityProxyV2, v6, nil, "[2001:db8::7]:4711", "[::]:25", 2},
		"v2, TLS":                 {IdentityProxyV2, somebody(), config, "192.0.2.7:4711", "198.51.100.1:25", 2},
		"P37: v2 for weir's sake": {IdentityProxyV2, Client{}, nil, "", "", 2},
		"P37: v1 for weir's sake": {IdentityProxyV1, Client{}, nil, "own", "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			address, headers := proxied(t, test.config)
			d := &Dialer{Hostname: "weir.test", Identity: test.identity, Client: test.client}
			if test.config != nil {
				d.TLS.Mode = TLSImplicit
			}
			c, err := d.Dial(t.Context(), address, later())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			h := <-headers
			if test.from == "own" {
				test.from, test.to = c.LocalAddr().String(), address
			}
			if h.Version != test.version || h.Command.IsLocal() != (test.from == "") {
				t.Errorf("version %d, %v", h.Version, h.Command)
			}
			if test.from != "" && (h.SourceAddr.String() != test.from || h.DestinationAddr.String() != test.to) {
				t.Errorf("from %v to %v, want %s to %s", h.SourceAddr, h.DestinationAddr, test.from, test.to)
			}
			if (c.Client() == Client{}) != (test.client == Client{}) || !c.Serves(&test.client) {
				t.Errorf("it is said to know %+v", c.Client())
			}
			checkTLVs(t, h, test.version == 2 && test.client.Version != 0)
		})
	}
}

func checkTLVs(t *testing.T, h *proxyproto.Header, want bool) {
	t.Helper()
	tlvs, err := h.TLVs()
	if err != nil || (len(tlvs) > 0) != want {
		t.Fatalf("%d TLVs, %v", len(tlvs), err)
	}
	if !want {
		return
	}
	ssl, ok := tlvparse.FindSSL(tlvs)
	version, _ := ssl.SSLVersion()
	cipher, _ := ssl.SSLCipher()
	subject, _ := ssl.ClientCN()
	if !ok || version != "TLSv1.3" || cipher != "TLS_AES_128_GCM_SHA256" || subject != "relay" || !ssl.Verified() || !ssl.ClientSSL() {
		t.Errorf("%v %q %q %q", ok, version, cipher, subject)
	}
	if len(tlvs) != 2 || tlvs[1].Type != proxyproto.PP2_TYPE_AUTHORITY || string(tlvs[1].Value) != "mx.example.com" {
		t.Errorf("the authority is missing: %v", tlvs)
	}
}

// P32: a connection is used again only when all that was told is the same.
func TestServes(t *testing.T) {
	changes := map[string]func(c *Client){
		"address": func(c *Client) { c.Addr = netip.MustParseAddrPort("192.0.2.8:4711") },
		"port":    func(c *Client) { c.Addr = netip.MustParseAddrPort("192.0.2.7:4712") },
		"server":  func(c *Client) { c.Server = netip.MustParseAddrPort("198.51.100.2:25") },
		"name":    func(c *Client) { c.Name = "other.example.org" },
		"HELO":    func(c *Client) { c.HELO = "other.example.org" },
		"login":   func(c *Client) { c.Login = "" },
		"TLS":     func(c *Client) { c.Version = 0 },
		"nothing": func(*Client) {},
		"all":     func(c *Client) { *c = Client{} },
	}
	for told, test := range map[string]struct {
		said  attributes
		other string // whose change is another client
	}{
		"nothing":        {0, ""},
		"XCLIENT ADDR":   {toldBy("ADDR"), "address HELO all"},
		"XCLIENT NAME":   {toldBy("NAME LOGIN PORT"), "name login port HELO all"},
		"XCLIENT server": {toldBy("DESTADDR DESTPORT PROTO"), "server HELO all"},
		"PROXY v1":       {attrsProxyV1, "address port server HELO all"},
		"PROXY v2":       {attrsProxyV2, "address port server HELO TLS all"},
	} {
		client := somebody()
		c := &Conn{said: test.said, client: test.said.of(&client)}
		for name, change := range changes {
			other := somebody()
			change(&other)
			if got, want := c.Serves(&other), !strings.Contains(test.other+" ", name+" "); got != want {
				t.Errorf("%s told, another %s: it serves %v, want %v", told, name, got, want)
			}
		}
	}
	// Made for weir's own sake, it is nobody else's where it could have been told.
	address, _ := scripted(t, greets("ADDR")...)
	c, err := xclientDialer(Client{}).Dial(t.Context(), address, later())
	if other := somebody(); err != nil || c.Serves(&other) || !c.Serves(&Client{}) {
		t.Errorf("%v", err)
	}
	c.Close()
}

func TestServesAllocatesNothing(t *testing.T) {
	client := somebody()
	c := &Conn{said: attrsProxyV2, client: attributes(attrsProxyV2).of(&client)}
	if n := testing.AllocsPerRun(100, func() {
		if !c.Serves(&client) {
			t.Error("it does not serve")
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// XFORWARD is said for one transaction, with what is offered (P32); a refusal is
// not the end.
func TestForward(t *testing.T) {
	address, ended := scripted(
		t, "> 220 mx1", "< EHLO weir.test", "> 250-mx1", "> 250 XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT",
		"< XFORWARD IDENT=4bX2-0f7 SOURCE=REMOTE PROTO=ESMTPS HELO=helo.example.org PORT=4711 NAME=mail.example.org ADDR=192.0.2.7", "> 250 2.0.0 Ok",
		"< XFORWARD IDENT=[UNAVAILABLE] SOURCE=REMOTE PROTO=[UNAVAILABLE] HELO=[UNAVAILABLE] PORT=[UNAVAILABLE] NAME=[UNAVAILABLE] ADDR=[UNAVAILABLE]",
		"> 550 5.7.0 Error: insufficient authorization", "< NOOP", "> 250 fine",
		"< XFORWARD IDENT=a SOURCE=REMOTE PROTO=[UNAVAILABLE] HELO=[UNAVAILABLE] PORT=[UNAVAILABLE] NAME=[UNAVAILABLE] ADDR=[UNAVAILABLE]", "> 421 bye",
	)
	d := &Dialer{Hostname: "weir.test", Identity: IdentityXFORWARD, Client: somebody()}
	c, err := d.Dial(t.Context(), address, later())
	if err != nil {
		t.Fatal(err)
	}
	client := somebody()
	if err := c.Forward(&client, "4bX2-0f7", later()); err != nil || !c.Serves(&Client{}) || (c.Client() != Client{}) {
		t.Errorf("%v; such a connection is anybody's", err)
	}
	err = c.Forward(&Client{}, "", later())
	if e := wantError(t, err, backend.StageMail, "mail: 550 5.7.0"); e.Against != AgainstUs {
		t.Errorf("against %d", e.Against)
	}
	if reply := new(smtp.Reply); c.Do("NOOP", reply, later()) != nil || reply.Code != 250 {
		t.Errorf("NOOP behind it: %s", reply)
	}
	err = c.Forward(&Client{}, "a", later())
	if e := wantError(t, err, backend.StageMail, "mail: 421 bye"); e.Against != AgainstConnector {
		t.Errorf("against %d", e.Against)
	}
	c.HangUp(later())
	wantEnd(t, ended, io.EOF)

	silent, _ := scripted(t, "> 220 mx1", "< EHLO weir.test", "> 250 mx1")
	if err := dial(t, silent).Forward(&client, "x", later()); err != nil {
		t.Errorf("one that does not offer it: %v", err)
	}
}
