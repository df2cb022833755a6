package balancer

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// TestReplayCopyIsAWindow compares the copy with a plain slice: whatever is taken
// in comes out, from the first octet that was not sent on; a copy that says it is
// complete has all of it; the budget is kept to, and given back.
func TestReplayCopyIsAWindow(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		limits := []int64{0, 1, 100, smallPiece, largePiece, 3 * largePiece, 1 << 20}
		budget := new(replayBudget)
		budget.limit.Store(rapid.SampledFrom(limits).Draw(rt, "replay_memory"))
		limit := rapid.SampledFrom(limits).Draw(rt, "replay_buffer")
		var c replayCopy
		c.reset(budget, limit, int64(rapid.SampledFrom([]int{0, 5000, 50000}).Draw(rt, "expected")))
		var all []byte
		sent := int64(0)
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			p := bytes.Repeat([]byte{byte(len(all))}, rapid.SampledFrom([]int{1, 7, 1000, smallPiece, 50000}).Draw(rt, "octets"))
			for len(p) > 0 {
				n := takeIn(rt, &c, p, sent)
				if n == 0 && sent == c.total {
					rt.Fatal("it takes nothing although all was sent")
				}
				all = append(all, p[:n]...)
				if p = p[n:]; n == 0 || rapid.Bool().Draw(rt, "send") {
					sent = sendAll(rt, &c, all, sent)
				}
			}
			if budget.used.Load() > budget.limit.Load() {
				rt.Fatalf("%d of %d octets in use", budget.used.Load(), budget.limit.Load())
			}
		}
		sendAll(rt, &c, all, sent)
		enough := budget.limit.Load() == 1<<20 && len(all) < 1<<19
		switch whole := int64(len(all)) <= limit; {
		case c.complete() && !whole, whole && enough && !c.complete():
			rt.Fatalf("complete %v with %d octets of at most %d", c.complete(), len(all), limit)
		case c.complete():
			sendAll(rt, &c, all, 0)
		}
		c.release()
		if used := budget.used.Load(); used != 0 {
			rt.Fatalf("%d octets still in use", used)
		}
	})
}

// TestWideWindowsLeaveHalf of the memory to copies: messages that are too large for one
// take wide windows out of the other half only, then windows that cost nothing of it,
// and give back what they took.
func TestWideWindowsLeaveHalf(t *testing.T) {
	budget := new(replayBudget)
	budget.limit.Store(4*wideWindow + wideWindow/2)
	var copies [4]replayCopy
	for i := range copies {
		c := &copies[i]
		c.reset(budget, largePiece, 2*largePiece)
		for c.limit >= 0 { // until it is a window
			c.took(len(c.space(c.total)))
		}
		want := wideWindow
		if i > 1 {
			want = window
		}
		if got := len(*c.pieces[0].buf); got != want {
			t.Errorf("message %d goes through %d octets, want %d", i, got, want)
		}
	}
	if used := budget.used.Load(); used != 2*wideWindow {
		t.Errorf("%d octets in use, want %d", used, 2*wideWindow)
	}
	for i := range copies {
		copies[i].release()
	}
	if used := budget.used.Load(); used != 0 {
		t.Errorf("%d octets still in use", used)
	}
}

// takeIn copies some of p in, or has it as if it had been read there.
func takeIn(rt *rapid.T, c *replayCopy, p []byte, sent int64) int {
	if rapid.Bool().Draw(rt, "copied") {
		return c.put(p, sent)
	}
	space := c.space(sent)
	if len(space) > 0 && len(space) < leastSpace {
		rt.Fatalf("room for %d octets only", len(space))
	}
	n := copy(space, p)
	c.took(n)
	return n
}

// sendAll takes out what was not sent yet and compares it.
func sendAll(rt *rapid.T, c *replayCopy, all []byte, sent int64) int64 {
	for {
		p := c.from(sent)
		if len(p) == 0 {
			break
		}
		if cap(p)-len(p) < terminatorRoom {
			rt.Fatal("no room for the terminator")
		}
		if !bytes.Equal(p, all[sent:sent+int64(len(p))]) {
			rt.Fatalf("other octets at %d", sent)
		}
		sent += int64(len(p))
	}
	if sent != int64(len(all)) {
		rt.Fatalf("%d of %d octets came out", sent, len(all))
	}
	return sent
}
