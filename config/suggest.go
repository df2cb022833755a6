package config

import "strings"

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
			if plainWord(below.key) == plainWord(key) {
				return "it belongs under " + quoted(f.key)
			}
		}
	}
	return "known keys here: " + strings.Join(known, ", ")
}

// nearest returns the word that was probably meant, or "".
func nearest(word string, known []string) string {
	best, distance := "", 0
	for _, k := range known {
		n := edits(plainWord(word), plainWord(k))
		if n <= max(1, min(len(word), len(k))/3) && n < len(word) && (best == "" || n < distance) {
			best, distance = k, n
		}
	}
	return best
}

// plainWord drops what people vary: case, and the sign between words.
func plainWord(s string) string {
	return strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(s))
}

// edits is the number of letters to insert, remove, replace or swap with their
// neighbour to make b of a (optimal string alignment).
func edits(a, b string) int {
	var before, above []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, above, row = above, row, make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			same := 1
			if a[i-1] == b[j-1] {
				same = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+same)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
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
