package smtp

import (
	"bytes"
	"strings"
)

// maxHeaderLine is how much of a header line is looked at. Longer lines are
// legal for neither of the fields that matter here.
const maxHeaderLine = 1000

// Headers watches the header section of a message as it passes by. It counts
// Received fields, finds weir's own token in them, and remembers the message id.
type Headers struct {
	// Token marks Received lines of weir's own; empty: none is looked for.
	Token string

	Received  int    // Received fields so far
	Own       int    // of these, fields with the token
	MessageID string // value of the Message-ID field; empty when none was seen

	line  []byte // an unfinished line, at most maxHeaderLine octets of it
	part  bool   // line is in use
	field headerField
	done  bool
}

type headerField uint8

const (
	fieldOther headerField = iota
	fieldReceived
	fieldOwn // a Received field whose token was counted already
	fieldMessageID
)

// Reset prepares for another message and keeps the buffer.
func (h *Headers) Reset(token string) {
	*h = Headers{Token: token, line: h.line[:0]}
}

// Write looks at the next octets of the content, in lines that end in CRLF. It
// costs nothing once the header section has ended.
func (h *Headers) Write(p []byte) {
	for len(p) > 0 && !h.done {
		line, rest, whole := bytes.Cut(p, []byte{'\n'})
		p = rest
		if !whole {
			h.keep(line)
			return
		}
		if h.part {
			h.keep(line)
			line = h.line
		}
		h.look(bytes.TrimSuffix(line, []byte{'\r'}))
		h.part, h.line = false, h.line[:0]
	}
}

func (h *Headers) keep(p []byte) {
	h.part = true
	h.line = append(h.line, p[:min(len(p), maxHeaderLine-len(h.line))]...)
}

func (h *Headers) look(line []byte) {
	line = line[:min(len(line), maxHeaderLine)]
	if len(line) == 0 {
		h.done = true
		return
	}
	if line[0] != ' ' && line[0] != '\t' {
		h.field = fieldOther
		name, value, whole := bytes.Cut(line, []byte{':'})
		switch name = bytes.TrimRight(name, " \t"); { // blanks there are obsolete and must be understood: RFC 5322 section 4.5.8
		case !whole:
		case equalFold(name, "RECEIVED"):
			h.field = fieldReceived
			h.Received++
		case equalFold(name, "MESSAGE-ID"):
			h.field = fieldMessageID
			line = value
		}
	}
	switch h.field {
	case fieldReceived:
		if h.Token != "" && bytes.Contains(line, []byte(h.Token)) {
			h.field = fieldOwn
			h.Own++
		}
	case fieldMessageID:
		if value := strings.TrimSpace(string(line)); h.MessageID == "" {
			h.MessageID = value
		}
	}
}

func hasFold(line []byte, upper string) bool {
	return len(line) >= len(upper) && equalFold(line[:len(upper)], upper)
}
