package backend

import "testing"

func TestNameOf(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.11:25":       "10.0.0.11:25",
		"[::1]:2604":         "::1:2604",
		"[fe80::1%eth0]:25":  "fe80::1-eth0:25",
		"mx-a@10.0.0.1:25":   "mx-a-10.0.0.1:25",
		"-rf":                "rf",
		" mx a":              "mx-a",
		"eu/mx_1.example.--": "eu-mx_1.example.--",
		"☃[]":                "",
	} {
		if got := NameOf(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}
