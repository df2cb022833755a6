package meant

import (
	"testing"

	"pgregory.net/rapid"
)

func TestWord(t *testing.T) {
	known := []string{"timeouts", "health", "tls", "reuse", "queue_timeout", "min_redundancy", "to"}
	for word, want := range map[string]string{
		"tmeouts": "timeouts", "Timeouts": "timeouts", "timeout": "timeouts", "tiemouts": "timeouts", "TLS": "tls",
		"queue-timeout": "queue_timeout", "queueTimeout": "queue_timeout", "minRedundancy": "min_redundancy",
		"x": "", "": "", "colour": "", "wait": "", "t": "", "healthcheck": "",
	} {
		if got := Word(word, known); got != want {
			t.Errorf("%q: got %q, want %q", word, got, want)
		}
	}
}

func TestEdits(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"", "abc", 3}, {"rcpt", "rctp", 1}, {"kitten", "sitting", 3}, {"ca", "abc", 3}, {"mail", "mail", 0}} {
		if got := edits(c.a, c.b); got != c.want {
			t.Errorf("%s → %s: got %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

// The distance is that of a measure: symmetric, 0 only to itself, and one edit
// changes it by at most one.
func TestEditsIsADistance(t *testing.T) {
	word := rapid.StringMatching(`[abc]{0,8}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		n := edits(a, b)
		if n != edits(b, a) || (n == 0) != (a == b) || n > max(len(a), len(b)) {
			t.Fatalf("%q → %q: %d, back %d", a, b, n, edits(b, a))
		}
		if m := edits(a+"z", b); m > n+1 || m < n-1 {
			t.Fatalf("%q → %q: %d, with one letter more %d", a, b, n, m)
		}
	})
}
