package webhook

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"weir/internal/events"
)

// Bounds of what waits, and for how long.
const (
	maxWaiting = 1000 // events
	maxBatch   = 100  // events in a post
	maxTries   = 12   // of one post, in about 20 minutes
	retryFirst = time.Second
	retryLast  = 5 * time.Minute
	postTime   = 10 * time.Second // until a receiver must have answered
)

// Target is where events go.
type Target struct {
	URL    string // http or https; empty: nowhere
	Secret string // what is posted is signed with it; empty: nothing is
}

// Config is what a sender is told. Only Events is required.
type Config struct {
	Events  *events.Log
	Replica string // this weir, for the receiver
	Version string
	// Tell is told what goes wrong, once until it has gone well again, and what was
	// dropped; nil: nobody is.
	Tell func(why string)
	// Do posts a request; nil: over the network, without following redirects.
	Do func(*http.Request) (*http.Response, error)
}

// Sender posts events. Make it with [New].
type Sender struct {
	cfg     Config
	target  atomic.Pointer[Target]
	changed chan struct{} // capacity 1: the target is another one
	dropped atomic.Int64
}

// New returns a sender that posts nothing until it has a target, see [Sender.Set].
func New(cfg Config) *Sender {
	if cfg.Do == nil {
		cfg.Do = client().Do
	}
	if cfg.Tell == nil {
		cfg.Tell = func(string) {}
	}
	s := &Sender{cfg: cfg, changed: make(chan struct{}, 1)}
	s.target.Store(&Target{})
	return s
}

// client gives up on who does not answer, and follows no redirect: what is signed is
// for the one that was named. Posts are rare, so no connection is kept between them.
func client() *http.Client {
	return &http.Client{
		Timeout:       postTime,
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Set says where to post to from now on. What waits goes there too.
func (s *Sender) Set(t Target) {
	if *s.target.Load() == t {
		return
	}
	s.target.Store(&t)
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// Dropped is how many events have been given up so far.
func (s *Sender) Dropped() int64 { return s.dropped.Load() }

// Run posts what happens until ctx is done. It returns nil. What waits then is not
// posted any more.
func (s *Sender) Run(ctx context.Context) error {
	q := queue{}
	for {
		select {
		case <-s.changed: // what is looked at from here on is the new one
		default:
		}
		more := s.collect(&q)
		if len(q.waiting) == 0 {
			select {
			case <-more:
			case <-s.changed:
			case <-ctx.Done():
				return nil
			}
			continue
		}
		pause := s.post(ctx, &q)
		if pause == 0 {
			continue
		}
		if !s.rest(ctx, pause) {
			return nil
		}
	}
}

// rest waits, but for no longer than until there is another target. It reports
// whether to go on.
func (s *Sender) rest(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.changed:
	case <-ctx.Done():
		return false
	}
	return true
}

// queue is what waits to be posted, oldest first.
type queue struct {
	waiting []events.Event
	last    uint64 // id of the last event that was seen
	tries   int    // of the first of those
	lost    int64  // events given up since the last post that got through
	failing bool   // and it was told
}

// collect takes in what has happened, and returns a channel that is closed when
// there is more. Without a target nothing waits.
func (s *Sender) collect(q *queue) <-chan struct{} {
	found, more := s.cfg.Events.Since(q.last)
	if len(found) > 0 {
		missed := int64(found[0].ID - q.last - 1) // the log's ring has overtaken us
		q.last = found[len(found)-1].ID
		if s.target.Load().URL != "" {
			s.drop(q, missed, "more happens than is taken")
			q.waiting = append(q.waiting, found...)
		}
	}
	if s.target.Load().URL == "" {
		q.waiting, q.tries, q.lost, q.failing = nil, 0, 0, false
	}
	if over := len(q.waiting) - maxWaiting; over > 0 {
		q.waiting = append([]events.Event(nil), q.waiting[over:]...)
		s.drop(q, int64(over), "too many wait for the receiver")
	}
	return more
}

// drop counts events that are given up.
func (s *Sender) drop(q *queue, n int64, why string) {
	if n <= 0 {
		return
	}
	q.lost += n
	s.dropped.Add(n)
	s.cfg.Tell(fmt.Sprintf("%d events are not posted: %s", n, why))
}

// post posts the first of what waits, and returns how long to wait before the next
// try: 0 for one that got through, or was given up.
func (s *Sender) post(ctx context.Context, q *queue) time.Duration {
	batch := q.waiting[:min(len(q.waiting), maxBatch)]
	err := s.send(ctx, batch, q.lost)
	if err == nil {
		q.waiting, q.tries, q.lost, q.failing = q.waiting[len(batch):], 0, 0, false
		return 0
	}
	if ctx.Err() != nil {
		return retryFirst // Run is about to end
	}
	q.tries++
	if !q.failing {
		q.failing = true
		s.cfg.Tell(err.Error())
	}
	if refused(err) || q.tries >= maxTries {
		q.waiting, q.tries = q.waiting[len(batch):], 0
		s.drop(q, int64(len(batch)), cmp.Or(firstWords(err), "the receiver does not take them"))
		return retryFirst
	}
	return min(retryFirst<<(q.tries-1), retryLast)
}
