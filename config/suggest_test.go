package config

import "testing"

func TestQuoted(t *testing.T) {
	many := make([]string, 12)
	for i := range many {
		many[i] = "p"
	}
	for _, c := range []struct {
		words []string
		want  string
	}{
		{nil, ""},
		{[]string{"a"}, `"a"`},
		{[]string{"a", "b"}, `"a" or "b"`},
		{[]string{"a", "b", "c"}, `"a", "b" or "c"`},
		{many, `"p", "p", "p", "p", "p", "p", "p", "p", "p", "p", …`},
	} {
		if got := quoted(c.words...); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}
