package haproxy

import (
	"errors"
	"strings"
	"unicode"
)

// maxWords bounds a line, as HAProxy itself does.
const maxWords = 256

// words splits a line as HAProxy does: at blanks, outside quotes, up to a "#".
// A backslash takes the next character as it is, but within single quotes.
// Variables are left as they are written.
func words(line string) ([]string, error) {
	var all []string
	var word strings.Builder
	inWord, escaped, quote := false, false, rune(0)
	end := func() {
		if inWord {
			all = append(all, word.String())
			word.Reset()
			inWord = false
		}
	}
	for _, r := range line {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, inWord = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '"' || r == '\'':
			quote, inWord = r, true
		case r == '#':
			end()
			return all, nil
		case unicode.IsSpace(r):
			end()
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	if quote != 0 {
		return nil, errors.New("a quote has no end; close it on the same line")
	}
	end()
	if len(all) > maxWords {
		return nil, errors.New("more words on a line than HAProxy takes; this is no haproxy.cfg")
	}
	return all, nil
}

// clean puts a hyphen for every character that weir's names do not have, and
// cuts what is too long.
func clean(s string) string {
	const most = 56 // of 64, with room for a number
	s = strings.Map(func(r rune) rune {
		if 'a' <= r|0x20 && r|0x20 <= 'z' && r < 0x80 || '0' <= r && r <= '9' || strings.ContainsRune("._:-", r) {
			return r
		}
		return '-'
	}, s)
	if s == "" {
		return "unnamed"
	}
	return s[:min(len(s), most)]
}

// printable is a text that can stand in a comment.
func printable(s string) string {
	const most = 160 // characters
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) && r != unicode.ReplacementChar {
			return r
		}
		return '?'
	}, strings.ToValidUTF8(s, "?"))
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + " …"
	}
	return s
}
