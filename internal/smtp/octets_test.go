package smtp

import (
	"bytes"
	"testing"
)

// Each octet at each place, among octets on both sides of every border.
func TestOctetsAreAskedOneByOne(t *testing.T) {
	for length := range 20 {
		for _, filler := range []byte{' ', 'x', 0x7e} {
			for at := range length {
				for b := range 256 {
					s := bytes.Repeat([]byte{filler}, length)
					s[at] = byte(b)
					if got, want := hasControl(s), b < ' ' || b == 0x7f; got != want {
						t.Fatalf("%q has a control character: %t", s, got)
					}
					if got, want := isASCII(s), b < 0x80; got != want {
						t.Fatalf("%q is ASCII: %t", s, got)
					}
				}
			}
		}
	}
	for first := range 256 {
		for second := range 256 {
			s := []byte{byte(first), byte(second), 'a', 'b', 0x80, 0xff, 0x80, 'c'}
			if got, want := hasControl(s), first < ' ' || first == 0x7f || second < ' ' || second == 0x7f; got != want {
				t.Fatalf("%q has a control character: %t", s, got)
			}
		}
	}
}

func TestOctetsOfNames(t *testing.T) {
	for b := range 256 {
		c := byte(b)
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if want := letter || bytes.IndexByte([]byte(".-_"), c) >= 0 || c >= 0x80; inDomain[c] != want {
			t.Errorf("%q in a domain: %t", c, inDomain[c])
		}
		if want := bytes.IndexByte([]byte(" \t<>()[]\\,;:\""), c) >= 0; notInLocal[c] != want {
			t.Errorf("%q not in a local part: %t", c, notInLocal[c])
		}
	}
}
