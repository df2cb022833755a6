package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"
)

const (
	// callTimeout bounds a call that does not block on purpose: the client has no
	// timeout of its own, and a frozen agent would hold it for ever.
	callTimeout = 2 * time.Second
	// queryWait is how long a blocking query asks to wait. It is short, because a
	// frozen agent is noticed by a query only when its deadline has passed.
	queryWait = 9 * time.Second
	// querySlack: Consul adds up to a sixteenth of the wait, to spread its clients.
	querySlack = queryWait/16 + 5*time.Second

	// quickTry is how long an order asks a Consul that did not answer the last one:
	// one that is back answers in a fraction of that.
	quickTry = 100 * time.Millisecond

	backoffFirst = 250 * time.Millisecond
	backoffMost  = 30 * time.Second
)

// link is what this replica's activities found of Consul, each by its name: Consul
// can be used when none of them has failed.
type link struct {
	mu     sync.Mutex
	since  time.Time
	known  bool // something was heard at all
	failed map[string]error
	fails  map[string]time.Time // since when
	worked map[string]bool      // at least once
	edge   chan struct{}        // closed when an activity fails or works again
}

func newLink() *link {
	return &link{failed: map[string]error{}, fails: map[string]time.Time{}, worked: map[string]bool{}, edge: make(chan struct{})}
}

// report returns the words "unknown", "reachable" or "away" of before and after.
func (l *link) report(activity string, err error, now time.Time) (from, to, why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	from = l.word()
	before := l.failed[activity]
	if err != nil {
		l.failed[activity] = explain(err)
		if before == nil {
			l.fails[activity] = now
		}
	} else {
		delete(l.failed, activity)
		delete(l.fails, activity)
		l.worked[activity] = true
	}
	l.known = true
	to = l.word()
	if from != to {
		l.since = now
	}
	if (before == nil) != (err == nil) {
		close(l.edge)
		l.edge = make(chan struct{})
	}
	return from, to, l.why()
}

func (l *link) word() string {
	switch {
	case !l.known:
		return "unknown"
	case len(l.failed) > 0:
		return "away"
	}
	return "reachable"
}

func (l *link) why() string {
	for _, activity := range slices.Sorted(maps.Keys(l.failed)) {
		return l.failed[activity].Error()
	}
	return ""
}

func (l *link) state() (reachable bool, since time.Time, why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.word() == "reachable", l.since, l.why()
}

// works reports whether an activity succeeded when it was last tried.
func (l *link) works(activity string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.worked[activity] && l.failed[activity] == nil
}

// failing returns since when an activity fails; zero: it does not.
func (l *link) failing(activity string) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fails[activity]
}

// changed returns a channel that is closed at the next edge.
func (l *link) changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.edge
}

// backoff waits after a failure, longer with each in a row and at random, so that
// replicas do not come back all at once; an edge of the link ends the wait, for
// then somebody else has heard of Consul. It returns false when ctx is done.
func (l *link) backoff(ctx context.Context, failures int) bool {
	most := min(backoffFirst<<min(failures-1, 10), backoffMost)
	return pause(ctx, time.Duration(rand.Int64N(int64(most)))+time.Millisecond, l.changed())
}

// pause waits for d, or for early. It returns false when ctx is done.
func pause(ctx context.Context, d time.Duration, early <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	case <-early:
	}
	return ctx.Err() == nil
}

// blocking returns a context for a blocking query: it ends with the query's
// deadline, or when the link changes, so that the query begins anew.
func (l *link) blocking(ctx context.Context) (context.Context, context.CancelFunc) {
	edge := l.changed()
	ctx, cancel := context.WithTimeout(ctx, queryWait+querySlack)
	go cancelAt(ctx, edge, cancel)
	return ctx, cancel
}

func cancelAt(ctx context.Context, edge <-chan struct{}, cancel context.CancelFunc) {
	select {
	case <-ctx.Done():
	case <-edge:
		cancel()
	}
}

// explain makes a sentence of an error, with the remedy where there is one.
func explain(err error) error {
	text := err.Error()
	var status api.StatusError
	errors.As(err, &status)
	var request *url.Error
	if errors.As(err, &request) { // its address says nothing to people
		err = request.Err
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return errors.New("no answer from Consul in time: is its agent overloaded, stopped or cut off?")
	case status.Code == 403 || strings.Contains(text, "response code: 403") || strings.Contains(text, "Permission denied") || strings.Contains(text, "ACL not found"):
		return fmt.Errorf(`the token is refused by Consul: it needs key_prefix "weir/" write, session_prefix "" write and service "weir" write: %w`, err)
	case strings.Contains(text, "No cluster leader"):
		return errors.New("the servers of Consul have no leader: are most of them away?")
	case strings.Contains(text, "connection refused"):
		return fmt.Errorf("no Consul agent runs there: %w", err)
	}
	return fmt.Errorf("asking Consul: %w", err)
}
