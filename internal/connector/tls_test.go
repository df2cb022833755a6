package connector

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/backend"
	"weir/internal/smtp"
)

// tlsDialer trusts the test's authority and wants to know mx.test.
func tlsDialer(mode TLSMode) *Dialer {
	return &Dialer{Hostname: "weir.test", TLS: Security{Mode: mode}}
}

func dialogue(steps ...string) []string { return steps }

var (
	offers = dialogue("> 220 mx1", "< EHLO weir.test", "> 250-mx1", "> 250-SIZE 1000", "> 250 STARTTLS")
	asks   = append(slices.Clone(offers), "< STARTTLS")
	takes  = append(slices.Clone(asks), "> 220 go ahead", "TLS", "< EHLO weir.test", "> 250-mx1", "> 250 SIZE 2000")
	// plain is what a second connection hears: nothing of TLS any more.
	plain    = append(slices.Clone(offers), "< NOOP", "> 250 fine")
	failing  = append(slices.Clone(asks), "> 220 go ahead", "garble")
	injected = append(slices.Clone(asks), "> 220 go ahead\r\n250 injected")
)

// What becomes of TLS that is offered, not offered, refused or fails (P3), and of
// plaintext that comes in between (P23).
func TestSTARTTLS(t *testing.T) {
	tests := map[string]struct {
		mode      TLSMode
		dialogues [][]string
		secure    bool
		size      int64 // as announced where it counts
		words     string
		is        error
	}{
		"off":                            {TLSOff, [][]string{plain}, false, 1000, "", nil},
		"opportunistic":                  {TLSOpportunistic, [][]string{takes}, true, 2000, "", nil},
		"opportunistic, not offered":     {TLSOpportunistic, [][]string{dialogue("> 220 mx1", "< EHLO weir.test", "> 250-mx1", "> 250 SIZE 1000")}, false, 1000, "", nil},
		"opportunistic, HELO":            {TLSOpportunistic, [][]string{dialogue("> 220 mx1", "< EHLO weir.test", "> 502 no", "< HELO weir.test", "> 250 mx1")}, false, 0, "", nil},
		"opportunistic, refused":         {TLSOpportunistic, [][]string{append(slices.Clone(asks), "> 454 4.7.0 not now", "< NOOP", "> 250 fine")}, false, 1000, "", nil},
		"opportunistic, 421":             {TLSOpportunistic, [][]string{append(slices.Clone(asks), "> 421 4.3.2 bye"), plain}, false, 1000, "", nil},
		"opportunistic, no handshake":    {TLSOpportunistic, [][]string{failing, plain}, false, 1000, "", nil},
		"P23, opportunistic":             {TLSOpportunistic, [][]string{injected, plain}, false, 1000, "", nil},
		"opportunistic, fails for good":  {TLSOpportunistic, [][]string{failing, dialogue("> 554 5.7.1 no")}, false, 0, "banner: 554 5.7.1 no", nil},
		"required":                       {TLSRequired, [][]string{takes}, true, 2000, "", nil},
		"required, not offered":          {TLSRequired, [][]string{dialogue("> 220 mx1", "< EHLO weir.test", "> 250 mx1")}, false, 0, "tls: STARTTLS is not offered", ErrNotOffered},
		"required, refused":              {TLSRequired, [][]string{append(slices.Clone(asks), "> 454 4.7.0 not now")}, false, 0, "tls: 454 4.7.0 not now", nil},
		"required, 250 is no permission": {TLSRequired, [][]string{append(slices.Clone(asks), "> 250 fine")}, false, 0, "tls: 250 fine", nil},
		"required, no handshake":         {TLSRequired, [][]string{failing}, false, 0, "tls: tls: first record does not look like a TLS handshake", nil},
		"P23, required":                  {TLSRequired, [][]string{injected}, false, 0, "tls: plaintext behind the answer to STARTTLS", ErrInjected},
		"implicit":                       {TLSImplicit, [][]string{dialogue("TLS", "> 220 mx1", "< EHLO weir.test", "> 250-mx1", "> 250-SIZE 3000", "> 250 STARTTLS")}, true, 3000, "", nil},
		"implicit, plaintext":            {TLSImplicit, [][]string{dialogue("> 220 mx1")}, false, 0, "tls: tls: first record does not look like a TLS handshake", nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config, _ := authority(t)
			address, _ := playsTLS(t, config, test.dialogues...)
			c, err := tlsDialer(test.mode).Dial(t.Context(), address, later())
			if test.words != "" {
				stage := backend.StageTLS
				if strings.HasPrefix(test.words, "banner") {
					stage = backend.StageBanner
				}
				e := wantError(t, err, stage, test.words)
				if test.is != nil && !errors.Is(err, test.is) || c != nil || e.Against != AgainstConnector {
					t.Errorf("%v, against %d", err, e.Against)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer c.HangUp(later())
			if (c.TLS() != nil) != test.secure || c.Capabilities().Size != test.size {
				t.Errorf("TLS %v, capabilities %+v", c.TLS() != nil, c.Capabilities())
			}
			if last := test.dialogues[len(test.dialogues)-1]; slices.Contains(last, "< NOOP") {
				if reply := new(smtp.Reply); c.Do("NOOP", reply, later()) != nil || reply.Code != 250 {
					t.Errorf("NOOP behind it: %s", reply)
				}
			}
		})
	}
}

// The stages in their order, each with its end (and P3: a failure that is none
// ends well).
func TestStagesOfTLS(t *testing.T) {
	const connect, handshake, banner, ehlo = backend.StageConnect, backend.StageTLS, backend.StageBanner, backend.StageEHLO
	tests := map[string]struct {
		mode      TLSMode
		dialogues [][]string
		want      []backend.Stage
	}{
		"required": {TLSRequired, [][]string{takes}, []backend.Stage{connect, banner, ehlo, handshake, ehlo}},
		"implicit": {TLSImplicit, [][]string{dialogue("TLS", "> 220 mx1", "< EHLO weir.test", "> 250 mx1")}, []backend.Stage{connect, handshake, banner, ehlo}},
		"opportunistic, lost": {
			TLSOpportunistic,
			[][]string{append(slices.Clone(asks), "> 421 bye"), plain},
			[]backend.Stage{connect, banner, ehlo, handshake, connect, banner, ehlo},
		},
		"opportunistic, refused": {
			TLSOpportunistic,
			[][]string{append(slices.Clone(asks), "> 454 no")},
			[]backend.Stage{connect, banner, ehlo, handshake},
		},
	}
	for name, test := range tests {
		config, _ := authority(t)
		address, _ := playsTLS(t, config, test.dialogues...)
		stages := &stageLog{t: t}
		d := tlsDialer(test.mode)
		d.Watch = stages
		c, err := d.Dial(t.Context(), address, later())
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if !slices.Equal(stages.begun, test.want) || !slices.Equal(stages.passed, test.want) {
			t.Errorf("%s: begun %v and passed %v, want %v", name, stages.begun, stages.passed, test.want)
		}
	}
}

func TestVerification(t *testing.T) {
	config, roots := authority(t)
	_, strangers := authority(t)
	tests := map[string]struct {
		security Security
		fails    bool
	}{
		"not wanted":                     {Security{Mode: TLSRequired, ServerName: "elsewhere.test"}, false},
		"by the host of the address":     {Security{Mode: TLSRequired, Verify: true, Roots: roots}, false},
		"by name":                        {Security{Mode: TLSRequired, Verify: true, Roots: roots, ServerName: "mx.test"}, false},
		"wrong name":                     {Security{Mode: TLSRequired, Verify: true, Roots: roots, ServerName: "elsewhere.test"}, true},
		"unknown authority":              {Security{Mode: TLSRequired, Verify: true, Roots: strangers, ServerName: "mx.test"}, true},
		"unknown to the system":          {Security{Mode: TLSRequired, Verify: true, ServerName: "mx.test"}, true},
		"opportunistic: proves nothing":  {Security{Mode: TLSOpportunistic, Verify: true, Roots: strangers}, false},
		"implicit, by name":              {Security{Mode: TLSImplicit, Verify: true, Roots: roots, ServerName: "mx.test"}, false},
		"implicit, unknown to all of us": {Security{Mode: TLSImplicit, Verify: true, Roots: strangers, ServerName: "mx.test"}, true},
	}
	for name, test := range tests {
		steps := takes
		if test.security.Mode == TLSImplicit {
			steps = dialogue("TLS", "> 220 mx1", "< EHLO weir.test", "> 250 mx1")
		}
		address, _ := playsTLS(t, config, steps)
		d := &Dialer{Hostname: "weir.test", TLS: test.security}
		c, err := d.Dial(t.Context(), address, later())
		if test.fails {
			wantError(t, err, backend.StageTLS, "tls: tls: failed to verify certificate")
			continue
		}
		if err != nil || c.TLS() == nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		good := test.security.Roots == roots
		if err := test.security.Check(address, c.TLS()); (err == nil) != good {
			t.Errorf("%s: the certificate is said to be: %v", name, err)
		}
		c.HangUp(later())
	}
}

// TLS older than 1.2 is none.
func TestOldTLSIsRefused(t *testing.T) {
	config, _ := authority(t)
	config.MinVersion, config.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 //nolint:gosec // that is the point
	address, _ := playsTLS(t, config, takes)
	_, err := tlsDialer(TLSRequired).Dial(t.Context(), address, later())
	wantError(t, err, backend.StageTLS, "tls: remote error: tls: protocol version not supported")
}

// Sessions are resumed, each with the connector that it was begun with, also where
// all of them have the same name.
func TestSessionsAreResumed(t *testing.T) {
	one, _ := authority(t)
	two, _ := authority(t)
	implicit := dialogue("TLS", "> 220 mx1", "< EHLO weir.test", "> 250 mx1")
	first, _ := playsTLS(t, one, implicit)
	second, _ := playsTLS(t, two, implicit)
	d := tlsDialer(TLSImplicit)
	d.TLS.ServerName, d.Sessions = "mx.test", tls.NewLRUClientSessionCache(8)
	resumed := func(address string) bool {
		c, err := d.Dial(t.Context(), address, later())
		if err != nil {
			t.Fatal(err)
		}
		defer c.HangUp(later())
		return c.TLS().DidResume
	}
	for _, want := range []bool{false, true} {
		for _, address := range []string{first, second} {
			if got := resumed(address); got != want {
				t.Errorf("%s: resumed %v, want %v", address, got, want)
			}
		}
	}
}

// The handshake has a time of its own.
func TestTLSTimeout(t *testing.T) {
	mute := append(slices.Clone(asks), "> 220 go ahead")
	config, _ := authority(t)
	for _, mode := range []TLSMode{TLSRequired, TLSImplicit, TLSOpportunistic} {
		steps := [][]string{mute, plain}
		if mode == TLSImplicit {
			steps = [][]string{nil}
		}
		address, _ := playsTLS(t, config, steps...)
		d := tlsDialer(mode)
		d.Timeouts[backend.StageTLS] = short
		c, err := d.Dial(t.Context(), address, later())
		if mode != TLSOpportunistic {
			wantError(t, err, backend.StageTLS, "tls: no answer in time")
			continue
		}
		if err != nil || c.TLS() != nil {
			t.Fatalf("opportunistic: %v", err)
		}
		c.HangUp(later())
	}
}

// When no time is left there is no second connection, and TLS is to blame.
func TestFallbackNeedsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := tlsDialer(TLSOpportunistic)
		dials := 0
		d.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			dials++
			ours, theirs := net.Pipe()
			t.Cleanup(func() { theirs.Close() })
			go func() {
				_ = play(theirs, append(slices.Clone(asks), "> 220 go ahead")...)
				_ = untilLeft(theirs)
			}()
			return ours, ctx.Err()
		}
		_, err := d.Dial(t.Context(), "mx1:25", time.Now().Add(ample))
		wantError(t, err, backend.StageTLS, "tls: no answer in time")
		if dials != 1 {
			t.Errorf("%d connections", dials)
		}
	})
}

// Who is waited for in the handshake when ctx ends is left at once, and not asked
// again in plaintext.
func TestHandshakeEndsWithItsContext(t *testing.T) {
	config, _ := authority(t)
	address, _ := playsTLS(t, config, append(slices.Clone(asks), "> 220 go ahead"), plain)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(short, cancel)
	_, err := tlsDialer(TLSOpportunistic).Dial(ctx, address, later())
	wantError(t, err, backend.StageTLS, "tls: context canceled")
}

// A probe asks for the banner only, in TLS where that comes first.
func TestWelcomeToTheBanner(t *testing.T) {
	config, _ := authority(t)
	address, ended := playsTLS(t, config, dialogue("TLS", "> 220 mx1"))
	d := tlsDialer(TLSImplicit)
	c, err := d.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Welcome(c, backend.StageBanner, later()); err != nil || c.Banner() != "mx1" || c.TLS() == nil {
		t.Errorf("%v, banner %q", err, c.Banner())
	}
	c.HangUp(later())
	wantEnd(t, ended, io.EOF)
}

func TestSame(t *testing.T) {
	_, roots := authority(t)
	_, others := authority(t)
	a := &Dialer{Hostname: "a", TLS: Security{Mode: TLSRequired, Roots: roots}}
	same := &Dialer{Hostname: "a", TLS: Security{Mode: TLSRequired, Roots: roots.Clone()}, Buffers: new(smtp.Buffers), Sessions: tls.NewLRUClientSessionCache(1)}
	if !a.Same(same) {
		t.Error("what is lent and remembered counts")
	}
	for name, other := range map[string]Dialer{
		"name": {Hostname: "b", TLS: a.TLS}, "LMTP": {Hostname: "a", TLS: a.TLS, LMTP: true},
		"identity": {Hostname: "a", TLS: a.TLS, Identity: IdentityXCLIENT},
		"roots":    {Hostname: "a", TLS: Security{Mode: TLSRequired, Roots: others}},
		"no roots": {Hostname: "a", TLS: Security{Mode: TLSRequired}},
		"verify":   {Hostname: "a", TLS: Security{Mode: TLSRequired, Roots: roots, Verify: true}},
		"timeouts": {Hostname: "a", TLS: a.TLS, Timeouts: Timeouts{1}},
	} {
		if a.Same(&other) || other.Same(a) {
			t.Errorf("%s does not count", name)
		}
	}
}

// An LMTP server hears LHLO, and is not asked for anything older (RFC 2033).
func TestLMTP(t *testing.T) {
	d := &Dialer{Hostname: "weir.test", LMTP: true}
	address, _ := scripted(t, "> 220 mx1 LMTP", "< LHLO weir.test", "> 250-mx1", "> 250 PIPELINING")
	c, err := d.Dial(t.Context(), address, later())
	if err != nil || !c.Capabilities().Has(backend.ExtPipelining) {
		t.Fatalf("%v, %+v", err, c)
	}
	c.Close()
	address, _ = scripted(t, "> 220 mx1 ESMTP", "< LHLO weir.test", "> 500 what?", "< nothing else")
	_, err = d.Dial(t.Context(), address, later())
	wantError(t, err, backend.StageEHLO, "ehlo: 500 what?")
}
