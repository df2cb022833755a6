package load

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestHistogramBuckets(t *testing.T) {
	last := -1
	for v := uint64(0); v < 1<<13; v++ {
		b := bucket(v)
		if b != last && b != last+1 {
			t.Fatalf("%d is in bucket %d, %d in %d: there is a gap", v-1, last, v, b)
		}
		last = b
		if u := upper(b); u < v || float64(u) > float64(v)*(1+1.0/fine) {
			t.Fatalf("%d is in a bucket up to %d", v, u)
		}
	}
	var h histogram
	if b := bucket(1<<63 - 1); b >= len(h.counts) {
		t.Errorf("the longest time is in bucket %d of %d", b, len(h.counts))
	}
}

// TestHistogramQuantiles: as of the sorted values, but for the width of a bucket.
func TestHistogramQuantiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Int64Range(0, 1<<40), 1, 300).Draw(t, "ns")
		q := rapid.SampledFrom([]float64{0.001, 0.5, 0.9, 0.99, 1}).Draw(t, "q")
		var h histogram
		for _, v := range values {
			h.add(time.Duration(v))
		}
		slices.Sort(values)
		rank := int(q * float64(len(values)))
		if float64(rank) < q*float64(len(values)) {
			rank++
		}
		want := values[max(rank, 1)-1]
		if got := int64(h.quantile(q)); got < want || float64(got) > float64(want)*(1+1.0/fine)+1 {
			t.Fatalf("quantile %g of %v is %d, want about %d", q, values, got, want)
		}
	})
}

func TestHistogramOfNothing(t *testing.T) {
	var h histogram
	if got := h.latency(); got != (Latency{}) {
		t.Errorf("got %+v", got)
	}
	h.add(-time.Second) // a clock that was asked in another order
	if h.max != 0 || h.n != 1 {
		t.Errorf("a negative time became %s", h.max)
	}
	if n := testing.AllocsPerRun(100, func() { h.add(time.Millisecond) }); n > 0 {
		t.Errorf("%.0f allocations a value", n)
	}
}

// TestOnlyTheTimeCounts: what is answered in the warm-up or behind the end is acknowledged, and not counted.
func TestOnlyTheTimeCounts(t *testing.T) {
	f := &fleet{from: time.Hour, until: 2 * time.Hour}
	for _, tt := range []struct {
		after   time.Duration
		counted uint64
	}{{30 * time.Minute, 0}, {90 * time.Minute, 1}, {150 * time.Minute, 1}} {
		f.base = time.Now().Add(-tt.after)
		f.acknowledge(&conn{})
		if f.counted != tt.counted {
			t.Errorf("after %s: %d are counted, want %d", tt.after, f.counted, tt.counted)
		}
	}
	if f.acknowledged != 3 || f.times.n != 1 {
		t.Errorf("%d acknowledged, %d timed", f.acknowledged, f.times.n)
	}
}

func TestContent(t *testing.T) {
	for _, size := range []int{MinSize, MinSize + 1, 277, 4096, 60_000} {
		c := content(size)
		var lines int
		for line := range slices.Values(splitLines(c)) {
			lines++
			if len(line) > 80 && lines > 5 {
				t.Fatalf("size %d: a line of %d octets", size, len(line))
			}
		}
		if body := len(c) - len(".\r\n"); body < size || body > size+2 || string(c[body-2:]) != "\r\n.\r\n" {
			t.Errorf("size %d: %d octets that end in %q", size, body, c[body-2:])
		}
	}
}

func splitLines(b []byte) (lines [][]byte) {
	for i, from := 0, 0; i < len(b); i++ {
		if b[i] == '\n' {
			lines = append(lines, b[from:i+1])
			from = i + 1
		}
	}
	return lines
}
