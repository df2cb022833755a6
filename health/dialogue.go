package health

import (
	"bytes"
	"errors"
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

// tap keeps the dialogue of a probe. It is a [connector.Transcript].
type tap struct {
	began time.Time
	lines []Line
	rest  []byte // received, of a line that is not complete yet
}

// Heard implements [connector.Transcript].
func (t *tap) Heard(p []byte) {
	t.rest = t.keep(append(t.rest, p...), false)
	if len(t.rest) > maxDialogueLine {
		t.rest = t.rest[:maxDialogueLine]
	}
}

// Sent implements [connector.Transcript].
func (t *tap) Sent(p []byte) { t.keep(p, true) } // commands are written whole

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
	return errors.As(err, &failure) && failure.Err != nil && !errors.As(err, &polite) && !errors.Is(err, connector.ErrNotOffered)
}
