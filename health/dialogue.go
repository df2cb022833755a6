package health

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"weir/internal/connector"
)

// Bounds of a dialogue that is kept: more than any honest one needs.
const (
	maxDialogueLines = 200
	maxDialogueLine  = 1000
)

// Line is one line of a probe's dialogue.
type Line struct {
	At   time.Duration // since the probe began
	Sent bool          // by us
	Note bool          // of ours, about the connection: not part of the dialogue
	Text string        // without CRLF and without control characters
}

// tap is a probe's connection. It keeps the dialogue that passes through it, and
// can be cut from another goroutine.
type tap struct {
	net.Conn          // what is spoken through: the wire, or TLS over it
	wire     net.Conn // set once
	began    time.Time
	lines    []Line
	rest     []byte // received, of a line that is not complete yet
}

// tapped returns a dialer whose connection goes through t.
func tapped(dialer connector.Dialer, t *tap) connector.Dialer {
	dial := dialer.DialContext
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	dialer.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		t.Conn, t.wire = conn, conn
		return t, nil
	}
	return dialer
}

// Read implements [net.Conn].
func (t *tap) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	t.rest = t.keep(append(t.rest, p[:n]...), false)
	if len(t.rest) > maxDialogueLine {
		t.rest = t.rest[:maxDialogueLine]
	}
	return n, err
}

// Write implements [net.Conn].
func (t *tap) Write(p []byte) (int, error) {
	t.keep(p, true) // commands are written whole
	return t.Conn.Write(p)
}

// CloseWrite closes our side only, where the connection can do that.
func (t *tap) CloseWrite() error {
	if half, ok := t.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// cut ends what waits on the connection at once. Unlike the rest it may be
// called from any goroutine.
func (t *tap) cut() { _ = t.wire.Close() }

// note adds a line of ours about the connection.
func (t *tap) note(text string) {
	t.lines = append(t.lines, Line{At: time.Since(t.began), Note: true, Text: printable([]byte(text))})
}

// keep takes in the complete lines of p and returns what is left.
func (t *tap) keep(p []byte, sent bool) []byte {
	for {
		line, rest, complete := bytes.Cut(p, []byte{'\n'})
		if !complete {
			return p
		}
		if len(t.lines) < maxDialogueLines {
			line = line[:min(len(line), maxDialogueLine)]
			t.lines = append(t.lines, Line{At: time.Since(t.began), Sent: sent, Text: printable(line)})
		}
		p = rest
	}
}

// printable drops controls, which could otherwise reach somebody's terminal.
func printable(line []byte) string {
	return string(bytes.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return -1
		}
		return r
	}, line))
}

// unmet is a failure of a connector that answers as it should, but does not
// offer what it is meant to.
type unmet []string

// Error implements error.
func (u unmet) Error() string {
	if len(u) == 1 {
		return u[0] + " is not offered"
	}
	return strings.Join(u, ", ") + " are not offered"
}

// outOfStep reports whether a further command could meet the answer to an
// earlier one, or nobody at all.
func outOfStep(err error) bool {
	var failure *connector.Error
	var polite unmet
	return errors.As(err, &failure) && failure.Err != nil && !errors.As(err, &polite)
}
