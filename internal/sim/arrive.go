package sim

import (
	"context"
	"fmt"
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

// endIfOver closes the replica when no more messages arrive at it.
func (r *replica) endIfOver() {
	if r.over && r.rushes == 0 {
		r.close()
	}
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
	at := r.nextArrival()
	if at < 0 || !r.w.sc.within(at) {
		r.over = true
		r.endIfOver()
		return
	}
	r.w.queue.push(event{at: at, kind: arrival, arg: r.place})
}

// within reports whether messages still arrive at a time.
func (s *Scenario) within(at int64) bool { return s.Duration == 0 || at <= int64(s.Duration) }

// nextArrival is when the next message arrives at the replica; -1: never. Where they
// come evenly the replicas take turns.
func (r *replica) nextArrival() int64 {
	sc := r.w.sc
	if !sc.arrivals.regular {
		return sc.nextRandom(r.w.now, r.arrive)
	}
	if r.turn == 0 {
		r.turn = int64(r.number) + 1
	} else {
		r.turn += int64(sc.Replicas)
	}
	return sc.arrivals.after(0, float64(r.turn))
}

// nextRandom is when the next message arrives at a replica after now, at random.
func (s *Scenario) nextRandom(now int64, rng *rand.Rand) int64 {
	return s.arrivals.after(now, rng.ExpFloat64()*float64(s.Replicas))
}

// after is when, from a time on, the rate has added up to so many messages of all
// replicas together; -1: never.
func (a *arrivals) after(from int64, messages float64) int64 {
	rate, since := a.rate, int64(0)
	for i := range a.changes {
		c := &a.changes[i]
		to, until := rate, int64(c.at)
		if c.ramp {
			to = c.rate
		}
		if until > from && until > since {
			rise := (to - rate) / seconds(until-since) // in a second
			begin := max(since, from)
			first := rate + rise*seconds(begin-since)
			if sum := (first + to) / 2 * seconds(until-begin); sum < messages || sum == 0 {
				messages -= sum
			} else {
				return begin + nanoseconds(2*messages/(first+math.Sqrt(max(first*first+2*rise*messages, 0))))
			}
		}
		rate, since = c.rate, until
	}
	if rate == 0 || messages/rate > maxDuration.Seconds() {
		return -1
	}
	return max(since, from) + nanoseconds(messages/rate)
}

func seconds(nanoseconds int64) float64 { return float64(nanoseconds) / float64(time.Second) }

func nanoseconds(seconds float64) int64 { return int64(math.Ceil(seconds * float64(time.Second))) }

// rushLooks is how often the context is looked at in a burst, in messages.
const rushLooks = 1 << 12

// rush has messages arrive at once, at all replicas alike.
func (w *world) rush(ctx context.Context, b *rush) error {
	for _, r := range w.replicas {
		n := b.messages / w.sc.Replicas
		if r.number < b.messages%w.sc.Replicas {
			n++
		}
		for i := range n {
			if i%rushLooks == 0 && ctx.Err() != nil {
				return fmt.Errorf("simulating: %w", ctx.Err())
			}
			r.message()
		}
		r.rushes--
		r.endIfOver()
	}
	return nil
}
