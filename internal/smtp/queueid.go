package smtp

import (
	"bytes"
	"strings"
)

// QueueID finds the connector's own name for a message in the text of its 250,
// so that a message can be followed into the connector's log; "" when the text
// holds none. It knows the words of Postfix ("Ok: queued as 4XyZ"), Exim
// ("OK id=1abc-0002-x3"), Sendmail and OpenSMTPD ("4AB… Message accepted for
// delivery"), Exchange ("<id> [InternalId=…] Queued mail for delivery"), qmail
// ("ok 1700000000 qp 4242"), Dovecot's LMTP ("<rcpt> ON2hKjoEA2tf:T2 Saved") and of
// weir's kin ("queued as").
func (r *Reply) QueueID() string {
	if bytes.IndexByte(r.text, '\n') < 0 {
		return string(queueID(r.text))
	}
	return string(queueID(bytes.ReplaceAll(r.text, []byte{'\n'}, []byte{' '})))
}

func queueID(text []byte) []byte {
	if _, after, ok := bytes.Cut(text, []byte("queued as ")); ok {
		return firstWord(after)
	}
	if after, ok := bytes.CutPrefix(text, []byte("id=")); ok {
		return firstWord(after)
	}
	if _, after, ok := bytes.Cut(text, []byte(" id=")); ok {
		return firstWord(after)
	}
	if before, _, ok := bytes.Cut(text, []byte(" Message accepted for delivery")); ok {
		return lastWord(before)
	}
	if bytes.Contains(text, []byte("Queued mail for delivery")) {
		return firstWord(text)
	}
	if before, ok := bytes.CutSuffix(text, []byte(" Saved")); ok && bytes.HasPrefix(text, []byte{'<'}) {
		return lastWord(before)
	}
	if _, after, ok := bytes.Cut(text, []byte(" qp ")); ok {
		return firstWord(after)
	}
	return nil
}

func firstWord(s []byte) []byte {
	word, _, _ := bytes.Cut(bytes.TrimSpace(s), []byte{' '})
	for len(word) > 0 && strings.IndexByte(".,;)", word[len(word)-1]) >= 0 {
		word = word[:len(word)-1]
	}
	return word
}

func lastWord(s []byte) []byte {
	s = bytes.TrimSpace(s)
	return s[bytes.LastIndexByte(s, ' ')+1:]
}
