package flow

import (
	"container/heap"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir/internal/fiber"
)

// TestDueModel: whatever moves, begins, ends and comes nearer, each flow ends at its
// limit: not before, and at the first look after.
func TestDueModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := &loop{flows: map[uint64]*Flow{}}
		l.buffers.New = func() any { return new([]byte) }
		var flows []*Flow
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			switch rapid.IntRange(0, 4).Draw(rt, "step") {
			case 0:
				f := drawFlow(rt, l)
				heap.Push(&l.due, f)
				flows = append(flows, f)
			case 1:
				if len(flows) > 0 {
					rapid.SampledFrom(flows).Draw(rt, "mover").moved = l.now
				}
			case 2:
				if len(flows) > 0 {
					rapid.SampledFrom(flows).Draw(rt, "hurried").hurry(l.now)
				}
			case 3:
				if len(flows) > 0 {
					i := rapid.IntRange(0, len(flows)-1).Draw(rt, "gone")
					l.finish(flows[i])
					flows = slices.Delete(flows, i, i+1)
				}
			default:
				l.now += stamp(rapid.IntRange(0, 20).Draw(rt, "time"))
			}
			l.expire()
			flows = slices.DeleteFunc(flows, func(f *Flow) bool {
				if reached := f.next() <= l.now; reached != f.over {
					rt.Fatalf("at %d a flow with the limit %d is over: %v", l.now, f.next(), f.over)
				}
				return f.over
			})
			if len(flows) != len(l.due) || len(flows) > 0 && l.due.first() > slices.MinFunc(flows, sooner).next() {
				rt.Fatalf("%d flows, %d in the order, the first at %d", len(flows), len(l.due), l.due.first())
			}
		}
	})
}

func sooner(a, b *Flow) int { return int(a.next() - b.next()) }

// drawFlow makes a flow without connections.
func drawFlow(rt *rapid.T, l *loop) *Flow {
	f := &Flow{loop: l, ended: func(*fiber.Fiber) {}, moved: l.now}
	f.limits.Idle = time.Duration(rapid.IntRange(1, 50).Draw(rt, "idle"))
	f.limits.Linger = time.Duration(rapid.IntRange(0, 10).Draw(rt, "linger"))
	if until := rapid.IntRange(0, 50).Draw(rt, "until"); until > 0 {
		f.until = l.now + stamp(until)
	}
	for s := range f.ways {
		f.ways[s] = way{flow: f, source: Spot(s), from: -1, to: -1}
	}
	f.due = f.next()
	return f
}
