package app

import "testing"

func TestMaskAddress(t *testing.T) {
	for in, want := range map[string]string{
		"":                      "",
		"alice@example.com":     "***@example.com",
		`"a@b c"@example.com`:   "***@example.com",
		"postmaster":            "***",
		"alice@[IPv6:2001::1]":  "***@[IPv6:2001::1]",
		"bücher@bücher.example": "***@bücher.example",
	} {
		if got := maskAddress(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func TestMaskText(t *testing.T) {
	for in, want := range map[string]string{
		"":                                       "",
		"250 2.0.0 Ok: queued as 4XyZ":           "250 2.0.0 Ok: queued as 4XyZ",
		"550 5.1.1 <alice@example.com>: unknown": "550 5.1.1 <***@example.com>: unknown",
		"a@x.example and b@y.example":            "***@x.example and ***@y.example",
		`<"odd name"@example.com>`:               `<***@example.com>`,
		`he said "no"@all`:                       `he said ***@all`,
		"at @ alone":                             "at @ alone",
		"first.last+tag@example.com.":            "***@example.com.",
		"@":                                      "@",
		`"@x`:                                    `"@x`,
		"relay access denied: user=bob@example.com;ip=192.0.2.1": "relay access denied: ***@example.com;ip=192.0.2.1",
	} {
		if got := maskText(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}
