package health

import (
	"bufio"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"weir/internal/backend"
	"weir/internal/connector"
)

// playAll starts a connector that plays one script a connection, in their order.
func playAll(t *testing.T, scripts ...script) (address string, played <-chan error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	result := make(chan error, len(scripts))
	go func() {
		for _, s := range scripts {
			conn, err := ln.Accept()
			if err == nil {
				p := &player{conn: conn, in: bufio.NewReader(conn)}
				err = s.play(p)
				_ = p.conn.Close()
			}
			result <- err
		}
	}()
	return ln.Addr().String(), result
}

func steps(lines string) script {
	return script{steps: strings.Split(strings.TrimSpace(lines), "\n")}
}

const tlsAndEHLO = `S: 220 mx ESMTP
C: EHLO weir.test
S: 250-mx
S: 250-SIZE 1000
S: 250 STARTTLS
C: STARTTLS
S: 220 go ahead
TLS
C: EHLO weir.test
S: 250-mx
S: 250 SIZE 2000
`

const goodbye = `C: QUIT
S: 221 2.0.0 Bye
close`

const (
	envelope = "C: MAIL FROM:<>\nS: 250 ok\nC: RCPT TO:<postmaster>\nS: 250 ok\nC: RSET\nS: 250 ok\n"
	plain    = "S: 220 mx ESMTP\nC: EHLO weir.test\nS: 250-mx\nS: 250 SIZE 1000\n"
)

// tlsProbe is a pool, its connector and what a probe makes of that.
type tlsProbe struct {
	depth   Depth
	dialer  connector.Dialer
	scripts []script
	want    string
	size    int64
	notes   string // what is said of the connection, in pieces
	remark  string
}

var tlsProbes = map[string]tlsProbe{
	"required, envelope": {
		DepthEnvelope,
		connector.Dialer{TLS: connector.Security{Mode: connector.TLSRequired}},
		[]script{steps(tlsAndEHLO + envelope + goodbye)},
		"passes", 2000, "TLS 1.3|certificate until|not verified", "",
	},
	"required, not offered": {
		DepthEHLO,
		connector.Dialer{TLS: connector.Security{Mode: connector.TLSRequired}},
		[]script{steps(plain + goodbye)},
		"tls: STARTTLS is not offered", 1000, "", "",
	},
	"required, not verified": {
		DepthEHLO,
		connector.Dialer{TLS: connector.Security{Mode: connector.TLSRequired, Verify: true, ServerName: "mx.test"}},
		[]script{steps(strings.Split(tlsAndEHLO, "TLS\nC: EHLO")[0] + "TLS\nmute")},
		"tls: tls: failed to verify certificate…", 1000, "", "",
	},
	"opportunistic": {
		DepthEHLO,
		connector.Dialer{TLS: connector.Security{Mode: connector.TLSOpportunistic}},
		[]script{steps(tlsAndEHLO + goodbye)},
		"passes", 2000, "TLS 1.3|not verified", "",
	},
	"opportunistic, lost": {
		DepthEHLO,
		connector.Dialer{TLS: connector.Security{Mode: connector.TLSOpportunistic}},
		[]script{steps(strings.Split(tlsAndEHLO, "S: 220 go")[0] + "close"), steps(plain + goodbye)},
		"passes", 1000, "once more, in plaintext", "mail goes in plaintext, as TLS fails: tls: connection closed",
	},
	"implicit, banner": {
		DepthBanner,
		connector.Dialer{TLS: connector.Security{Mode: connector.TLSImplicit}},
		[]script{steps("TLS\nS: 220 mx ESMTP\n" + goodbye)},
		"passes", 0, "TLS 1.3|not verified", "",
	},
	"starttls, implicit": {
		DepthStartTLS,
		connector.Dialer{TLS: connector.Security{Mode: connector.TLSImplicit}},
		[]script{steps("TLS\n" + plain + goodbye)},
		"passes", 1000, "TLS 1.3", "",
	},
	"LMTP": {
		DepthEHLO,
		connector.Dialer{LMTP: true},
		[]script{steps("S: 220 mx LMTP\nC: LHLO weir.test\nS: 250 mx\n" + goodbye)},
		"passes", 0, "", "",
	},
	"proxy-v1": {
		DepthEHLO,
		connector.Dialer{Identity: connector.IdentityProxyV1},
		[]script{steps("C... PROXY TCP4 127.0.0.1 127.0.0.1 \n" + plain + goodbye)},
		"passes", 1000, "PROXY v1", "",
	},
	"XCLIENT is not said": {
		DepthEHLO,
		connector.Dialer{Identity: connector.IdentityXCLIENT, Client: connector.Client{HELO: "stray"}},
		[]script{steps("S: 220 mx\nC: EHLO weir.test\nS: 250-mx\nS: 250 XCLIENT NAME ADDR\n" + goodbye)},
		"passes", 0, "", "",
	},
}

// A probe goes the way that mail goes: with the pool's TLS (P3) and its identity,
// which is weir's own (P37), however deep it looks.
func TestProbesUseThePoolsTLSAndIdentity(t *testing.T) {
	for name, test := range tlsProbes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, played := playAll(t, test.scripts...)
			test.dialer.Hostname = "weir.test"
			prober := NewProber(Config{Probe: test.depth, To: "postmaster", Timeout: time.Hour}, test.dialer)
			r, err := prober.Probe(t.Context(), backend.Spec{Pool: "p", Name: "a", Address: address})
			if !reads(resultOf(err), test.want) || r.Stages[r.Stage] <= 0 || r.Remark != test.remark {
				t.Errorf("got %q, remark %q, stage %s", resultOf(err), r.Remark, r.Stage)
			}
			if r.Capabilities.Size != test.size {
				t.Errorf("capabilities %+v", r.Capabilities)
			}
			notes := notesOf(r.Dialogue)
			for piece := range strings.SplitSeq(test.notes, "|") {
				if !strings.Contains(notes, piece) {
					t.Errorf("the notes say nothing of %q: %q", piece, notes)
				}
			}
			for range test.scripts {
				if err := <-played; err != nil && test.want == "passes" {
					t.Errorf("the connector's side: %v", err)
				}
			}
		})
	}
}

func notesOf(lines []Line) string {
	var notes []string
	for _, l := range lines {
		if l.Note {
			notes = append(notes, l.Text)
		}
	}
	return strings.Join(notes, "\n")
}

// P37: where PROXY v2 is demanded, a probe says that it is for nobody.
func TestProbeIsLocal(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	heard := make(chan []byte, 1)
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		header := make([]byte, 16)
		if _, err := conn.Read(header); err != nil {
			t.Error(err)
		}
		heard <- header
		_ = (&player{conn: conn, in: bufio.NewReader(conn)}).step("S: 220 mx")
		_ = (&player{conn: conn, in: bufio.NewReader(conn)}).step("mute")
	}()
	dialer := connector.Dialer{Identity: connector.IdentityProxyV2}
	r, err := NewProber(Config{Probe: DepthBanner, Timeout: time.Hour}, dialer).Probe(t.Context(), backend.Spec{Address: ln.Addr().String()})
	if err != nil || !strings.Contains(notesOf(r.Dialogue), "LOCAL") {
		t.Errorf("%v, %q", err, notesOf(r.Dialogue))
	}
	want := []byte("\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00") // version 2, LOCAL, no addresses
	if got := <-heard; !slices.Equal(got, want) {
		t.Errorf("the header is %q, want %q", got, want)
	}
}
