package gate

import (
	"net/netip"
	"testing"
)

// Those who knock take places, a few of them above the limit too; a client of a light
// network is let in past them, and somebody of the heaviest makes room.
func TestKnock(t *testing.T) {
	g := New[int](Limits{Connections: 3}, start)
	for i := range 3 {
		if e := g.Enter(i, netip.MustParseAddr("192.0.2.1"), start); e.Visit == nil {
			t.Fatalf("visit %d was refused", i)
		}
	}
	for i := range slack(3) {
		if !g.Knock() {
			t.Fatalf("knock %d was refused", i)
		}
	}
	if g.Knock() {
		t.Error("one knocked too many")
	}
	g.Knocked()
	if e := g.Enter(3, netip.MustParseAddr("198.51.100.1"), start); e.Visit == nil || !e.Sheds {
		t.Errorf("a lighter network got %+v", e)
	}
	for range slack(3) - 1 {
		g.Knocked()
	}
	if got := g.Inside(); got != 4 {
		t.Errorf("%d are inside, want 4: one is still to go", got)
	}
	if g.Limit(Limits{}); !g.Knock() {
		t.Error("refused without a limit")
	}
}
