package app

import "strings"

// masked is what stands in the place of an address's local part.
const masked = "***"

// maskAddress hides the local part of an address; the null sender stays empty.
func maskAddress(addr string) string {
	if addr == "" {
		return ""
	}
	if at := strings.LastIndexByte(addr, '@'); at >= 0 {
		return masked + addr[at:]
	}
	return masked
}

func maskAddresses(addrs []string) []string {
	out := make([]string, len(addrs))
	for i, a := range addrs {
		out[i] = maskAddress(a)
	}
	return out
}

// maskText hides the local parts of addresses in running text, such as a
// connector's reply that repeats the recipient.
func maskText(text string) string {
	if strings.IndexByte(text, '@') < 0 {
		return text
	}
	var b strings.Builder
	for {
		at := strings.IndexByte(text, '@')
		if at < 0 {
			b.WriteString(text)
			return b.String()
		}
		start := localStart(text[:at])
		b.WriteString(text[:start])
		if start < at {
			b.WriteString(masked)
		}
		b.WriteByte('@')
		text = text[at+1:]
	}
}

// localStart returns where the local part begins that ends at the end of text:
// at its opening quote, or behind the last octet that no dot-string may hold
// (RFC 5321 section 4.1.2).
func localStart(text string) int {
	if strings.HasSuffix(text, `"`) {
		if open := strings.LastIndexByte(text[:len(text)-1], '"'); open >= 0 {
			return open
		}
	}
	return strings.LastIndexAny(text, " \t<>()[],;:\"\\@") + 1
}
