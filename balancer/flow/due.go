package flow

import "container/heap"

// stamp is a time on a loop's clock, in nanoseconds since the loop began.
type stamp int64

// due is the flows in the order in which their limits can be reached. A flow on which
// something moves stays where it is, and is put off only when its time comes: moving
// costs nothing here.
type due []*Flow

// has reports whether a flow is in the order: one that has just begun is not yet.
func (d due) has(f *Flow) bool { return f.place < len(d) && d[f.place] == f }

// sooner puts a flow where it belongs since its limits have become narrower.
func (d *due) sooner(f *Flow) {
	if at := f.next(); at < f.due {
		f.due = at
		if d.has(f) {
			heap.Fix(d, f.place)
		}
	}
}

// remove takes a flow out.
func (d *due) remove(f *Flow) {
	if d.has(f) {
		heap.Remove(d, f.place)
	}
}

// first is when the first flow's time comes; never when there is none.
func (d due) first() stamp {
	if len(d) == 0 {
		return stamp(never)
	}
	return d[0].due
}

// Len, Less, Swap, Push and Pop implement [heap.Interface].
func (d due) Len() int           { return len(d) }
func (d due) Less(i, j int) bool { return d[i].due < d[j].due }
func (d due) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].place, d[j].place = i, j
}

func (d *due) Push(x any) {
	f := x.(*Flow)
	f.place = len(*d)
	*d = append(*d, f)
}

func (d *due) Pop() any {
	last := len(*d) - 1
	f := (*d)[last]
	(*d)[last] = nil
	*d = (*d)[:last]
	return f
}
