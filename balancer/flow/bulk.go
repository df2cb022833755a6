package flow

import "syscall"

// Bulk is spliced: it goes from socket to socket within the kernel, through a pipe that is
// lent while something is in it. A few hundred octets are copied in less time, and with a
// copy it is known without a further call that there is no more. So a way begins by
// copying, splices from the first full piece on, and copies again when for a while there
// were only small pieces.

// lulls is how many pieces in a row must have been small for a way to copy again: the
// commands between two large messages are fewer.
const lulls = 16

// bulk is the way's part in this.
type bulk struct {
	on     bool
	barred bool // there is something that only a copy gets past
	since  int  // octets since the source had no more
	small  int  // how often in a row these were few
	pipe   *pipe
}

// draw takes into a pipe what the source has. It returns false when there is nothing for
// now, or nothing any more.
func (w *way) draw(l *loop) bool {
	if w.pipe == nil {
		p, err := l.lendPipe()
		if err != nil {
			w.on = false // no descriptors, perhaps
			return w.fetch(l)
		}
		w.pipe = p
	}
	n, errno := w.pipe.fill(w.from)
	switch {
	case errno == syscall.EAGAIN && w.urgent, errno == syscall.EINVAL, errno == 0 && n == 0:
		// Splice does not get past urgent data: where the source has closed behind it,
		// it finds the end there. A copy knows better.
		w.on, w.barred = false, true
		w.giveBack(l)
		return w.fetch(l)
	case errno == syscall.EAGAIN:
		w.lull()
		w.giveBack(l)
		return false
	case errno != 0:
		w.flow.wayEnded(w, w.source, named("splice", errno), l.now)
		return false
	}
	w.since += n
	return true
}

// lull notes that the source has no more for now.
func (w *way) lull() {
	w.more = false
	if w.since >= pieceSize {
		w.small = 0
	} else if w.small++; w.small >= lulls {
		w.on = false
	}
	w.since = 0
}

// drip gives the sink what is in the pipe, as [way.pour] does.
func (w *way) drip(l *loop) bool {
	for w.pipe != nil && w.pipe.held > 0 {
		n, errno := w.pipe.empty(w.to, w.last)
		switch {
		case errno == syscall.EAGAIN:
			return false
		case errno != 0 || n == 0: // to try that again would have all other flows wait
			w.broken = true
			w.flow.wayEnded(w, 1-w.source, named("splice", errno), l.now)
			return false
		}
		w.moved += int64(n)
		w.flow.moved = l.now
	}
	return true
}
