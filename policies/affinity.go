package policies

import (
	"sync"
	"time"

	"weir/internal/backend"
)

// The size of the memory is fixed: 131 072 keys in 4 MiB, whatever senders do. A
// flood of keys drives out those that were not used for longest, and only in the
// sets that it meets.
const (
	affinitySets  = 1 << 14
	affinityWays  = 8
	affinityLocks = 64
)

// affinity remembers which connector got the last transaction of a key.
type affinity struct {
	key   Key
	ttl   time.Duration
	seed  uint64 // so that nobody can aim at a set
	locks [affinityLocks]sync.Mutex
	sets  []affinitySet
}

type affinitySet [affinityWays]affinityEntry

// affinityEntry is empty where there is no name. It has the name only, so that what
// is known of connectors that are long gone is not kept with it.
type affinityEntry struct {
	hash  uint64
	name  string // of the connector
	until int64  // Unix time in nanoseconds
}

func newAffinity(key Key, ttl time.Duration, seed uint64) *affinity {
	return &affinity{key: key, ttl: ttl, seed: seed, sets: make([]affinitySet, affinitySets)}
}

// set returns the set of a hash and its lock.
func (a *affinity) set(hash uint64) (*affinitySet, *sync.Mutex) {
	i := hash % affinitySets
	return &a.sets[i], &a.locks[i%affinityLocks]
}

// find returns the name of the request's key's connector; empty: none.
func (a *affinity) find(r *Request) string { return a.look(r, 0) }

// use is find, and keeps what it finds for another lifetime.
func (a *affinity) use(r *Request) string { return a.look(r, a.ttl) }

func (a *affinity) look(r *Request, more time.Duration) string {
	hash, ok := a.key.hash(a.seed, r)
	if !ok {
		return ""
	}
	now := r.Now.UnixNano()
	set, lock := a.set(hash)
	lock.Lock()
	defer lock.Unlock()
	for i := range set {
		e := &set[i]
		if e.name == "" || e.hash != hash {
			continue
		}
		if e.until <= now {
			return ""
		}
		if more > 0 {
			e.until = max(e.until, now+int64(more))
		}
		return e.name
	}
	return ""
}

// settle remembers the connector for the request's key, in the place of the one
// that was used there before, of one whose lifetime is over, or of the one that
// was not used for longest.
func (a *affinity) settle(r *Request, b *backend.Backend) {
	hash, ok := a.key.hash(a.seed, r)
	if !ok {
		return
	}
	now := r.Now.UnixNano()
	set, lock := a.set(hash)
	lock.Lock()
	defer lock.Unlock()
	place := &set[0]
	for i := range set {
		e := &set[i]
		if e.name != "" && e.until <= now {
			*e = affinityEntry{}
		}
		if e.name != "" && e.hash == hash {
			place = e
			break
		}
		if e.until < place.until {
			place = e
		}
	}
	*place = affinityEntry{hash: hash, name: b.ID().Name, until: now + int64(a.ttl)}
}
