package consul

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	// waitTime is how long a query blocks when nothing changes. It can be long:
	// an agent that has frozen meanwhile is noticed by the pulse.
	waitTime = time.Minute
	// rightsWait is the same while the token may not see everything: a right that
	// is given moves no index.
	rightsWait = 10 * time.Second
	// plainDeadline is for queries that do not block. A server that knows no
	// leader looks for one for 7 s before it refuses.
	plainDeadline = 10 * time.Second
	// resyncEvery is how often the leader is asked afresh, in case that a stream
	// or a server that lags has lost something.
	resyncEvery = 5 * time.Minute
	// maxLastContact is how long a server may have been without its leader
	// before its word is doubted.
	maxLastContact = 10 * time.Second

	firstBackoff = 250 * time.Millisecond
	maxBackoff   = 30 * time.Second

	// entryPause bounds what following a large service that never rests may
	// cost: an entry takes 10 µs to read, and 3 when it is known already.
	entryPause     = 200 * time.Microsecond
	maxPause       = time.Second
	unchangedPause = 50 * time.Millisecond // other people's changes move the index too
)

// blockingDeadline is when a query that blocks so long must have ended. Consul
// adds up to a sixteenth to the wait; the client itself would wait for ever.
func blockingDeadline(wait time.Duration) time.Duration { return wait*17/16 + 5*time.Second }

// nextIndex returns what to wait on after a query that waited on asked and was
// answered got. An index that fell is that of another state, so nothing is
// known; 0 would never block, so 1 is the least to wait on.
// https://developer.hashicorp.com/consul/api-docs/features/blocking
func nextIndex(asked, got uint64) uint64 {
	if got < asked {
		return 0
	}
	return max(got, 1)
}

// pace returns how long to leave Consul alone after an answer of so many
// entries. At once means that the query waited for nothing.
func pace(entries int, changed, atOnce bool) time.Duration {
	if atOnce {
		return maxPause // something between here and Consul does not block
	}
	pause := min(time.Duration(entries)*entryPause, maxPause)
	if !changed {
		pause = max(pause, unchangedPause)
	}
	return pause
}

// backoff returns how long to wait after so many failures in a row, at least 1:
// anything up to a bound that doubles each time, so that replicas that lost
// Consul together do not come back together.
func backoff(failures int) time.Duration {
	bound := maxBackoff
	if failures <= 7 { // 250 ms · 2^7 is past the bound
		bound = min(firstBackoff<<(failures-1), maxBackoff)
	}
	return rand.N(bound) + 1
}

// jitter returns d, a fifth more or less.
func jitter(d time.Duration) time.Duration { return d*4/5 + rand.N(d*2/5) }

// sleep waits and reports whether ctx let it.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
