package haproxy

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// line is one line of the file as words. It has at least one.
type line struct {
	number    int
	words     []string
	inherited bool // it stands in a defaults section
}

// text is the line as people would write it.
func (l line) text() string { return strings.Join(l.words, " ") }

// is reports whether the line begins with these words.
func (l line) is(words ...string) bool {
	return len(l.words) >= len(words) && slices.Equal(l.words[:len(words)], words)
}

// arg is the word at a place, or "".
func (l line) arg(i int) string {
	if i < len(l.words) {
		return l.words[i]
	}
	return ""
}

// section is a part of the file that begins with a keyword of its own.
type section struct {
	line       // its first
	kind, name string
	lines      []line // those of its defaults first
}

// isSection reports whether a word begins a section.
func isSection(word string) bool {
	return slices.Contains([]string{
		"global", "defaults", "frontend", "backend", "listen", "resolvers", "peers", "mailers", "userlist", "program", "ring", "cache",
		"http-errors", "fcgi-app", "log-forward", "log-profile", "crt-store", "traces", "acme",
	}, word)
}

// parse takes the file apart. The error holds every mistake with its place.
func parse(name string, data []byte) ([]*section, error) {
	var all []*section
	var bad []error
	var defaults *section
	named := map[string]*section{}
	number := 0
	for text := range bytes.Lines(bytes.TrimPrefix(data, []byte("\ufeff"))) {
		number++
		found, err := words(string(text))
		if err != nil {
			bad = append(bad, fmt.Errorf("%s:%d: %w", name, number, err))
		}
		if len(found) == 0 || strings.HasPrefix(found[0], ".") { // conditions are not followed
			continue
		}
		l := line{number: number, words: found}
		switch {
		case isSection(found[0]):
			s := &section{line: l, kind: found[0], name: l.arg(1)}
			inherit(s, defaults, named)
			if s.kind == "defaults" {
				defaults = s
				named[s.name] = s
			}
			all = append(all, s)
		case len(all) == 0:
			bad = append(bad, fmt.Errorf("%s:%d: %q stands before the first section; this is no haproxy.cfg", name, number, printable(found[0])))
			return nil, errors.Join(bad...)
		default:
			s := all[len(all)-1]
			s.lines = append(s.lines, l)
		}
	}
	return all, errors.Join(bad...)
}

// inherit gives a section the lines of the defaults that it names with "from",
// or else of those last seen.
func inherit(s, last *section, named map[string]*section) {
	from := last
	if s.kind == "defaults" {
		from = nil
	}
	if i := slices.Index(s.words, "from"); i > 0 {
		from = named[s.arg(i+1)]
	}
	proxy := s.kind == "frontend" || s.kind == "backend" || s.kind == "listen"
	if from == nil || !proxy && s.kind != "defaults" {
		return
	}
	for _, l := range from.lines {
		l.inherited = true
		s.lines = append(s.lines, l)
	}
}

// last is the last line of a section that begins with these words.
func (s *section) last(words ...string) (line, bool) {
	for _, l := range slices.Backward(s.lines) {
		if l.is(words...) {
			return l, true
		}
	}
	return line{}, false
}

// first is the first line of a section that begins with a word.
func (s *section) first(word string) (line, bool) {
	for _, l := range s.lines {
		if l.is(word) {
			return l, true
		}
	}
	return line{}, false
}
