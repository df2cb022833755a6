package connector

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/backend"
	"weir/internal/faulty"
)

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// says makes a connector that takes a connection, says what is given and then
// nothing; in fake time, which a pipe can live in.
func says(text string) func(*testing.T) dialFunc {
	return func(t *testing.T) dialFunc {
		return func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			t.Cleanup(func() { theirs.Close() })
			go func() {
				if text != "" { // a pipe hands an empty write on
					_, _ = theirs.Write([]byte(text))
				}
				_ = untilLeft(theirs)
			}()
			return ours, nil
		}
	}
}

// unreachable is one that does not even take the connection.
func unreachable(*testing.T) dialFunc {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
}

// Each stage has its own time, and all of them together end at the deadline.
func TestDialDeadlines(t *testing.T) {
	timeouts := Timeouts{}
	timeouts[backend.StageConnect], timeouts[backend.StageBanner], timeouts[backend.StageEHLO] = 5*time.Second, 20*time.Second, 30*time.Second
	tests := []struct {
		name     string
		dial     func(*testing.T) dialFunc
		timeouts Timeouts
		deadline time.Duration
		stage    backend.Stage
		want     time.Duration
	}{
		{"connect", unreachable, timeouts, ample, backend.StageConnect, 5 * time.Second},
		{"connect, sooner", unreachable, timeouts, 2 * time.Second, backend.StageConnect, 2 * time.Second},
		{"connect, no timeout", unreachable, Timeouts{}, ample, backend.StageConnect, ample},
		{"banner", says(""), timeouts, ample, backend.StageBanner, 20 * time.Second},
		{"half a banner", says("220-mx1\r\n220"), timeouts, ample, backend.StageBanner, 20 * time.Second},
		{"banner, sooner", says(""), timeouts, 7 * time.Second, backend.StageBanner, 7 * time.Second},
		{"banner, no timeout", says(""), Timeouts{}, ample, backend.StageBanner, ample},
		{"EHLO", says("220 mx1\r\n"), timeouts, ample, backend.StageEHLO, 30 * time.Second},
		{"half of EHLO", says("220 mx1\r\n250-mx1\r\n"), timeouts, ample, backend.StageEHLO, 30 * time.Second},
		{"HELO", says("220 mx1\r\n500 what\r\n"), timeouts, ample, backend.StageEHLO, 30 * time.Second},
		{"EHLO, sooner", says("220 mx1\r\n"), timeouts, 9 * time.Second, backend.StageEHLO, 9 * time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := Dialer{Timeouts: test.timeouts, DialContext: test.dial(t)}
				start := time.Now()
				_, err := d.Dial(t.Context(), "mx1:25", start.Add(test.deadline))
				e := wantError(t, err, test.stage, test.stage.String()+": no answer in time")
				if took := time.Since(start); took != test.want || !IsTimeout(e.Err) || e.Reply.Code != 0 {
					t.Errorf("%v after %s, want %s", e.Err, took, test.want)
				}
			})
		})
	}
}

// The same on a real socket.
func TestDialDeadlinesOnSockets(t *testing.T) {
	for _, stage := range []faulty.Stage{faulty.Banner, faulty.EHLO} {
		for _, action := range []faulty.Action{faulty.Mute, faulty.StopReading} {
			srv := misbehaving(t, faulty.At(stage, action))
			at := map[faulty.Stage]backend.Stage{faulty.Banner: backend.StageBanner, faulty.EHLO: backend.StageEHLO}[stage]
			var d Dialer
			d.Timeouts[at] = short
			_, err := d.Dial(t.Context(), srv.Addr(), later())
			wantError(t, err, at, string(stage)+": no answer in time")
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: %v", stage, err)
			}
		}
	}
}
