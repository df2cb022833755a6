package health

import "time"

// ratio counts attempts and failures within a sliding window of ten parts.
type ratio struct {
	at    int64 // number of the current part since the epoch
	from  int64 // when that began, in nanoseconds since the epoch
	until int64 // and when it ends: all that comes in between counts without a division
	parts [10]struct{ all, failed int }
}

func (r *ratio) add(now time.Time, window time.Duration, failed bool) {
	r.slide(now, window)
	p := &r.parts[r.at%int64(len(r.parts))]
	p.all++
	if failed {
		p.failed++
	}
}

// slide empties the parts that have left the window, which is always as long.
func (r *ratio) slide(now time.Time, window time.Duration) {
	ns := now.UnixNano()
	if r.from <= ns && ns < r.until {
		return
	}
	length := int64(max(window/time.Duration(len(r.parts)), 1))
	at := ns / length
	for i := max(r.at+1, at-int64(len(r.parts))+1); i <= at; i++ {
		r.parts[i%int64(len(r.parts))] = struct{ all, failed int }{}
	}
	r.at, r.from, r.until = at, at*length, (at+1)*length
}

func (r *ratio) sum() (all, failed int) {
	for _, p := range r.parts {
		all, failed = all+p.all, failed+p.failed
	}
	return all, failed
}
