package history

import (
	"context"
	"slices"
	"sync"
	"time"
)

// perTransaction bounds, in bytes, what transactions may take on average. Usual
// ones take about 400; many of the longest push the oldest out sooner.
const perTransaction = 1 << 10

// Ring keeps the last transactions. Make it with [NewRing]; it is safe for use by
// many goroutines.
type Ring struct {
	searching chan struct{} // capacity 1: a search takes some MB, so there is one at a time

	mu    sync.Mutex
	list  [][]byte // packed; a ring
	page  []byte   // where the next ones go: what lies there is never changed, as searches read it without the lock
	first int      // of the oldest
	count int
	bytes int
}

// pageSize is how much memory is taken at once, so that keeping a transaction is no
// allocation. A page is free again when the last one on it is dropped: they go in the
// order in which they came.
const pageSize = 32 << 10

// NewRing returns a ring for the last size transactions, 0 for none.
func NewRing(size int) *Ring {
	return &Ring{searching: make(chan struct{}, 1), list: make([][]byte, max(size, 0))}
}

// Resize keeps the last size transactions from now on; 0 forgets them all.
func (r *Ring) Resize(size int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if size = max(size, 0); size == len(r.list) {
		return
	}
	kept := r.newestFirst()
	kept = kept[:min(len(kept), size)]
	list := make([][]byte, size)
	r.first, r.count, r.bytes = 0, len(kept), 0
	for i, packed := range slices.Backward(kept) {
		list[len(kept)-1-i] = packed
		r.bytes += len(packed)
	}
	r.list, r.page = list, nil
	r.shrink()
}

// Add keeps a transaction, of which nothing is held on to.
func (r *Ring) Add(t *Transaction) {
	need := room(t)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.list) == 0 {
		return
	}
	if r.count == len(r.list) {
		r.drop()
	}
	at := r.first + r.count
	if at >= len(r.list) {
		at -= len(r.list)
	}
	packed := r.put(t, need)
	r.list[at] = packed
	r.count++
	r.bytes += len(packed)
	r.shrink()
}

// put packs a transaction to where it is to stay, in a page that has the room.
func (r *Ring) put(t *Transaction, need int) []byte {
	if cap(r.page)-len(r.page) < need {
		r.page = make([]byte, 0, max(pageSize, need))
	}
	start := len(r.page)
	r.page = pack(r.page, t)
	return slices.Clip(r.page[start:])
}

// shrink drops the oldest while all together take too much.
func (r *Ring) shrink() {
	for r.count > 1 && r.bytes > perTransaction*len(r.list) {
		r.drop()
	}
}

func (r *Ring) drop() {
	r.bytes -= len(r.list[r.first])
	r.list[r.first] = nil
	r.first = (r.first + 1) % len(r.list)
	r.count--
}

func (r *Ring) newestFirst() [][]byte {
	out := make([][]byte, r.count)
	for i := range out {
		out[r.count-1-i] = r.list[(r.first+i)%len(r.list)]
	}
	return out
}

// Found is the answer to a [Query].
type Found struct {
	Transactions []Transaction // newest first
	More         bool          // there are more than the limit
	Kept         int           // how many were searched
	Since        time.Time     // the end of the oldest that is kept; zero when none is
}

// Find returns what matches, the newest first. It waits for other searches to end;
// the error is that of ctx.
func (r *Ring) Find(ctx context.Context, q *Query) (Found, error) {
	select {
	case r.searching <- struct{}{}:
		defer func() { <-r.searching }()
	case <-ctx.Done():
		return Found{}, ctx.Err()
	}
	r.mu.Lock()
	all := r.newestFirst()
	r.mu.Unlock()
	found := Found{Transactions: []Transaction{}, Kept: len(all)}
	if len(all) > 0 {
		found.Since = unpack(all[len(all)-1]).Time
	}
	for i, packed := range all {
		if i%1000 == 0 && ctx.Err() != nil {
			return Found{}, ctx.Err()
		}
		if !q.mayMatch(packed) {
			continue
		}
		t := unpack(packed)
		if !q.matches(&t) {
			continue
		}
		if found.More = len(found.Transactions) == q.Limit; found.More {
			return found, nil
		}
		found.Transactions = append(found.Transactions, t)
	}
	return found, nil
}
