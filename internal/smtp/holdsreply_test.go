package smtp

import "testing"

// A reply that is held is read without a read from below, whatever comes of it.
func TestHoldsReply(t *testing.T) {
	for text, want := range map[string]bool{
		"":                     false,
		"250":                  false,
		"250 fine\r":           false,
		"250 fine\r\n":         true,
		"250\r\n":              true,
		"250 fine\n":           true,
		"250-fine\r\n":         false,
		"250-a\r\n250 b\r\n":   false, // there is no need to know
		"250 fine\r\n250-and-": true,
		"2\r\n50 fine\r\n":     false,
		"no reply\r\n":         true,
	} {
		r := readerOf(text)
		_ = r.Fill()
		if got := r.HoldsReply(); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
