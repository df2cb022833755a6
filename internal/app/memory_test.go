package app

import "testing"

// TestCalm: memory is given back twice when much work is over, and not before, nor again
// until there was as much anew.
func TestCalm(t *testing.T) {
	const much, little = busyMemory * 4, busyMemory / 100
	steps := []struct {
		what  string
		grown uint64
		want  bool
	}{
		{"nothing yet", 0, false},
		{"probes only", little, false},
		{"work", much, false},
		{"more work", 2 * much, false},
		{"it slows down", much, false},
		{"still some", much / 2, false},
		{"over", little, true},
		{"over, what pools had", little, true},
		{"nothing left", little, false},
		{"work again", much, false},
		{"over again", little, true},
		{"work before the second time", much, false},
		{"over", little, true},
		{"over, the second time", 0, true},
		{"nothing left", 0, false},
		{"hardly any work", busyMemory - 1, false},
		{"nothing to give back", 0, false},
	}
	var c calm
	allocated := uint64(0)
	for i, s := range steps {
		if allocated += s.grown; c.next(allocated) != s.want {
			t.Errorf("step %d, %s: %v, want %v", i, s.what, !s.want, s.want)
		}
	}
}
