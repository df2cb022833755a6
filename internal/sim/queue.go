package sim

// kind says what an event is about; see [world.handle].
type kind uint8

const (
	arrival     kind = iota // arg: replica
	answered                // arg: transaction
	waitedOut               // arg: transaction
	placeAwaits             // arg: transaction; it has waited for a place for long enough
	sitting                 // arg: replica
	probeBegins             // arg: pair
	probeEnds               // arg: pair
	incident                // arg: step of the script
	burst                   // arg: index of the burst
)

// event is something that happens at a time. One whose generation is not that of
// its subject any more is void.
type event struct {
	at   int64  // nanoseconds since the start
	seq  uint64 // of two at the same time, the one planned first comes first
	arg  int32
	gen  uint32
	kind kind
}

func (e *event) before(o *event) bool {
	return e.at < o.at || e.at == o.at && e.seq < o.seq
}

// queue holds the events to come: a heap with four children a node, which is
// shallower than one with two and touches less memory.
type queue struct {
	heap []event
	seq  uint64
}

const children = 4

func (q *queue) push(e event) {
	q.seq++
	e.seq = q.seq
	q.heap = append(q.heap, e)
	i := len(q.heap) - 1
	for i > 0 {
		up := (i - 1) / children
		if !e.before(&q.heap[up]) {
			break
		}
		q.heap[i] = q.heap[up]
		i = up
	}
	q.heap[i] = e
}

// pop returns the next event. There must be one.
func (q *queue) pop() event {
	first := q.heap[0]
	n := len(q.heap) - 1
	last := q.heap[n]
	q.heap = q.heap[:n]
	if n > 0 {
		q.sink(last)
	}
	return first
}

// sink puts an event into the place of the first, and from there to where it belongs.
func (q *queue) sink(e event) {
	h, i := q.heap, 0
	for {
		least := i*children + 1
		if least >= len(h) {
			break
		}
		for c, end := least+1, min(least+children, len(h)); c < end; c++ {
			if h[c].before(&h[least]) {
				least = c
			}
		}
		if !h[least].before(&e) {
			break
		}
		h[i] = h[least]
		i = least
	}
	h[i] = e
}

// line is a queue of transactions that wait for something. One whose generation
// has changed has left it.
type line struct {
	waiting []waiter
	from    int
}

type waiter struct {
	txn int32
	gen uint32
}

func (l *line) join(w waiter) { l.waiting = append(l.waiting, w) }

// next takes the first out.
func (l *line) next() (w waiter, ok bool) {
	if l.from == len(l.waiting) {
		return w, false
	}
	w = l.waiting[l.from]
	l.from++
	if 2*l.from >= len(l.waiting) { // what has left is at most half
		l.waiting = l.waiting[:copy(l.waiting, l.waiting[l.from:])]
		l.from = 0
	}
	return w, true
}
