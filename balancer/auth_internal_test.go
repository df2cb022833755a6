package balancer

import (
	"slices"
	"strings"
	"testing"

	"weir/internal/backend"
)

// TestMechanisms (P34, P30): what is announced is what all connectors have that were
// seen, without what is no name, within a line that every client reads.
func TestMechanisms(t *testing.T) {
	var many []string
	for i := range 26 {
		many = append(many, strings.Repeat(string(rune('A'+i)), 20))
	}
	for _, c := range []struct {
		name    string
		offered []string // by connector; "?" is one that was never seen
		want    string
	}{
		{"nobody", nil, ""},
		{"nobody seen", []string{"?", "?"}, ""},
		{"one", []string{"PLAIN LOGIN"}, "LOGIN PLAIN"},
		{"alike", []string{"PLAIN LOGIN", "LOGIN PLAIN"}, "LOGIN PLAIN"},
		{"one is not known yet", []string{"?", "PLAIN"}, "PLAIN"},
		{"one has none", []string{"PLAIN", ""}, ""},
		{"three", []string{"PLAIN LOGIN CRAM-MD5", "CRAM-MD5 PLAIN", "PLAIN NTLM CRAM-MD5"}, "CRAM-MD5 PLAIN"},
		{"bound to the channel", []string{"PLAIN EXTERNAL SCRAM-SHA-1-PLUS SCRAM-SHA-1"}, "PLAIN SCRAM-SHA-1"},
		{"no names", []string{"PLAIN A;B =LOGIN ABCDEFGHIJKLMNOPQRSTU Ä"}, "PLAIN"},
		{"too many", []string{strings.Join(many, " ")}, strings.Join(many[:22], " ")},
	} {
		var p backend.Pool
		for _, words := range c.offered {
			m := new(backend.Member)
			m.Health.Capabilities = backend.Capabilities{Known: words != "?", Auth: backend.ParseWords(words)}
			p.Members = append(p.Members, m)
		}
		if got := announceable(commonMechanisms(&p).Relayable()); string(got) != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
		slices.Reverse(p.Members)
		if got := announceable(commonMechanisms(&p).Relayable()); string(got) != c.want {
			t.Errorf("%s, in the other order: got %q, want %q", c.name, got, c.want)
		}
	}
}
