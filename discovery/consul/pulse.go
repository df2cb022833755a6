package consul

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/hashicorp/consul/api"
)

// While a query blocks, silence means nothing. So the agent is asked something
// small meanwhile: who the leader is, which needs no rights and which the
// agent's streams cannot tell; and what weir's token is, as a query that blocks
// outlives its token. An agent that froze is noticed within
// pulseEvery + pulseAgain + 2·pulseDeadline, 12 s.
const (
	pulseEvery    = 5 * time.Second
	pulseAgain    = time.Second // after a miss: one alone may be a busy machine
	pulseDeadline = 3 * time.Second
	pulseMisses   = 2
)

// pulse looks after the agent until ctx is done. It ends ctx through abort: when
// the agent does not answer, with the reason; when the servers' having a leader
// is no longer as known, with errLeaderChanged; when the token is not, with
// errTokenChanged.
func (s *Source) pulse(ctx context.Context, q query, abort context.CancelCauseFunc, stopped chan<- struct{}) {
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
		case (leader == "") != q.leaderless:
			abort(errLeaderChanged)
			return
		case q.token.changed(s.token(ctx)):
			abort(errTokenChanged)
			return
		default:
			wait, misses = pulseEvery, 0
		}
	}
}

// token is what Consul says of weir's token, as a sum: the secret is part of it.
// Empty: nothing is known.
type token string

// changed takes in what is known now, and reports whether that was known to be
// something else. Not to know is no change.
func (t *token) changed(now token) bool {
	before := *t
	if now != "" {
		*t = now
	}
	return before != "" && before != *t
}

// token asks for weir's own token, with its policies' names, which every token
// may read.
func (s *Source) token(ctx context.Context) token {
	ctx, end := context.WithTimeout(ctx, pulseDeadline)
	defer end()
	var text json.RawMessage
	_, err := s.client.Raw().Query("/v1/acl/token/self", &text, (&api.QueryOptions{AllowStale: true}).WithContext(ctx))
	var status api.StatusError
	switch {
	case errors.As(err, &status) && status.Code < 500: // revoked, none, or a Consul without ACLs
		return token(strconv.Itoa(status.Code))
	case err != nil:
		return ""
	}
	sum := sha256.Sum256(text)
	return token(sum[:])
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
