package history

import (
	"encoding/binary"
	"math"
	"net/netip"
	"time"
)

// Bounds of what is kept of one transaction. A sender chooses most of the words,
// and may choose long ones.
const (
	maxText  = 320 // bytes of any text: an address has no more (RFC 5321 section 4.5.3.1)
	maxReply = 512 // bytes of the reply
	maxRcpts = 20
	maxTries = 8
)

// Fields are packed one behind the other: numbers as varints, texts behind their
// lengths. The functions append, so that the caller's memory may be its stack's.

func text[T string | []byte](out []byte, s T, most int) []byte {
	s = s[:min(len(s), most)]
	if len(s) < 1<<7 { // most, and then the length is an octet
		return append(append(out, byte(len(s))), s...)
	}
	return append(binary.AppendUvarint(out, uint64(len(s))), s...)
}

// room is at least what [pack] appends.
func room(t *Transaction) int {
	n := numbers
	for _, s := range [...]int{
		len(t.ID), len(t.Session), len(t.Listener), len(t.HELO), len(t.From),
		len(t.Pool), len(t.Backend), len(t.Stage), len(t.By), len(t.RemoteID), len(t.MessageID), len(t.Outcome),
	} {
		n += roomFor(s, maxText)
	}
	for i := range t.Rcpts[:min(len(t.Rcpts), maxRcpts)] {
		n += roomFor(len(t.Rcpts[i]), maxText)
	}
	for i := range t.Tries[:min(len(t.Tries), maxTries)] {
		n += roomFor(len(t.Tries[i].Backend), maxText) + roomFor(len(t.Tries[i].Why), maxText)
	}
	return n + roomFor(max(len(t.Reply), len(t.ReplyText)), maxReply)
}

// numbers is room for all numbers and the client.
const numbers = 8*binary.MaxVarintLen64 + clientRoom + 1

// roomFor is room for a text and its length, of two octets.
func roomFor(length, most int) int { return 2 + min(length, most) }

// pack appends a transaction to out.
func pack(out []byte, t *Transaction) []byte {
	out = binary.AppendVarint(out, t.Time.UnixNano())
	out = binary.AppendVarint(out, int64(math.Round(t.DurationMS*1000)))
	for _, s := range [...]string{t.ID, t.Session, t.Listener, t.HELO, t.From} {
		out = text(out, s, maxText)
	}
	out = packClient(out, t.Client)
	kept := t.Rcpts[:min(len(t.Rcpts), maxRcpts)]
	out = binary.AppendVarint(out, int64(max(t.RcptCount, len(t.Rcpts))))
	out = binary.AppendVarint(out, int64(len(kept)))
	for _, s := range kept {
		out = text(out, s, maxText)
	}
	tries := t.Tries[:min(len(t.Tries), maxTries)]
	out = binary.AppendVarint(out, int64(len(tries)))
	for i := range tries {
		out = text(text(out, tries[i].Backend, maxText), tries[i].Why, maxText)
	}
	if t.ReplyText != nil {
		out = text(out, t.ReplyText, maxReply)
	} else {
		out = text(out, t.Reply, maxReply)
	}
	for _, s := range [...]string{t.Pool, t.Backend, t.Stage, t.By, t.RemoteID, t.MessageID, t.Outcome} {
		out = text(out, s, maxText)
	}
	out = binary.AppendVarint(out, int64(t.Code))
	out = binary.AppendVarint(out, t.Bytes)
	return binary.AppendVarint(out, int64(t.Replays))
}

// clientRoom is room for an IPv6 address with a port and a zone; a longer zone, which
// no system has, costs the client.
const clientRoom = 64

func packClient(out []byte, client netip.AddrPort) []byte {
	at := len(out)
	out = append(out, 0) // the length, which is less than 128
	if !client.IsValid() {
		return out
	}
	out = client.AppendTo(out)
	if len(out)-at-1 > clientRoom {
		return append(out[:at], 0)
	}
	out[at] = byte(len(out) - at - 1)
	return out
}

// reader reads what was packed here, and nothing else.
type reader struct{ in []byte }

func (r *reader) number() int64 {
	n, size := binary.Varint(r.in)
	r.in = r.in[size:]
	return n
}

func (r *reader) text() string {
	length, size := binary.Uvarint(r.in)
	end := size + int(length)
	s := string(r.in[size:end])
	r.in = r.in[end:]
	return s
}

// unpack is the opposite of [pack].
func unpack(packed []byte) Transaction {
	r := reader{packed}
	t := Transaction{Time: time.Unix(0, r.number()).UTC(), DurationMS: float64(r.number()) / 1000}
	for _, s := range [...]*string{&t.ID, &t.Session, &t.Listener, &t.HELO, &t.From} {
		*s = r.text()
	}
	t.Client, _ = netip.ParseAddrPort(r.text()) // none stays none
	all := int(r.number())
	t.Rcpts = make([]string, r.number())
	for i := range t.Rcpts {
		t.Rcpts[i] = r.text()
	}
	if all > len(t.Rcpts) {
		t.RcptCount = all
	}
	t.Tries = make([]Try, r.number())
	for i := range t.Tries {
		t.Tries[i] = Try{r.text(), r.text()}
	}
	t.Reply = r.text()
	for _, s := range [...]*string{&t.Pool, &t.Backend, &t.Stage, &t.By, &t.RemoteID, &t.MessageID, &t.Outcome} {
		*s = r.text()
	}
	t.Code, t.Bytes, t.Replays = int(r.number()), r.number(), int(r.number())
	return t
}
