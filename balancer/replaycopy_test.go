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
