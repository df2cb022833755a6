package health

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"weir/internal/backend"
	"weir/internal/connector"
)

func depthOf(t *testing.T, name string) Depth {
	t.Helper()
	depth, ok := ParseDepth(name)
	if !ok {
		t.Fatalf("no depth %q", name)
	}
	return depth
}

// Every dialogue of testdata is judged as it says there, and left politely (P37).
func TestDialogues(t *testing.T) {
	for name, s := range loadScripts(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, played := s.listen(t)
			timeout, err := time.ParseDuration(s.keys["timeout"])
			if err != nil {
				t.Fatal(err)
			}
			cfg := Config{Probe: depthOf(t, s.keys["depth"]), To: s.keys["to"], Timeout: timeout}
			if keywords := s.keys["expect"]; keywords != "" {
				cfg.Expect.Capabilities = strings.Fields(keywords)
			}
			if days := s.keys["certificate-days"]; days != "" {
				cfg.Expect.CertificateDays, _ = strconv.Atoi(days)
			}
			prober := NewProber(cfg, connector.Dialer{Hostname: "weir.test"})

			report, err := prober.Probe(t.Context(), backend.Spec{Pool: "p", Name: "a", Address: address})
			if got := resultOf(err); got != s.keys["want"] {
				t.Errorf("got %q, want %q", got, s.keys["want"])
			}
			if err := <-played; err != nil {
				t.Errorf("the connector's side: %v", err)
			}
			checkReport(t, s, cfg, report, err)
		})
	}
}

func resultOf(err error) string {
	if err == nil {
		return "passes"
	}
	return err.Error()
}

func checkReport(t *testing.T, s script, cfg Config, r Report, err error) {
	t.Helper()
	if r.Depth != cfg.Probe || r.Began.IsZero() || r.Took <= 0 || r.Stages[r.Stage] <= 0 {
		t.Errorf("the report is not filled in: %+v", r)
	}
	var failure *connector.Error
	if errors.As(err, &failure) && failure.Stage != r.Stage {
		t.Errorf("failed at %s, but the report ends at %s", failure.Stage, r.Stage)
	}
	if want, ok := s.keys["capabilities"]; ok {
		got := r.Capabilities.Ext.String()
		if r.Capabilities.Size > 0 {
			got += fmt.Sprint(" ", r.Capabilities.Size)
		}
		if want == "none" {
			want = ""
		}
		if got != want || !r.Capabilities.Known {
			t.Errorf("capabilities %q (known %t), want %q", got, r.Capabilities.Known, want)
		}
	}
	if want, ok := s.keys["offers"]; ok && strings.Join(r.Offers, " ") != want {
		t.Errorf("offers %q, want %q", r.Offers, want)
	}
	if !strings.HasPrefix(r.Remark, s.keys["remark"]) || s.keys["remark"] == "" && r.Remark != "" {
		t.Errorf("remark %q, want %q", r.Remark, s.keys["remark"])
	}
	if want := s.keys["rcpt"]; want != "" && strconv.Itoa(r.Rcpt.Code) != want {
		t.Errorf("RCPT was answered %d, want %s", r.Rcpt.Code, want)
	}
	if got, want := spoken(r.Dialogue), s.spoken(); !reads(got, want) {
		t.Errorf("the dialogue reads\n%s\nwant\n%s", got, want)
	}
}

// reads reports whether the dialogue begins as it should; of a line that ends in
// "…" only the beginning is known.
func reads(got, want string) bool {
	lines := strings.Split(got, "\n")
	for i, w := range strings.Split(strings.TrimSuffix(want, "\n"), "\n") {
		begin, open := strings.CutSuffix(w, "…")
		if i >= len(lines) || !open && lines[i] != w || !strings.HasPrefix(lines[i], begin) {
			return false
		}
	}
	return true
}

func spoken(lines []Line) string {
	var out strings.Builder
	last := time.Duration(0)
	for _, l := range lines {
		if l.Note {
			continue
		}
		who := "S: "
		if l.Sent {
			who = "C: "
		}
		if l.At < last {
			who = "out of order: " + who
		}
		last = l.At
		out.WriteString(who + l.Text + "\n")
	}
	return out.String()
}

// spoken is the dialogue as the script has it, with the pieces joined.
func (s script) spoken() string {
	var out, piece strings.Builder
	for _, step := range s.steps {
		switch {
		case strings.HasPrefix(step, "S... "):
			piece.WriteString(step[len("S... "):])
		case strings.HasPrefix(step, "S: "):
			out.WriteString("S: " + piece.String() + step[len("S: "):] + "\n")
			piece.Reset()
		case strings.HasPrefix(step, "C: "):
			out.WriteString(step + "\n")
		case strings.HasPrefix(step, "C... "):
			out.WriteString("C: " + step[len("C... "):] + "…\n")
		}
	}
	return out.String()
}

func TestConnectionRefused(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = ln.Close()
	prober := NewProber(Config{Probe: DepthEnvelope, Timeout: time.Hour}, connector.Dialer{})
	report, err := prober.Probe(t.Context(), backend.Spec{Address: ln.Addr().String()})
	if resultOf(err) != "connect: connection refused" || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("got %v", err)
	}
	if report.Stage != backend.StageConnect || report.Capabilities.Known || len(report.Dialogue) != 0 {
		t.Errorf("got %+v", report)
	}
}

// A stage has the pool's timeout for it, however long the whole probe may take.
func TestStageTimeouts(t *testing.T) {
	s := loadScripts(t)["rcpt-mute"]
	address, played := s.listen(t)
	dialer := connector.Dialer{Hostname: "weir.test"}
	dialer.Timeouts[backend.StageRcpt] = 50 * time.Millisecond
	prober := NewProber(Config{Probe: DepthEnvelope, To: "postmaster", Timeout: time.Hour}, dialer)
	_, err := prober.Probe(t.Context(), backend.Spec{Address: address})
	if resultOf(err) != "rcpt: no answer in time" {
		t.Errorf("got %v", err)
	}
	if err := <-played; err != nil {
		t.Errorf("the connector's side: %v", err)
	}
}

// A probe that waits ends with its context, at whatever stage it is.
func TestProbeEndsWithItsContext(t *testing.T) {
	for _, greeting := range []string{"", "220-mx\r\n", "220 mx\r\n", "220 mx\r\n250 mx\r\n"} {
		t.Run(fmt.Sprintf("%q", greeting), func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			theirs, ours := net.Pipe()
			dialer := connector.Dialer{DialContext: func(context.Context, string, string) (net.Conn, error) { return ours, nil }}
			prober := NewProber(Config{Probe: DepthEnvelope, Timeout: time.Hour}, dialer)
			go func() {
				defer cancel()
				for line := range strings.Lines(greeting) {
					_, _ = io.WriteString(theirs, line)
					if strings.HasPrefix(line, "220 ") || strings.HasPrefix(line, "250 ") {
						_, _ = theirs.Read(make([]byte, 100))
					}
				}
			}()
			if _, err := prober.Probe(ctx, backend.Spec{Address: "192.0.2.1:25"}); err == nil {
				t.Error("a probe that was cut passed")
			}
			if _, err := theirs.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Errorf("the connection is still open: %v", err)
			}
		})
	}
}

// A dial that hangs ends when the probe's time is over.
func TestConnectHasTheProbesTimeout(t *testing.T) {
	dialer := connector.Dialer{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	prober := NewProber(Config{Timeout: 20 * time.Millisecond}, dialer)
	if _, err := prober.Probe(t.Context(), backend.Spec{}); resultOf(err) != "connect: no answer in time" {
		t.Errorf("got %v", err)
	}
}

// A connector that never stops talking is bounded, and so is what is kept of it.
func TestEndlessBanner(t *testing.T) {
	theirs, ours := net.Pipe()
	go func() {
		for {
			if _, err := io.WriteString(theirs, "220-still\x1b[31m here\r\n"+strings.Repeat("220-x\r\n", 50)); err != nil {
				return
			}
		}
	}()
	dialer := connector.Dialer{DialContext: func(context.Context, string, string) (net.Conn, error) { return ours, nil }}
	prober := NewProber(Config{Probe: DepthBanner, Timeout: time.Hour}, dialer)
	report, err := prober.Probe(t.Context(), backend.Spec{})
	if err == nil || len(report.Dialogue) > maxDialogueLines {
		t.Errorf("got %v after %d lines", err, len(report.Dialogue))
	}
	if got := report.Dialogue[0].Text; got != "220-still[31m here" {
		t.Errorf("control characters are kept: %q", got)
	}
	_ = theirs.Close()
}
