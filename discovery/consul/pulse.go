package consul

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/consul/api"
)

// While a query blocks, silence means nothing. So the agent is asked something
// small meanwhile: who the leader is, which needs no rights and which the
// agent's streams cannot tell. An agent that froze is noticed within
// pulseEvery + pulseAgain + 2·pulseDeadline, 12 s.
const (
	pulseEvery    = 5 * time.Second
	pulseAgain    = time.Second // after a miss: one alone may be a busy machine
	pulseDeadline = 3 * time.Second
	pulseMisses   = 2
)

// pulse looks after the agent until ctx is done. It ends ctx through abort: when
// the agent does not answer, with the reason; when the servers' having a leader
// is no longer as known, with errLeaderChanged.
func (s *Source) pulse(ctx context.Context, leaderless bool, abort context.CancelCauseFunc, stopped chan<- struct{}) {
	defer close(stopped)
	wait, misses := pulseEvery, 0
	for sleep(ctx, wait) {
		leader, err := s.leader(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			misses++
			if wait = pulseAgain; misses == pulseMisses {
				abort(err)
				return
			}
		case (leader == "") != leaderless:
			abort(errLeaderChanged)
			return
		default:
			wait, misses = pulseEvery, 0
		}
	}
}

// leader asks for the servers' leader; empty: they have none.
func (s *Source) leader(ctx context.Context) (string, error) {
	ctx, end := context.WithTimeoutCause(ctx, pulseDeadline, errSilent)
	defer end()
	opts := &api.QueryOptions{Datacenter: s.cfg.Datacenter}
	leader, err := s.client.Status().LeaderWithQueryOptions(opts.WithContext(ctx))
	var status api.StatusError
	if errors.As(err, &status) && status.Code < 500 {
		return "unknown", nil // something in front of the agent forbids the question, but it lives
	}
	if err != nil {
		return "", causeOf(ctx, err)
	}
	return leader, nil
}
