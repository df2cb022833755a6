package gate

// links are what an element of a list carries.
type links[T any] struct{ next, prev *T }

func (l *links[T]) chain() *links[T] { return l }

// linked is a pointer to such an element.
type linked[T any] interface {
	*T
	chain() *links[T]
}

// list is a doubly linked list whose elements carry their links, so that taking one
// out takes no search and putting one in takes no memory.
type list[T any, P linked[T]] struct{ first, last *T }

// push puts an element at the end.
func (l *list[T, P]) push(e *T) {
	at := P(e).chain()
	at.next, at.prev = nil, l.last
	if l.last == nil {
		l.first = e
	} else {
		P(l.last).chain().next = e
	}
	l.last = e
}

// remove takes an element of this list out.
func (l *list[T, P]) remove(e *T) {
	at := P(e).chain()
	if at.prev == nil {
		l.first = at.next
	} else {
		P(at.prev).chain().next = at.next
	}
	if at.next == nil {
		l.last = at.prev
	} else {
		P(at.next).chain().prev = at.prev
	}
	at.next, at.prev = nil, nil
}
