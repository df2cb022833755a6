package smtp

import "bytes"

// QueueID finds the connector's own name for a message in the text of its 250,
// so that a message can be followed into the connector's log; "" when the text
// holds none. It knows the words of Postfix ("Ok: queued as 4XyZ"), Exim
// ("OK id=1abc-0002-x3"), Sendmail and OpenSMTPD ("4AB… Message accepted for
// delivery"), Exchange ("<id> [InternalId=…] Queued mail for delivery"), qmail
// ("ok 1700000000 qp 4242"), Dovecot's LMTP ("<rcpt> ON2hKjoEA2tf:T2 Saved") and of
// weir's kin ("queued as").
func (r *Reply) QueueID() string {
	var space [512]byte // most replies are shorter, and cost no memory of their own
	text := append(space[:0], r.text...)
	for i, b := range text {
		if b == '\n' {
			text[i] = ' '
		}
	}
	return string(queueID(text))
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
	return bytes.TrimRight(word, ".,;)")
}

func lastWord(s []byte) []byte {
	s = bytes.TrimSpace(s)
	return s[bytes.LastIndexByte(s, ' ')+1:]
}
