package flow

import "syscall"

// happening is what was reported of one side of a flow.
type happening struct {
	flow  *Flow
	side  Spot
	event uint32
}

const edgeTriggered = 1 << 31 // syscall.EPOLLET, as an unsigned number

// What is asked for once, for as long as a flow lasts. Each event is reported when it
// begins to hold. That there is room to write again is an event only behind a write
// that found none, so it costs nothing to be told of that always.
const interest = syscall.EPOLLIN | syscall.EPOLLOUT | syscall.EPOLLRDHUP | syscall.EPOLLPRI | edgeTriggered

// resolve finds out to whom something has happened.
func (l *loop) resolve(events []syscall.EpollEvent) {
	l.ready = l.ready[:0]
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range events {
		e := &events[i]
		key := uint64(uint32(e.Fd)) | uint64(uint32(e.Pad))<<32
		if key == 0 {
			l.silence()
		} else if f := l.flows[key>>1]; f != nil {
			l.ready = append(l.ready, happening{f, Spot(key & 1), e.Events})
		}
	}
}

// silence makes the bell ready to ring again.
func (l *loop) silence() {
	var count [8]byte
	_, _ = syscall.Read(l.bell, count[:])
}

// handle goes on with what a flow can do now.
func (h *happening) handle(l *loop) {
	const (
		last   = syscall.EPOLLRDHUP | syscall.EPOLLHUP | syscall.EPOLLERR
		hasIn  = syscall.EPOLLIN | syscall.EPOLLPRI | last
		hasOut = syscall.EPOLLOUT | syscall.EPOLLHUP | syscall.EPOLLERR
	)
	f := h.flow
	if in := &f.ways[h.side]; h.event&hasIn != 0 && !f.over {
		in.more = true
		in.last = in.last || h.event&last != 0
		in.urgent = in.urgent || h.event&syscall.EPOLLPRI != 0
		in.run(l)
	}
	if out := &f.ways[1-h.side]; h.event&hasOut != 0 && out.waits() && !f.over {
		out.run(l)
	}
}
