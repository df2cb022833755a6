package sim

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"time"

	"weir/policies"
)

// message has a message arrive at the replica.
func (r *replica) message() {
	w := r.w
	if r.closed {
		return
	}
	if r.left--; r.left <= 0 {
		r.close()
	}
	i := w.newTxn()
	t := &w.txns[i]
	*t = txn{gen: t.gen + 1, arrived: w.now, replica: r, conn: -1}
	sender := r.sender()
	t.req = policies.Request{
		Client: address(sender),
		From:   w.sc.senders.addresses[sender], Now: w.time(),
	}
	w.tally.arrived(w.now)
	w.move(i)
}

// address gives each sender one of its own, in a network of its own as far as
// possible: they are multiples of an odd number, modulo 2³².
func address(sender int) netip.Addr {
	n := uint32(sender+1) * 2654435769
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

func (r *replica) sender() int {
	if r.zipf != nil {
		return int(r.zipf.Uint64())
	}
	return r.senders.IntN(r.w.sc.senders.count)
}

func (r *replica) close() {
	if !r.closed {
		r.closed = true
		r.w.sending--
	}
}

// expectNext plans the next arrival.
func (r *replica) expectNext() {
	if r.closed {
		return
	}
	at := r.w.sc.nextArrival(r.w.now, r.arrive)
	if at < 0 || r.w.sc.Duration > 0 && at > int64(r.w.sc.Duration) {
		r.close()
		return
	}
	r.w.queue.push(event{at: at, kind: arrival, arg: r.place})
}

// nextArrival is when the next message arrives at a replica after now; -1: never.
func (s *Scenario) nextArrival(now int64, rng *rand.Rand) int64 {
	a, n := &s.arrivals, float64(s.Replicas)
	highest := a.highest()
	if highest == 0 {
		return -1
	}
	at := float64(now)
	for at < float64(maxDuration) {
		if a.regular {
			rate := a.rateAt(int64(at))
			if rate > 0 {
				return int64(at + n*float64(time.Second)/rate)
			}
			at += float64(time.Millisecond)
			continue
		}
		at += rng.ExpFloat64() * n * float64(time.Second) / highest
		if len(a.changes) == 0 || rng.Float64()*highest < a.rateAt(int64(at)) {
			return int64(math.Ceil(at))
		}
	}
	return -1
}

// rush has messages arrive at once, at all replicas alike.
func (w *world) rush(b *rush) {
	for _, r := range w.replicas {
		n := b.messages / w.sc.Replicas
		if r.number < b.messages%w.sc.Replicas {
			n++
		}
		for range n {
			r.message()
		}
	}
}
