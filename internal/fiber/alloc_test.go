//go:build !race

package fiber_test

import (
	"io"
	"testing"
)

// A wait takes no memory: neither the fiber's that echoes, nor the goroutine's.
func TestWaitsTakeNoMemory(t *testing.T) {
	g := newGroup(t)
	c := dial(t, g, serve(t, g))
	p := make([]byte, 1)
	each := testing.AllocsPerRun(2000, func() {
		if _, err := c.Write(p); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, p); err != nil {
			t.Fatal(err)
		}
	})
	if each >= 1 {
		t.Errorf("%v allocations for each echo", each)
	}
}
