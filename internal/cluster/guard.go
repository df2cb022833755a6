package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/hashicorp/consul/api"

	"weir/internal/backend"
)

const (
	// proposals is how often an order is decided anew because another replica was
	// faster. Each round one of the replicas gets through.
	proposals    = 16
	proposalWait = 20 * time.Millisecond // at random, longer with each
)

// propose decides with what Consul knows and writes the word there. Where Consul
// cannot be used it decides with what is known here; shared is why.
//
// What keeps two replicas from emptying a pool together is the pool's guard: each
// reads the guard before the flags and replaces both in one transaction, so that
// of two that decided on the same flags only one gets through.
func (c *Cluster) propose(ctx context.Context, id backend.ID, o Order) (f flag, shared, err error) {
	for try := 1; ; try++ {
		at, unread := c.readFlags(ctx, id)
		if ctx.Err() != nil {
			return flag{}, nil, fmt.Errorf("asking Consul: %w", ctx.Err())
		}
		f, err := c.decide(id, o)
		if err != nil || unread != nil {
			return f, unread, err
		}
		ok, err := c.commit(ctx, id, o, f, at)
		if err != nil {
			return f, err, nil // whether it was written is not known: it is kept as unshared
		}
		if ok {
			return f, nil, nil
		}
		if try == proposals {
			return flag{}, nil, ErrContended
		}
		if !pause(ctx, rand.N(time.Duration(try)*proposalWait), nil) {
			return flag{}, nil, fmt.Errorf("asking Consul: %w", ctx.Err())
		}
	}
}

// indexes are where Consul's history stood when the flags were read; 0: no key.
type indexes struct{ guard, flag uint64 }

// readFlags reads the pool's guard, then its flags, and takes what is newer.
func (c *Cluster) readFlags(ctx context.Context, id backend.ID) (at indexes, err error) {
	_, at.guard, err = c.Load(ctx, guardKey(id.Pool))
	if err != nil {
		return at, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	prefix := c.prefix + "drain/"
	options := api.QueryOptions{RequireConsistent: true}
	pairs, _, err := c.client.KV().List(prefix+id.Pool+"/", options.WithContext(ctx))
	if err != nil {
		return at, fmt.Errorf("reading the flags of %s: %w", id.Pool, err)
	}
	var events []Event
	for _, pair := range pairs {
		of, ok := parseID(pair.Key[len(prefix):])
		if !ok {
			continue
		}
		if of == id {
			at.flag = pair.ModifyIndex
		}
		now := time.Now()
		if f, err := decodeFlag(pair.Value, now); err == nil {
			events = append(events, c.book.take(of, f, false, now)...)
		}
	}
	c.tell(events)
	return at, nil
}

// commit writes the word, and the guard with one that takes a connector out, if
// nothing has changed since. The guard's value is for people.
func (c *Cluster) commit(ctx context.Context, id backend.ID, o Order, f flag, at indexes) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	ops := api.TxnOps{{KV: &api.KVTxnOp{Verb: api.KVCAS, Key: c.prefix + flagKey(id), Value: f.encode(), Index: at.flag}}}
	if o.takesOut() {
		text := fmt.Sprintf("%s %s by %s", f.When.Format(time.RFC3339Nano), id, c.Name())
		ops = append(ops, &api.TxnOp{KV: &api.KVTxnOp{Verb: api.KVCAS, Key: c.prefix + guardKey(id.Pool), Value: []byte(text), Index: at.guard}})
	}
	ok, answer, _, err := c.client.Txn().Txn(ops, new(api.QueryOptions).WithContext(ctx))
	if err != nil {
		return false, fmt.Errorf("writing the flag of %s: %w", id, err)
	}
	if ok {
		return true, nil
	}
	for _, refusal := range answer.Errors {
		if containsFold(refusal.What, "permission denied") {
			return false, errors.New("writing the flag: " + refusal.What)
		}
	}
	return false, nil
}

// guardKey is the key of a pool's guard, without the cluster's prefix.
func guardKey(pool string) string { return "guard/" + pool }
