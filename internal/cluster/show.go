package cluster

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

const (
	showGap    = 200 * time.Millisecond // between two views at least
	showBusy   = 250 * time.Millisecond // between looks while something runs out
	showAtMost = 5 * time.Second        // a view is never older
	// nameTaken is how long an earlier life's session may hold our view's key: its
	// TTL, of which Consul makes up to twice, and the lock delay.
	nameTaken = 30 * time.Second

	viewsAtMost = 100 * time.Millisecond // between two readings of the others' views
	leftFor     = time.Minute            // how long the view of one that has left stays
)

func (c *Cluster) viewKey() string { return "views/" + c.Name() }

// showViews writes this replica's view whenever it says something new, and at
// least every 5 s.
func (c *Cluster) showViews(ctx context.Context) {
	changed, cancel := c.deps.Registry.Subscribe()
	defer cancel()
	s := shower{c: c}
	for {
		wait := s.show(ctx)
		if ctx.Err() != nil || !pause(ctx, showGap, nil) {
			return
		}
		timer := time.NewTimer(max(wait-showGap, time.Millisecond))
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-changed:
		case <-c.showing:
		}
		timer.Stop()
	}
}

// shower remembers what was shown last.
type shower struct {
	c       *Cluster
	session string
	essence string
	at      time.Time // when it was shown; zero: it has to be shown again
	denied  time.Time // since when the key is held by another session
}

// show shows the view if there is something new, and returns when to look again.
func (s *shower) show(ctx context.Context) time.Duration {
	session := s.c.sessionID()
	if session == "" {
		return showAtMost // a new session wakes us
	}
	now := time.Now()
	v := s.c.look(now)
	wait := showAtMost
	if v.busy() {
		wait = showBusy
	}
	essence := v.essence()
	if session == s.session && essence == s.essence && now.Sub(s.at) < showAtMost-showGap {
		return min(wait, showAtMost-now.Sub(s.at))
	}
	ok, err := s.write(ctx, v, session)
	switch {
	case err == nil && ok:
		s.session, s.essence, s.at, s.denied = session, essence, now, time.Time{}
	case err == nil:
		s.refused(now)
		wait = time.Second
	default:
		s.at, wait = time.Time{}, time.Second
	}
	if ctx.Err() == nil {
		s.c.report("view", err)
	}
	return wait
}

func (s *shower) write(ctx context.Context, v view, session string) (bool, error) {
	text, err := v.text()
	if err != nil {
		return false, fmt.Errorf("writing this replica's view: %w", err)
	}
	ok, err := s.c.acquire(ctx, s.c.viewKey(), text, session)
	if err != nil {
		return false, fmt.Errorf("showing this replica's view: %w", err)
	}
	return ok, nil
}

// refused takes another name when the key stays held by another: an earlier life of
// ours shows nothing any more and is over soon, a second replica of this name is not.
func (s *shower) refused(now time.Time) {
	if s.denied.IsZero() {
		s.denied = now
	}
	if s.c.peers.haveTwin() || now.Sub(s.denied) >= nameTaken {
		s.c.rename()
		s.denied = time.Time{}
	}
}

// watchViews follows the views of the others.
func (c *Cluster) watchViews(ctx context.Context) {
	w := watch{c: c, activity: "views", prefix: c.prefix + "views/"}
	w.run(ctx, func(ctx context.Context, pairs api.KVPairs) error {
		events, freed := c.peers.update(pairs, w.prefix, c.Name(), c.sessionID(), time.Now())
		for _, event := range events {
			c.deps.Event(event)
		}
		if freed {
			wake(c.renewal)
		}
		err := c.sweep(ctx, pairs)
		pause(ctx, viewsAtMost, nil)
		return err
	})
}

// sweep deletes the views of those that left a while ago.
func (c *Cluster) sweep(ctx context.Context, pairs api.KVPairs) error {
	for _, pair := range pairs {
		if !c.peers.leftLongAgo(strings.TrimPrefix(pair.Key, c.prefix+"views/"), time.Now()) {
			continue
		}
		if err := c.deleteView(ctx, pair); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) deleteView(ctx context.Context, pair *api.KVPair) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if _, _, err := c.client.KV().DeleteCAS(pair, new(api.WriteOptions).WithContext(ctx)); err != nil {
		return fmt.Errorf("deleting the view of a replica that has left: %w", err)
	}
	return nil
}
