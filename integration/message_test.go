package integration

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
)

// message is one test message: its id and the digest of its body are in its own header, its id is in its envelope
// sender, so that the Maildirs and weir's log can both be asked for it.
type message struct {
	id       string
	from     string
	to       []string
	raw      []byte // with CRLF, not stuffed, perhaps without a CRLF at the end
	eightBit bool
}

var messageCount atomic.Int64

// newMessage makes a message with the given body. A body of nil makes a message that is header only, without even
// the empty line.
func newMessage(kind string, body []byte) *message {
	id := fmt.Sprintf("%s-%d", kind, messageCount.Add(1))
	m := &message{id: id, from: id + "@sender.example", to: []string{"box@test.example"}}
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: <%s>\r\nTo: <box@test.example>\r\nSubject: weir integration %s\r\n", m.from, kind)
	fmt.Fprintf(&b, "Message-ID: <%s@weir.test>\r\nX-Weir-Id: %s\r\nX-Weir-Digest: %s\r\n", id, id, digest(body))
	if body != nil {
		b.WriteString("\r\n")
		b.Write(body)
	}
	m.raw = b.Bytes()
	m.eightBit = bytes.ContainsFunc(body, func(r rune) bool { return r >= 0x80 })
	return m
}

// newMessageTo is newMessage for n different recipients.
func newMessageTo(kind string, body []byte, n int) *message {
	m := newMessage(kind, body)
	m.to = m.to[:0]
	for i := range n {
		m.to = append(m.to, fmt.Sprintf("box%d@test.example", i))
	}
	return m
}

// mailLine is the MAIL command. BODY is said only when it is needed, so that plain messages also prove plain servers.
func (m *message) mailLine() string {
	line := "MAIL FROM:<" + m.from + ">"
	if m.eightBit {
		line += " BODY=8BITMIME"
	}
	return line
}

// stuffed is the content as DATA carries it, with the terminator.
func (m *message) stuffed() []byte { return dotStuff(m.raw) }

// textFile is the content for senders that read a text file.
func (m *message) textFile() []byte { return bytes.ReplaceAll(m.raw, []byte("\r\n"), []byte("\n")) }

// withEmptyLine is the message whose digest reckons with the empty line that smtp-source adds before its final dot.
func (m *message) withEmptyLine() *message {
	header, body, _ := bytes.Cut(m.raw, []byte("\r\n\r\n"))
	header = bytes.Replace(header, []byte(digest(body)), []byte(digest(append(bytes.Clone(body), "\r\n"...))), 1)
	longer := *m
	longer.raw = slices.Concat(header, []byte("\r\n\r\n"), body)
	return &longer
}

// canonical is what transport may not change: line ends are LF, and a last line without an end gets one.
func canonical(body []byte) []byte {
	body = bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n"))
	if len(body) > 0 && body[len(body)-1] != '\n' {
		body = append(bytes.Clone(body), '\n')
	}
	return body
}

// digest names a body, after transport normalisation.
func digest(body []byte) string {
	sum := sha256.Sum256(canonical(body))
	return hex.EncodeToString(sum[:])
}

// filler is n octets of readable lines, with a true line end at its end.
func filler(n int) []byte {
	const line = "The quick brown fox jumps over the lazy dog while the connectors share the mail.\r\n"
	whole := max(0, n/len(line)-1)
	b := bytes.Repeat([]byte(line), whole)
	b = append(b, strings.Repeat("x", max(0, n-len(b)-2))...)
	return append(b, '\r', '\n')
}

// bodyCase is a body that has broken some relay before.
type bodyCase struct {
	name string
	body []byte // nil: header only
	// bdatOnly: DATA cannot express it.
	bdatOnly bool
}

// bodyCases are the bodies that every sender which can express them must get through, byte for byte.
func bodyCases() []bodyCase {
	long := strings.Repeat("x", 998)
	return []bodyCase{
		{name: "plain", body: []byte("Hello.\r\n")},
		{name: "dots", body: []byte(".\r\n..\r\n.foo\r\n...\r\n\r\n.\r\n. \r\nend\r\n")},
		{name: "dot-last", body: []byte("text\r\n\r\n.\r\n")},
		{name: "8bit", body: eightBits()},
		{name: "998", body: []byte(long + "\r\n." + long[1:] + "\r\n" + long + "\r\n")},
		{name: "empty", body: []byte{}},
		{name: "headers-only", body: nil},
		{name: "blank-lines", body: []byte("\r\n\r\n\r\ntext\r\n\r\n\r\n")},
		{name: "no-newline", body: []byte("the last line has no end"), bdatOnly: true},
		{name: "no-newline-dot", body: []byte("text\r\n."), bdatOnly: true},
		{name: "200k", body: filler(200 << 10)},
	}
}

// eightBits has every octet from 0x80 up, and UTF-8.
func eightBits() []byte {
	var b bytes.Buffer
	for range 8 {
		for c := 0x80; c <= 0xff; c++ {
			b.WriteByte(byte(c))
		}
		b.WriteString("\r\n")
	}
	b.WriteString("Grüße, 日本語\r\n")
	return b.Bytes()
}
