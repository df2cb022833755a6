package config

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// maxMatchFile bounds a file of patterns, in octets: room for a million of them.
const maxMatchFile = 32 << 20

// mostLines is how many wrong lines of one such file are told.
const mostLines = 20

// place is where a pattern stands: in a file, or in the config itself.
type place struct {
	file string // empty: the config
	path string
	position
}

// String is the place as an error names it beside another one.
func (p place) String() string {
	if p.file == "" {
		return fmt.Sprintf("line %d", p.line)
	}
	return fmt.Sprintf("%s:%d", p.file, p.line)
}

// reportAt is report for a place that may be in another file.
func (d *decoder) reportAt(p place, bad *fault) {
	d.report(p.position, p.path, bad)
	if p.file != "" {
		d.problems[len(d.problems)-1].File = p.file
	}
}

// readPatterns reads a file of patterns: one a line, comments behind "#". Parse says
// what is wrong with one, and readPatterns reports it; path and at are those of the
// key that names the file.
func (d *decoder) readPatterns(file, path string, at position, parse func(string) (string, *fault)) ([]string, []place) {
	data, bad := readMatchFile(file)
	if bad != nil {
		d.report(at, path, bad)
		return nil, nil
	}
	var all []string
	var places []place
	number, wrong := 0, 0
	for line := range strings.Lines(string(data)) {
		number++
		words, _, _ := strings.Cut(line, "#")
		word := strings.TrimSpace(words)
		if word == "" {
			continue
		}
		p := place{file: file, path: path, position: position{line: number, column: 1 + strings.Index(line, word)}}
		got, bad := parse(word)
		if bad != nil {
			if wrong++; wrong <= mostLines {
				d.reportAt(p, bad)
			}
			continue
		}
		all, places = append(all, got), append(places, p)
	}
	switch {
	case wrong > mostLines:
		d.report(at, path, faultf("", "%d further lines of %s are wrong", wrong-mostLines, file))
	case wrong == 0 && len(all) == 0:
		d.report(at, path, faultf("one pattern a line, for example example.com", "%s has no patterns in it", file))
	}
	return all, places
}

func readMatchFile(path string) ([]byte, *fault) {
	f, _, bad := open(path)
	if bad != nil {
		return nil, bad
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxMatchFile+1))
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	switch {
	case err != nil:
		return nil, faultf("", "%s cannot be read: %s", path, bare(err))
	case len(data) > maxMatchFile:
		return nil, faultf("", "%s is larger than 32 MiB: this is no list of domains", path)
	case !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0:
		return nil, faultf("one pattern a line, in UTF-8", "%s is not a text file", path)
	}
	return data, nil
}
