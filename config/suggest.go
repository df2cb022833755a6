package config

import (
	"strings"

	"weir/internal/meant"
)

// keyRemedy helps with an unknown key that looks like none of the known ones:
// it names the section where the key belongs, or else the known keys.
func keyRemedy(key string, fields []field) string {
	var known []string
	for _, f := range fields {
		known = append(known, f.key)
		if f.each != "" {
			continue
		}
		for _, below := range f.keys {
			if meant.Alike(below.key, key) {
				return "it belongs under " + quoted(f.key)
			}
		}
	}
	return "known keys here: " + strings.Join(known, ", ")
}

// quoted lists words in quotes, as "a", "b" or "c"; of very many, the first few.
func quoted(words ...string) string {
	const most = 10
	var b strings.Builder
	for i, w := range words {
		switch {
		case i == most:
			return b.String() + ", …"
		case i > 0 && i == len(words)-1:
			b.WriteString(" or ")
		case i > 0:
			b.WriteString(", ")
		}
		b.WriteString("\"" + w + "\"")
	}
	return b.String()
}
