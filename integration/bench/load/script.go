package load

import (
	"bytes"
	"fmt"
	"math/rand/v2"
)

// stage is the reply that a connection waits for.
type stage uint8

const (
	greeting stage = iota
	ehlo
	mail
	rcpt
	data
	dot
	quit
	idle // none: it has nothing to say
	shut // it is not open
	stages
)

var stageNames = [stages]string{"greeting", "EHLO", "MAIL", "RCPT", "DATA", "final dot", "QUIT", "idle", "closed"}

// wanted is the reply code of each stage.
var wanted = [stages]int{greeting: 220, ehlo: 250, mail: 250, rcpt: 250, data: 354, dot: 250, quit: 221}

const (
	sayMail = "MAIL FROM:<bench@sender.example>\r\n"
	sayRcpt = "RCPT TO:<box@test.example>\r\n"
	sayData = "DATA\r\n"
)

// script is what senders say, made once.
type script struct {
	hello []byte
	mail  []byte // MAIL, or the group that begins with it
	rcpt  []byte // empty: it was said with MAIL
	data  []byte
	body  []byte // content and dot
	next  []byte // content, dot and the next group
	bye   []byte
}

func newScript(o *Options) *script {
	s := &script{hello: []byte("EHLO sender.example\r\n"), mail: []byte(sayMail), rcpt: []byte(sayRcpt), data: []byte(sayData), bye: []byte("QUIT\r\n")}
	if o.Pipeline {
		s.mail, s.rcpt, s.data = []byte(sayMail+sayRcpt+sayData), nil, nil
	}
	s.body = content(o.Size)
	if o.Group {
		s.next = append(bytes.Clone(s.body), s.mail...)
	}
	return s
}

// content is a message of size octets, or two more, and its final dot: a header, then lines of an encoded attachment, as most
// octets of mail are.
func content(size int) []byte {
	b := make([]byte, 0, size+16)
	b = fmt.Appendf(b, "From: Bench <bench@sender.example>\r\nTo: box@test.example\r\nSubject: %d octets\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: base64\r\n\r\n", size)
	random := encoded()
	for from := 0; len(b) < size-2; from = (from + lineLength) % len(random) {
		n := min(lineLength, size-2-len(b))
		b = append(append(b, random[from:from+n]...), "\r\n"...)
	}
	return append(b, ".\r\n"...)
}

const lineLength = 76

// encoded is a thousand lines of random base64, without their ends; larger contents repeat them.
func encoded() []byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	random := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, 1000*lineLength)
	for i := range b {
		b[i] = alphabet[random.IntN(len(alphabet))]
	}
	return b
}
