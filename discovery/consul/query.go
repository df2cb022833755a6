package consul

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/hashicorp/consul/api"
)

var (
	errSilent        = errors.New("no answer in time")
	errLeaderChanged = errors.New("the servers have found or lost their leader")
	errTokenChanged  = errors.New("weir's token has been changed or revoked")
)

// anonymousAccessor is the ID of the token that stands for having none.
const anonymousAccessor = "00000000-0000-0000-0000-000000000002"

// query is one question.
type query struct {
	index      uint64        // blocks until the index is past this; 0: does not block
	wait       time.Duration // how long it blocks
	consistent bool          // the leader is to answer, not any server
	leaderless bool          // what is known of the servers: the pulse tells of a change
	reader     *reader       // of the answer
	token      *token        // what is known of the token: the pulse tells of a change
}

// answer is what Consul said, and how.
type answer struct {
	entries     []entry
	index       uint64
	streamed    bool // from the agent's stream, which knows nothing of the leader
	knownLeader bool
	lastContact time.Duration
	filtered    bool // the token may not see all of it
	denies      bool // what no rule allows is hidden
}

// ask asks once, for all instances whatever their health. The error is that of
// the deadline or of the pulse, if it was one of them that ended it.
func (s *Source) ask(ctx context.Context, q query) (answer, error) {
	limit := plainDeadline
	opts := &api.QueryOptions{Datacenter: s.cfg.Datacenter, AllowStale: !q.consistent}
	if q.index > 0 {
		limit = blockingDeadline(q.wait)
		opts.WaitIndex, opts.WaitTime = q.index, q.wait
	}
	ctx, end := context.WithTimeoutCause(ctx, limit, errSilent)
	defer end()
	ctx, abort := context.WithCancelCause(ctx)
	defer abort(nil)
	if q.index > 0 {
		stopped := make(chan struct{})
		go s.pulse(ctx, q, abort, stopped)
		defer func() { abort(nil); <-stopped }()
	}
	a, to := answer{}, errand{reader: q.reader}
	// Not Health().Service: its types cost many times the time and the memory to
	// decode, which counts in services of thousands.
	var text json.RawMessage
	meta, err := s.client.Raw().Query("/v1/health/service/"+s.cfg.Service, &text, opts.WithContext(to.on(ctx)))
	if err == nil {
		a.entries, err = to.take(text)
	}
	if err != nil {
		return a, causeOf(ctx, err)
	}
	a.index, a.lastContact = meta.LastIndex, meta.LastContact
	a.streamed = meta.QueryBackend == api.QueryBackendStreaming
	a.knownLeader, a.filtered = meta.KnownLeader, meta.ResultsFilteredByACLs
	a.denies = meta.DefaultACLPolicy == "deny"
	return a, nil
}

// causeOf adds to err why ctx ended, if it did.
func causeOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.Join(context.Cause(ctx), err)
	}
	return err
}

// anonymous reports whether weir has no token, or none that Consul knows. To
// those Consul does not say that it hides something.
func (s *Source) anonymous(ctx context.Context) bool {
	ctx, end := context.WithTimeout(ctx, plainDeadline)
	defer end()
	token, _, err := s.client.ACL().TokenReadSelf((&api.QueryOptions{AllowStale: true}).WithContext(ctx))
	return err != nil || token.AccessorID == anonymousAccessor
}
