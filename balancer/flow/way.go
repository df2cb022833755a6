package flow

import "syscall"

// What one way may do before it is another's turn.
const turn = 8

// maxDoubts is how often a source is asked again that has urgent data and seems to have
// no more: where a signal comes while it is asked at the mark, the system says so whatever
// stands behind, and the runtime sends signals to itself.
const maxDoubts = 8

// way is one direction of a flow.
type way struct {
	flow     *Flow
	source   Spot
	from, to int    // descriptors
	more     bool   // the source may have something
	urgent   bool   // a short read does not mean that it has no more: urgent data may stand behind
	last     bool   // nor this: it has closed, and the end stands behind
	queued   bool   // for its next turn
	broken   bool   // the sink has failed
	doubts   int    // how often it was asked again, see maxDoubts
	ended    bool   // nothing is carried any more
	rest     []byte // of the lent buffer: what the sink has not taken yet
	lent     *[]byte
	moved    int64
	bulk
}

// run carries until there is no more for now, the sink takes no more or others have
// waited enough.
func (w *way) run(l *loop) {
	if w.flow.drains {
		w.flow.ways[Front].drain(l)
		return
	}
	for range turn {
		if w.ended || !w.pour(l) || !w.more || !w.fetch(l) {
			return
		}
	}
	if w.pour(l) && w.more {
		l.again(w)
	}
}

// fetch takes a piece from the source, if it has one.
func (w *way) fetch(l *loop) bool {
	if w.on {
		return w.draw(l)
	}
	n, errno := receive(w.from, *l.buffer)
	switch {
	case errno == syscall.EAGAIN && w.urgent && w.doubts < maxDoubts:
		w.doubts++
		l.again(w)
		return false
	case errno == syscall.EAGAIN:
		w.more, w.doubts = false, 0
		return false
	case errno != 0:
		w.flow.wayEnded(w, w.source, named("recvfrom", errno), l.now)
		return false
	case n == 0:
		w.flow.wayEnded(w, w.source, nil, l.now)
		return false
	}
	w.doubts = 0
	w.more = w.last || w.urgent || n == len(*l.buffer)
	w.rest = (*l.buffer)[:n]
	w.on = n == len(*l.buffer) && !w.urgent && !w.barred
	w.since, w.small = n, 0
	return true
}

// pour gives the sink what is left. It returns false when the sink takes no more now,
// or none any more.
func (w *way) pour(l *loop) bool {
	for len(w.rest) > 0 {
		n, errno := send(w.to, w.rest, w.last)
		switch {
		case errno == syscall.EAGAIN:
			if w.lent == nil {
				w.lent = l.lend()
			}
			return false
		case errno != 0:
			w.broken = true
			w.flow.wayEnded(w, 1-w.source, named("sendto", errno), l.now)
			return false
		}
		w.rest = w.rest[n:]
		w.moved += int64(n)
		w.flow.moved = l.now
	}
	if !w.drip(l) {
		return false
	}
	w.giveBack(l)
	return true
}

func (w *way) giveBack(l *loop) {
	w.rest = nil
	if w.lent != nil {
		l.buffers.Put(w.lent)
		w.lent = nil
	}
	if w.pipe != nil {
		l.takeBackPipe(w.pipe)
		w.pipe = nil
	}
}

// waits reports whether there is something that the sink has not taken.
func (w *way) waits() bool { return len(w.rest) > 0 || w.pipe != nil && w.pipe.held > 0 }

// end gives back what is no use any more.
func (w *way) end() {
	w.ended = true
	w.giveBack(w.flow.loop)
}

// drain throws away what the front still says, until it has noticed.
func (w *way) drain(l *loop) {
	for range turn {
		switch n, errno := receive(w.from, *l.buffer); {
		case errno == syscall.EAGAIN:
			return
		case errno != 0 || n == 0:
			l.finish(w.flow)
			return
		}
	}
	l.again(w)
}
