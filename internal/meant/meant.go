// Package meant guesses which of the known words somebody meant who wrote one that
// nobody knows. It is a room of its own because the config, the simulator and the
// command line all ask that, and must not import each other. It knows nothing of
// what the words mean.
package meant

import "strings"

// Word returns the known word that was probably meant, or "": the one that takes the
// fewest edits, where these are at most a third of the shorter word's length, or one.
// Case, blanks, "-" and "_" make no difference.
func Word(word string, known []string) string {
	best, distance := "", 0
	for _, k := range known {
		n := edits(plain(word), plain(k))
		if n <= max(1, min(len(word), len(k))/3) && n < len(word) && (best == "" || n < distance) {
			best, distance = k, n
		}
	}
	return best
}

// Alike reports whether two words differ in nothing that counts, see [Word].
func Alike(a, b string) bool { return plain(a) == plain(b) }

// plain drops what people vary: case, and the sign between words.
func plain(s string) string {
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
