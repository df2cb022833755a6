package smtp

import "strings"

// QueueID finds the connector's own name for a message in the text of its 250,
// so that a message can be followed into the connector's log; "" when the text
// holds none. It knows the words of Postfix ("Ok: queued as 4XyZ"), Exim
// ("OK id=1abc-0002-x3"), Sendmail and OpenSMTPD ("4AB… Message accepted for
// delivery"), Exchange ("<id> [InternalId=…] Queued mail for delivery"), qmail
// ("ok 1700000000 qp 4242"), Dovecot's LMTP ("<rcpt> ON2hKjoEA2tf:T2 Saved") and of
// weir's kin ("queued as").
func QueueID(text string) string {
	if _, after, ok := strings.Cut(text, "queued as "); ok {
		return firstWord(after)
	}
	if _, after, ok := strings.Cut(" "+text, " id="); ok {
		return firstWord(after)
	}
	if before, _, ok := strings.Cut(text, " Message accepted for delivery"); ok {
		return lastWord(before)
	}
	if strings.Contains(text, "Queued mail for delivery") {
		return firstWord(text)
	}
	if before, ok := strings.CutSuffix(text, " Saved"); ok && strings.HasPrefix(text, "<") {
		return lastWord(before)
	}
	if _, after, ok := strings.Cut(text, " qp "); ok {
		return firstWord(after)
	}
	return ""
}

func firstWord(s string) string {
	word, _, _ := strings.Cut(strings.TrimSpace(s), " ")
	return strings.TrimRight(word, ".,;)")
}

func lastWord(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, ' ')+1:]
}
