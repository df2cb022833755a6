package serve

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// What a network may ask by UDP. Resolvers of large sites stay far below it, as
// they keep what they heard for its TTL; a forged address of a victim gets no more
// than this, in replies hardly larger than what provoked them.
const (
	askRate  = 1000 // a second, of a /24 or a /56
	askBurst = 2000
	slip     = 2 // each slip-th question beyond it is answered with TC; the others not at all
)

const (
	limitShards = 64
	shardSlots  = 256 // networks remembered in a shard
	slotWays    = 4
)

type verdict uint8

const (
	pass verdict = iota
	truncate
	drop
)

// limiter counts questions by network: a token bucket each, in a table of fixed
// size where a new network takes the place of the one that was silent longest.
type limiter struct {
	seed   maphash.Seed
	free   func(netip.Addr) bool // not limited at all
	rate   float32               // a second
	shards [limitShards]limitShard
}

type limitShard struct {
	mu    sync.Mutex
	slots [shardSlots]bucket
}

type bucket struct {
	network uint64 // hash of it; 0: nobody's
	at      int64  // ns, when tokens was true
	tokens  float32
	over    uint32 // questions beyond the rate
}

func newLimiter(free func(netip.Addr) bool) *limiter {
	return &limiter{seed: maphash.MakeSeed(), free: free, rate: askRate}
}

// judge takes a token of the address' network. now is in ns of a clock that does
// not go back.
func (l *limiter) judge(from netip.Addr, now int64) verdict {
	if l.free(from) {
		return pass
	}
	h := maphash.Comparable(l.seed, networkOf(from))
	if h == 0 {
		h = 1
	}
	shard := &l.shards[h%limitShards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	return shard.find(h, now).take(now, l.rate)
}

func (s *limitShard) find(h uint64, now int64) *bucket {
	first := int(h/limitShards) % (shardSlots / slotWays) * slotWays
	ways := s.slots[first : first+slotWays]
	oldest := &ways[0]
	for i := range ways {
		if ways[i].network == h {
			return &ways[i]
		}
		if ways[i].network == 0 || oldest.network != 0 && ways[i].at < oldest.at {
			oldest = &ways[i]
		}
	}
	*oldest = bucket{network: h, at: now, tokens: askBurst}
	return oldest
}

func (b *bucket) take(now int64, rate float32) verdict {
	if now > b.at {
		b.tokens = min(askBurst, b.tokens+rate*float32(now-b.at)/float32(time.Second))
		b.at = now
	}
	if b.tokens >= 1 {
		b.tokens--
		return pass
	}
	b.over++
	if b.over%slip == 0 {
		return truncate
	}
	return drop
}

// networkOf returns the network that an address is counted with.
func networkOf(from netip.Addr) netip.Prefix {
	from = from.Unmap().WithZone("")
	bits := 56
	if from.Is4() {
		bits = 24
	}
	network, _ := from.Prefix(bits) // the zero Prefix for no address
	return network
}
