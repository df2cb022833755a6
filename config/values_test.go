package config

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1": 1, "256KiB": 256 << 10, "25MiB": 25 << 20, "1GiB": 1 << 30, "007": 7,
		"8589934591GiB":       8589934591 << 30,
		"9223372036854775807": math.MaxInt64,
	} {
		if got, bad := sizeOrZero(text); bad != nil || got != want {
			t.Errorf("%s: got %d, %v, want %d", text, got, bad, want)
		}
	}
	for _, text := range []string{"", "KiB", "1 KiB", "1kib", "1KB", "1K", "-1", "-1KiB", "+1", "1.5MiB", "0x10", "1_000", "8589934592GiB", "9223372036854775808", "1KiBKiB", "٣"} {
		if got, bad := sizeOrZero(text); bad == nil {
			t.Errorf("%q: got %d, want a fault", text, got)
		}
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{"0": 0, "0s": 0, "1m30s": 90 * time.Second, "8760h": year, "1.5h": 90 * time.Minute} {
		if got, bad := durationOrZero(text); bad != nil || got != want {
			t.Errorf("%s: got %s, %v, want %s", text, got, bad, want)
		}
	}
	for _, text := range []string{"", "5", "5 s", "-1s", "1d", "8760h1ns", "1:30", "s", "NaN"} {
		if got, bad := durationOrZero(text); bad == nil {
			t.Errorf("%q: got %s, want a fault", text, got)
		}
	}
	for _, text := range []string{"0", "0s"} {
		if _, bad := duration(text); bad == nil {
			t.Errorf("%s: want a fault", text)
		}
	}
}

func TestCounts(t *testing.T) {
	for text, ok := range map[string]bool{
		"1": true, "1000": true, "0": false, "1001": false, "-1": false, "": false, "1.0": false, "0x1": false, "a": false,
		"99999999999999999999": false, "-99999999999999999999": false,
	} {
		if n, bad := count(1, 1000)(text); (bad == nil) != ok {
			t.Errorf("%q: got %d, %v", text, n, bad)
		}
	}
	_, bad := count(1, 1000)("-99999999999999999999")
	if want := "-99999999999999999999 is less than 1"; bad == nil || bad.what != want {
		t.Errorf("got %v, want %s", bad, want)
	}
}

func TestShares(t *testing.T) {
	for text, ok := range map[string]bool{"0": true, "1": true, ".5": true, "-0.1": false, "1.01": false, "NaN": false, "Inf": false, "": false, "half": false} {
		if f, bad := share(text); (bad == nil) != ok {
			t.Errorf("%q: got %v, %v", text, f, bad)
		}
	}
}

func TestHostnames(t *testing.T) {
	for text, ok := range map[string]bool{
		"": true, "mx": true, "mx1.example.com": true, "xn--mller-kva.example": true, "1.2": true,
		"mx.example.com.": false, ".example.com": false, "-a.example": false, "a-.example": false, "a b": false, "mx_1": false, "müller.example": false,
		"a\r\nb": false, strings.Repeat("a", 63) + ".example": true, strings.Repeat("a", 64) + ".example": false, strings.Repeat("a.", 127): false,
	} {
		if _, bad := hostname(text); (bad == nil) != ok {
			t.Errorf("%q: got %v", text, bad)
		}
	}
}

func TestMailboxes(t *testing.T) {
	for text, ok := range map[string]bool{
		"postmaster": true, "a@example.com": true, "a.b+c@[192.0.2.1]": true,
		"": false, "<>": false, "<a@example.com>": false, "a b@example.com": false, "a\r\n@example.com": false, "@example.com": false, "a@": false, "ä@example.com": false,
	} {
		if _, bad := mailbox(false)(text); (bad == nil) != ok {
			t.Errorf("%q: got %v", text, bad)
		}
	}
	if _, bad := mailbox(true)(""); bad != nil {
		t.Errorf("null sender: got %v", bad)
	}
}

func TestOverlap(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{":25", ":25", true},
		{":25", ":26", false},
		{":25", "127.0.0.1:25", true},
		{"0.0.0.0:25", "[::1]:25", true},
		{"[::]:25", "192.0.2.1:25", true},
		{"127.0.0.1:25", "localhost:25", true},
		{"127.0.0.1:25", "127.0.0.2:25", false},
		{"127.0.0.1:25", "[::1]:25", false},
		{":0", ":0", false},
		{"127.0.0.1:0", "127.0.0.1:0", false},
		{"", ":25", false},
		{"", "", false},
	} {
		if overlap(c.a, c.b) != c.want || overlap(c.b, c.a) != c.want {
			t.Errorf("%s and %s: want %v", c.a, c.b, c.want)
		}
	}
}

func TestCleanedNamesAreNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringN(1, maxName, maxName).Draw(t, "text")
		if _, bad := name(clean(text)); bad != nil {
			t.Fatalf("%q became %q: %v", text, clean(text), bad)
		}
	})
}

func TestPathsAreUnambiguous(t *testing.T) {
	part := rapid.StringMatching(`[a.\[\]"0-]{0,4}`)
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.SliceOfN(part, 1, 3).Draw(t, "a")
		b := rapid.SliceOfN(part, 1, 3).Draw(t, "b")
		pathA, pathB := "", ""
		for _, p := range a {
			pathA = join(pathA, p)
		}
		for _, p := range b {
			pathB = join(pathB, p)
		}
		if same := fmt.Sprintf("%q", a) == fmt.Sprintf("%q", b); (pathA == pathB) != same {
			t.Fatalf("%q is %s, %q is %s", a, pathA, b, pathB)
		}
	})
}
