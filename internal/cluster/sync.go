package cluster

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"weir/internal/backend"
)

// expire ends the flags whose time is over, and saves those that could not be saved.
func (c *Cluster) expire(ctx context.Context) {
	for {
		next, events := c.book.due(time.Now())
		c.tell(events)
		wait := time.Hour // a clock that was set is noticed at least then
		again, saved := c.book.retry()
		c.announce(saved)
		for _, at := range []time.Time{next, again} {
			if !at.IsZero() {
				wait = min(wait, max(time.Until(at), time.Millisecond))
			}
		}
		if !pause(ctx, wait, c.expiry) {
			return
		}
	}
}

// tell hands events on, has what changed kept on disk and shown to the others.
func (c *Cluster) tell(events []Event) {
	if len(events) == 0 && !c.book.stale() {
		return
	}
	saved := c.book.save()
	wake(c.showing)
	if len(saved) > 0 {
		wake(c.expiry) // it is tried again in a while
	}
	c.announce(saved)
	c.announce(events)
}

func (c *Cluster) announce(events []Event) {
	for _, event := range events {
		c.deps.Event(event)
	}
}

// watchFlags follows the flags in Consul.
func (c *Cluster) watchFlags(ctx context.Context) {
	w := watch{c: c, activity: "flags", prefix: c.prefix + "drain/"}
	garbage := map[string]uint64{}
	w.run(ctx, func(ctx context.Context, pairs api.KVPairs) error {
		return c.converge(ctx, pairs, garbage)
	})
}

// watch is a blocking query on a prefix, asked again and again.
type watch struct {
	c        *Cluster
	activity string
	prefix   string
	index    uint64
	failures int
	idle     bool // the last answer came at once, and said nothing new
}

// run hands every answer to use until ctx is done. An error of use is one of
// Consul: the whole prefix is read again after a while.
func (w *watch) run(ctx context.Context, use func(context.Context, api.KVPairs) error) {
	for ctx.Err() == nil {
		edge := w.c.link.changed()
		pairs, err := w.ask(ctx)
		if err == nil {
			err = use(ctx, pairs)
		}
		if isClosed(edge) && err != nil {
			// Somebody else met or lost Consul meanwhile: see it afresh, but
			// not at the speed at which a refused connection fails.
			w.index = 0
			if !pause(ctx, backoffFirst, nil) {
				return
			}
			continue
		}
		w.c.report(w.activity, err)
		if err == nil {
			w.failures = 0
			// Consul waits with such an answer; a proxy before it may not.
			if w.idle && !pause(ctx, backoffFirst, nil) {
				return
			}
			continue
		}
		w.index = 0
		w.failures++
		if !w.c.link.backoff(ctx, w.failures) {
			return
		}
	}
}

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// ask asks once; at index 0 it is answered at once.
func (w *watch) ask(ctx context.Context) (api.KVPairs, error) {
	ctx, cancel := w.context(ctx)
	defer cancel()
	asked := time.Now()
	options := api.QueryOptions{WaitIndex: w.index, WaitTime: queryWait}
	pairs, meta, err := w.c.client.KV().List(w.prefix, options.WithContext(ctx))
	if err != nil {
		return nil, fmt.Errorf("watching %s: %w", w.prefix, err)
	}
	// An index that falls is another history, such as a Consul that lost its data:
	// waiting for the old one would be waiting for ever. One of 0 would not wait.
	w.idle = meta.LastIndex <= w.index && time.Since(asked) < queryWait/2
	if meta.LastIndex < w.index {
		w.index = 0
		return pairs, nil
	}
	w.index = max(meta.LastIndex, 1)
	return pairs, nil
}

func (w *watch) context(ctx context.Context) (context.Context, context.CancelFunc) {
	if w.index == 0 {
		return context.WithTimeout(ctx, callTimeout)
	}
	return w.c.link.blocking(ctx)
}

// converge takes what is newer in Consul and tells Consul what is newer here. A
// key that is missing is no command but a loss, whether Consul began anew without
// its data or somebody deleted the key: it is written again.
func (c *Cluster) converge(ctx context.Context, pairs api.KVPairs, garbage map[string]uint64) error {
	now, prefix := time.Now(), c.prefix+"drain/"
	seen := map[backend.ID]uint64{} // where Consul's word may be replaced by ours, at that index
	var events []Event
	for _, pair := range pairs {
		id, ok := parseID(strings.TrimPrefix(pair.Key, prefix))
		if !ok {
			continue
		}
		f, err := decodeFlag(pair.Value, now)
		seen[id] = 0
		if err != nil {
			if garbage[pair.Key] != pair.ModifyIndex {
				garbage[pair.Key] = pair.ModifyIndex
				why := fmt.Sprintf("the key %s is ignored: %v: write it again with weir drain or weir undrain", pair.Key, err)
				events = append(events, Event{Kind: "flag", Pool: id.Pool, Backend: id.Name, To: "ignored", Why: why})
			}
			continue
		}
		events = append(events, c.book.take(id, f, false, now)...)
		if c.book.get(id).newer(f) {
			seen[id] = pair.ModifyIndex
		}
	}
	c.tell(events)
	wake(c.expiry)
	return c.writeBack(ctx, seen)
}

// writeBack writes the words that Consul lacks, or holds older ones of, at the
// index it had them. Who loses the compare-and-set is woken by who won it.
func (c *Cluster) writeBack(ctx context.Context, seen map[backend.ID]uint64) error {
	for id, held := range c.book.all() {
		index, known := seen[id]
		if known && index == 0 {
			continue
		}
		c.book.doubted(id)
		ok, err := c.Swap(ctx, flagKey(id), held.encode(), index)
		if err != nil {
			return err
		}
		if ok {
			c.tell(c.book.told(id, held.flag))
		}
	}
	return nil
}

// flagKey is the key of a connector's flag, without the cluster's prefix.
func flagKey(id backend.ID) string { return "drain/" + id.String() }
