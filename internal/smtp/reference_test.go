package smtp

import (
	"bytes"
	"strings"
)

// The content rules of P19 once more: slow, over the whole message at once, and
// written from the rule rather than from the code.

// endOfData returns where the content ends, where its terminator ends, and
// whether there is one: the first CRLF.CRLF, where the beginning counts as
// behind a CRLF.
func endOfData(in string) (content, terminator int, ok bool) {
	i := strings.Index("\r\n"+in, "\r\n.\r\n")
	return i, i + len(".\r\n"), i >= 0
}

// unstuffed takes the first dot off every line, where only CRLF ends a line.
func unstuffed(in string) string {
	lines := strings.Split(in, "\r\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], ".")
	}
	return strings.Join(lines, "\r\n")
}

// mended makes a bare LF a CRLF and a bare CR a space, an octet at a time.
func mended(in string) (out string, bare bool) {
	var b strings.Builder
	for i := range len(in) {
		switch {
		case in[i] == '\n' && (i == 0 || in[i-1] != '\r'):
			b.WriteString("\r\n")
			bare = true
		case in[i] == '\r' && (i+1 == len(in) || in[i+1] != '\n'):
			b.WriteByte(' ')
			bare = true
		default:
			b.WriteByte(in[i])
		}
	}
	return b.String(), bare
}

// restuffed puts a dot in front of every line that starts with one, or with NULs
// and then one; but behind the NULs if they are more than held.
func restuffed(content string, held int) string {
	lines := strings.Split(content, "\r\n")
	for i, line := range lines {
		rest := strings.TrimLeft(line, "\x00")
		nuls := line[:len(line)-len(rest)]
		switch {
		case !strings.HasPrefix(rest, "."):
		case len(nuls) > held:
			lines[i] = nuls + "." + rest
		default:
			lines[i] = "." + line
		}
	}
	return strings.Join(lines, "\r\n")
}

// terminated ends the last line, as the terminating dot needs a line of its own.
func terminated(content string) string {
	if content == "" || strings.HasSuffix(content, "\r\n") {
		return content
	}
	return content + "\r\n"
}

// endForms are what some server somewhere takes for the end of data, the true
// one among them.
func endForms() []string {
	return []string{
		"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r.\r\n", "\r\n.\r", "\r\n.\r\r\n", "\n.\r", "\r.\n", "\n\r.\r\n", "\r\n.\n\r",
		"\r\n\x00.\r\n", "\r\n.\x00\r\n", "\r\n.\r\x00\n", "\r\x00\n.\r\n", "\r\n\x00.\x00\r\n", "\n\x00.\n", "\n.\x00\n",
		"\r\n.\r\n", "\r\n.\x00\r\x00\n", "\r\n\x00\x00.\r\n", "\x00\r\n\x00.\x00\r\n",
	}
}

// seenBy is where a connector that takes form for the end of data, and deletes
// NULs first if strip is set, finds it in a DATA stream; below 0: nowhere.
func seenBy(stream []byte, form string, strip bool) int {
	heard := append([]byte("\r\n"), stream...)
	if strip {
		heard = bytes.ReplaceAll(heard, []byte{0}, nil)
	}
	return bytes.Index(heard, []byte(form))
}
