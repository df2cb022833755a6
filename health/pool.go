package health

import (
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"weir/internal/backend"
)

// Pool is how one pool's connectors are judged, and by which prober.
type Pool struct {
	Config
	Prober Prober
}

// pool is a Pool under watch.
type pool struct {
	// set is what is in force. It never changes: a reload puts another one there,
	// under mu.
	set atomic.Pointer[Pool]

	mu      sync.Mutex // of the jury, its members and their machines
	jury    jury
	review  *review
	watches []*watch
	heard   time.Time // of the latest news from the data path

	next time.Time // when a sitting is due; Run's

	membership uint64 // of the registry's pool that watches are for; the monitor's mu
}

func newPool(set Pool) *pool {
	p := &pool{review: newReview(set.Interval)}
	p.set.Store(&set)
	p.jury.cfg = &set.Config
	return p
}

// reload puts other settings into force. Connectors keep their verdict, circuit
// and learned limits, and are probed in the new way soon.
func (p *pool) reload(next Pool) {
	old := p.set.Load()
	if reflect.DeepEqual(old.Config, next.Config) && sameProber(old.Prober, next.Prober) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set.Store(&next)
	p.jury.cfg = &next.Config
	p.review.suspicion = suspicion{interval: next.Interval}
	if old.Probe != next.Probe || old.From != next.From || old.To != next.To {
		p.review.recipients = recipients{} // they were asked something else
	}
	for _, w := range p.watches {
		w.machine.reconfigure(&next.Config)
		w.renew(len(p.watches))
	}
}

// sitting is how often the connectors are compared with each other.
const sitting = 250 * time.Millisecond

// eachTakes bounds how much of the time a large pool spends on its sittings.
const eachTakes = 250 * time.Microsecond

// sitIfDue holds a sitting, in a pool of a thousand each time and in larger ones
// less often.
func (p *pool) sitIfDue(now time.Time) {
	if now.Before(p.next) {
		return
	}
	p.next = now.Add(time.Duration(p.sit(now)) * eachTakes).Add(-sitting / 2) // ticks are not exact
}

// sit has the jury look at everybody and publishes what has changed. It returns
// about how many they were. What traffic tells goes in between the steps.
func (p *pool) sit(now time.Time) (members int) {
	for stage := range backend.Stages {
		p.mu.Lock()
		p.jury.weigh(stage, now)
		p.mu.Unlock()
	}
	for from := 0; p.judge(from, now); from += atOneGo {
		members = from + atOneGo
	}
	return members
}

// judge judges some members, from one on, and publishes what has changed. It
// reports false when there was none.
func (p *pool) judge(from int, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if from >= len(p.watches) {
		return false
	}
	p.jury.judge(from, now)
	for _, w := range p.watches[from:min(from+atOneGo, len(p.watches))] {
		w.publish(byPeers, now)
	}
	return true
}

// heardAt is the time of news from the data path: many goroutines bring it, and what
// was looked up a moment too early must not turn the clock back. The caller holds
// the lock.
func (p *pool) heardAt(at time.Time) time.Time {
	if at.IsZero() {
		at = time.Now()
	}
	if at.After(p.heard) {
		p.heard = at
	}
	return p.heard
}

// seat has the jury know the connectors of its pool.
func (p *pool) seat(watches []*watch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watches, p.jury.members = watches, make([]*member, len(watches))
	for i, w := range watches {
		p.jury.members[i] = w.member
	}
}
