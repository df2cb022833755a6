package connector

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"syscall"
	"testing"
	"time"

	"weir/internal/backend"
	"weir/internal/faulty"
	"weir/internal/smtp"
)

// stageLog writes down the stages of dialling.
type stageLog struct {
	t             *testing.T
	patience      time.Duration
	begun, passed []backend.Stage
}

func (l *stageLog) Begin(stage backend.Stage, _ time.Time) time.Duration {
	l.begun = append(l.begun, stage)
	return l.patience
}

func (l *stageLog) Passed(stage backend.Stage, took time.Duration) {
	if took < 0 || took > ample {
		l.t.Errorf("%s took %s", stage, took)
	}
	l.passed = append(l.passed, stage)
}

// A watch's patience ends a stage before its timeout does.
func TestDialWithPatience(t *testing.T) {
	srv := misbehaving(t, faulty.At(faulty.EHLO, faulty.Mute))
	stages := &stageLog{t: t, patience: 50 * time.Millisecond}
	d := Dialer{Hostname: "weir.test", Watch: stages}
	_, err := d.Dial(t.Context(), srv.Addr(), later())
	wantError(t, err, backend.StageEHLO, "ehlo: no answer in time")
	if want := []backend.Stage{backend.StageConnect, backend.StageBanner}; !slices.Equal(stages.passed, want) {
		t.Errorf("passed %v, want %v", stages.passed, want)
	}
}

func TestDial(t *testing.T) {
	srv := misbehaving(t)
	stages := &stageLog{t: t}
	d := Dialer{Hostname: "weir.test", Buffers: new(smtp.Buffers), Watch: stages}
	c, err := d.Dial(t.Context(), srv.Addr(), later())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Quit(later())
	all := backend.ExtPipelining | backend.ExtChunking | backend.Ext8BitMIME | backend.ExtEnhancedStatusCodes | backend.ExtSize
	if got, want := c.Capabilities(), (backend.Capabilities{Known: true, Ext: all, Size: 50 << 20}); got != want {
		t.Errorf("capabilities %+v, want %+v", got, want)
	}
	if c.Banner() != "mx1 ESMTP faulty" || c.LocalAddr() == nil {
		t.Errorf("banner %q, from %v", c.Banner(), c.LocalAddr())
	}
	if want := []backend.Stage{backend.StageConnect, backend.StageBanner, backend.StageEHLO}; !slices.Equal(stages.passed, want) || !slices.Equal(stages.begun, want) {
		t.Errorf("stages begun %v and passed %v, want %v", stages.begun, stages.passed, want)
	}
	if srv.Heard("EHLO weir.test") != 1 {
		t.Error("no EHLO with our name was heard")
	}
	if reply := new(smtp.Reply); c.Do("NOOP", reply, later()) != nil || reply.Code != 250 {
		t.Errorf("NOOP behind it: %s", reply)
	}
}

func TestDialUnusualGreetings(t *testing.T) {
	tests := map[string]struct {
		banner string
		fault  faulty.Fault
		want   string
	}{
		"one line":         {want: "mx1 ESMTP faulty"},
		"many lines":       {banner: "220-mx1 ESMTP\n220-No spam\n220 please", want: "mx1 ESMTP No spam please"},
		"two pieces":       {fault: faulty.Fault{Stage: faulty.Banner, Pause: short}, want: "mx1 ESMTP faulty"},
		"late":             {fault: faulty.Fault{Stage: faulty.Connect, Delay: short}, want: "mx1 ESMTP faulty"},
		"lines and pieces": {fault: faulty.Fault{Stage: faulty.Banner, Pause: short, Reply: "220-mx1\n220 ESMTP"}, want: "mx1 ESMTP"},
		"code alone":       {banner: "220", want: ""},
		"pieces of EHLO":   {fault: faulty.Fault{Stage: faulty.EHLO, Pause: short}, want: "mx1 ESMTP faulty"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := misbehaving(t)
			behaviour := faulty.Honest()
			behaviour.Banner, behaviour.Faults = test.banner, []faulty.Fault{test.fault}
			srv.Set(behaviour)
			c := dial(t, srv.Addr())
			if c.Banner() != test.want || !c.Capabilities().Has(backend.ExtChunking) {
				t.Errorf("banner %q, want %q; capabilities %+v", c.Banner(), test.want, c.Capabilities())
			}
			if reply := new(smtp.Reply); c.Do("NOOP", reply, later()) != nil || reply.Code != 250 {
				t.Errorf("NOOP behind it: %s", reply)
			}
		})
	}
}

func TestDialOctetByOctet(t *testing.T) {
	address := connectors(t, func(c *net.TCPConn) {
		_ = c.SetNoDelay(true)
		for _, b := range []byte("220-mx1\r\n220 ESMTP\r\n250-mx1\r\n250-SIZE\r\n250 PIPELINING\r\n") {
			if _, err := c.Write([]byte{b}); err != nil {
				return
			}
		}
		_ = untilLeft(c)
	})
	c := dial(t, address)
	if got, want := c.Capabilities(), (backend.Capabilities{Known: true, Ext: backend.ExtSize | backend.ExtPipelining}); got != want {
		t.Errorf("capabilities %+v, want %+v", got, want)
	}
}

func TestCapabilities(t *testing.T) {
	tests := []struct {
		lines string
		want  backend.Capabilities
	}{
		{"250 mx1", backend.Capabilities{}},
		{"250 PIPELINING", backend.Capabilities{}}, // that is its name
		{"250-mx1\n250 pipelining", backend.Capabilities{Ext: backend.ExtPipelining}},
		{"250-mx1\n250-  CHUNKING \n250 XVENDOR 8BITMIME", backend.Capabilities{Ext: backend.ExtChunking}},
		{"250-mx1\n250-8BITMIME\n250 ENHANCEDSTATUSCODES", backend.Capabilities{Ext: backend.Ext8BitMIME | backend.ExtEnhancedStatusCodes}},
		{"250-mx1\n250 SIZE", backend.Capabilities{Ext: backend.ExtSize}},
		{"250-mx1\n250 SIZE 0", backend.Capabilities{Ext: backend.ExtSize}},
		{"250-mx1\n250 size 10240000", backend.Capabilities{Ext: backend.ExtSize, Size: 10240000}},
		{"250-mx1\n250 SIZE  10240000 ", backend.Capabilities{Ext: backend.ExtSize, Size: 10240000}},
		{"250-mx1\n250 SIZE lots", backend.Capabilities{Ext: backend.ExtSize}},
		{"250-mx1\n250 SIZE=10", backend.Capabilities{}},
		{"250-mx1\n250-\n250 CHUNKING", backend.Capabilities{Ext: backend.ExtChunking}},
	}
	for _, test := range tests {
		srv := misbehaving(t, faulty.Say(faulty.EHLO, test.lines))
		test.want.Known = true
		if got := dial(t, srv.Addr()).Capabilities(); got != test.want {
			t.Errorf("%q: %+v, want %+v", test.lines, got, test.want)
		}
	}
}

// A connector that does not know EHLO is asked with HELO, and offers nothing
// (RFC 5321 section 3.2).
func TestDialFallsBackToHELO(t *testing.T) {
	for _, refusal := range []string{"500 what", "502 not here"} {
		srv := misbehaving(t, faulty.Say(faulty.EHLO, refusal))
		c := dial(t, srv.Addr())
		if got, want := c.Capabilities(), (backend.Capabilities{Known: true}); got != want {
			t.Errorf("%s: capabilities %+v", refusal, got)
		}
		if srv.Heard("HELO weir.test") != 1 {
			t.Errorf("%s: no HELO with our name was heard", refusal)
		}
	}
	srv := misbehaving(t, faulty.Say(faulty.EHLO, "502 not here"), faulty.Say(faulty.HELO, "554 5.7.1 nor at all"))
	_, err := new(Dialer).Dial(t.Context(), srv.Addr(), later())
	wantError(t, err, backend.StageEHLO, "ehlo: 554 5.7.1 nor at all")
	srv.Hurt(faulty.Say(faulty.EHLO, "502 not here"), faulty.At(faulty.HELO, faulty.Drop))
	_, err = new(Dialer).Dial(t.Context(), srv.Addr(), later())
	wantError(t, err, backend.StageEHLO, "ehlo: connection closed")
	if n := srv.Heard("HELO"); n != 2 {
		t.Errorf("HELO was heard %d times", n)
	}
}

func TestDialFailures(t *testing.T) {
	tests := []struct {
		fault faulty.Fault
		stage backend.Stage
		words string
		code  int
		is    error
	}{
		{faulty.Say(faulty.Banner, "554 5.7.1 go away"), backend.StageBanner, "banner: 554 5.7.1 go away", 554, nil},
		{faulty.Say(faulty.Banner, "421-4.3.2 busy\n421 4.3.2 later"), backend.StageBanner, "banner: 421 4.3.2 busy / later", 421, nil},
		{faulty.Say(faulty.Banner, "250 I am fine"), backend.StageBanner, "banner: 250 I am fine", 250, nil},
		{faulty.Say(faulty.Banner, "221 bye"), backend.StageBanner, "banner: 221 bye", 221, nil},
		{faulty.Say(faulty.Banner, "HTTP/1.1 400 Bad Request"), backend.StageBanner, "banner: not an SMTP reply", 0, smtp.ErrReplySyntax},
		{faulty.At(faulty.Banner, faulty.Garbage), backend.StageBanner, "banner: not an SMTP reply", 0, smtp.ErrReplySyntax},
		{faulty.At(faulty.Banner, faulty.Endless), backend.StageBanner, "banner: not an SMTP reply: more than 128 lines", 0, smtp.ErrReplySyntax},
		{faulty.At(faulty.Banner, faulty.Drop), backend.StageBanner, "banner: connection closed", 0, io.EOF},
		{faulty.Fault{Stage: faulty.Banner, Do: faulty.Reset, Delay: short}, backend.StageBanner, "banner: connection reset", 0, syscall.ECONNRESET},
		{faulty.Say(faulty.EHLO, "554 5.7.1 not you"), backend.StageEHLO, "ehlo: 554 5.7.1 not you", 554, nil},
		{faulty.Say(faulty.EHLO, "501 5.5.4 what name is that"), backend.StageEHLO, "ehlo: 501 5.5.4 what name is that", 501, nil},
		{faulty.Say(faulty.EHLO, "421 4.7.0 not now"), backend.StageEHLO, "ehlo: 421 4.7.0 not now", 421, nil},
		{faulty.Say(faulty.EHLO, "251 hm"), backend.StageEHLO, "ehlo: 251 hm", 251, nil},
		{faulty.Say(faulty.EHLO, "250-mx1\n251 hm"), backend.StageEHLO, "ehlo: not an SMTP reply: code 251 after 250", 0, smtp.ErrReplySyntax},
		{faulty.At(faulty.EHLO, faulty.Endless), backend.StageEHLO, "ehlo: not an SMTP reply: more than 128 lines", 0, smtp.ErrReplySyntax},
		{faulty.At(faulty.EHLO, faulty.Drop), backend.StageEHLO, "ehlo: connection closed", 0, io.EOF},
		{faulty.At(faulty.EHLO, faulty.Reset), backend.StageEHLO, "ehlo: connection reset", 0, syscall.ECONNRESET},
	}
	srv := misbehaving(t)
	for _, test := range tests {
		srv.Hurt(test.fault)
		c, err := new(Dialer).Dial(t.Context(), srv.Addr(), later())
		if c != nil {
			t.Errorf("%s: a connection beside %v", test.words, err)
		}
		e := wantError(t, err, test.stage, test.words)
		if e.Reply.Code != test.code || !errors.Is(e.Err, test.is) || e.Unwrap() != e.Err {
			t.Errorf("%s: reply %s, error %v", test.words, &e.Reply, e.Err)
		}
		if srv.Heard("HELO") != 0 {
			t.Errorf("%s: HELO was tried", test.words)
		}
	}
	srv.Refuse()
	_, err := new(Dialer).Dial(t.Context(), srv.Addr(), later())
	wantError(t, err, backend.StageConnect, "connect: connection refused")
	_, err = new(Dialer).Connect(t.Context(), "no port")
	wantError(t, err, backend.StageConnect, "connect: dial tcp")
}

// A second greeting is not taken for the answer to EHLO.
func TestDialOutOfStep(t *testing.T) {
	address, _ := scripted(t, "> 220 mx1", "> 220 mx1 again", "< EHLO weir.test", "> 250 mx1")
	d := Dialer{Hostname: "weir.test"}
	_, err := d.Dial(t.Context(), address, later())
	wantError(t, err, backend.StageEHLO, "ehlo: 220 mx1 again")
}

// Who is waited for in vain when ctx ends is left at once.
func TestDialEndsWithItsContext(t *testing.T) {
	for _, stage := range []faulty.Stage{faulty.Banner, faulty.EHLO} {
		srv := misbehaving(t, faulty.At(stage, faulty.Mute))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(short, cancel)
		c, err := new(Dialer).Dial(ctx, srv.Addr(), later())
		if c != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, %v", stage, c, err)
		}
		wantError(t, err, map[faulty.Stage]backend.Stage{faulty.Banner: backend.StageBanner, faulty.EHLO: backend.StageEHLO}[stage],
			string(stage)+": context canceled")
	}
}

// A connection outlives the context in which it was made.
func TestDialContextIsForDiallingOnly(t *testing.T) {
	srv := misbehaving(t)
	ctx, cancel := context.WithCancel(t.Context())
	c, err := new(Dialer).Dial(ctx, srv.Addr(), later())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Quit(later())
	cancel()
	if reply := new(smtp.Reply); c.Do("NOOP", reply, later()) != nil || reply.Code != 250 {
		t.Errorf("NOOP behind it: %s", reply)
	}
}
