package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/consul/api"
)

const (
	sessionTTL = 10 * time.Second
	// lockDelay is how long Consul keeps a lock from others after its session was
	// lost. Its default of 15 s would add to every failover.
	lockDelay  = time.Second
	renewEvery = 3 * time.Second
	leaderKey  = "leader"
)

// keepSession renews this replica's session and takes part in the election. The
// library's own lock is not used: it does not notice an agent that answers nothing.
func (c *Cluster) keepSession(ctx context.Context) {
	for {
		wait, err := c.renew(ctx)
		if ctx.Err() != nil {
			return
		}
		c.report("session", err)
		for _, event := range c.peers.check(time.Now()) {
			c.deps.Event(event)
		}
		if c.lease.expire() {
			c.lostTerm("Consul has not confirmed it for over 7 s")
		}
		if !pause(ctx, wait, c.renewal) {
			return
		}
	}
}

// renew renews the session, or makes one, and then looks after the leader's key.
// It returns when to do so again.
func (c *Cluster) renew(ctx context.Context) (time.Duration, error) {
	sent := time.Now()
	id, err := c.renewSession(ctx)
	if err != nil {
		return renewEvery, err
	}
	if c.standingBy() {
		c.lost("standing by")
		return renewEvery, c.resign(ctx, id)
	}
	return c.elect(ctx, id, sent)
}

// renewSession returns the session, which is alive.
func (c *Cluster) renewSession(ctx context.Context) (string, error) {
	id := c.sessionID()
	if id != "" {
		alive, err := c.renewOnce(ctx, id)
		if err != nil || alive {
			return id, err
		}
		c.lost("Consul has ended this replica's session")
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	id, _, err := c.client.Session().CreateNoChecks(&api.SessionEntry{
		Name: c.Name(), TTL: sessionTTL.String(), LockDelay: lockDelay, Behavior: api.SessionBehaviorDelete,
	}, new(api.WriteOptions).WithContext(ctx))
	if err != nil {
		return "", fmt.Errorf("opening a session: %w", err)
	}
	c.setSession(id)
	wake(c.showing)
	return id, nil
}

func (c *Cluster) renewOnce(ctx context.Context, id string) (alive bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	entry, _, err := c.client.Session().Renew(id, new(api.WriteOptions).WithContext(ctx))
	if err != nil {
		return false, fmt.Errorf("renewing the session: %w", err)
	}
	return entry != nil, nil
}

// elect confirms that the leader's key is ours, or takes it when it is nobody's.
// The term counts from sent, when the session's last renewal was asked for: no
// other replica can be given the lock before the session's TTL has passed since.
func (c *Cluster) elect(ctx context.Context, session string, sent time.Time) (time.Duration, error) {
	holder, err := c.holder(ctx)
	if err != nil {
		return renewEvery, err
	}
	if holder == "" {
		mine, err := c.acquire(ctx, leaderKey, []byte(c.Name()), session)
		if err != nil {
			return renewEvery, fmt.Errorf("acquiring the leadership: %w", err)
		}
		if !mine { // somebody was faster, or the lock delay is not over
			return lockDelay, nil
		}
		holder = session
	}
	if holder != session {
		c.lost("another replica holds the lock")
		return renewEvery, nil
	}
	if c.standingBy() { // ordered meanwhile
		return 0, nil
	}
	if c.lease.confirm(sent) {
		wake(c.showing)
		c.deps.Event(Event{Kind: "leader", To: "leading", Why: "this replica holds the lock", By: c.Name()})
	}
	return renewEvery, nil
}

// holder returns the session that holds the leader's key, consistently.
func (c *Cluster) holder(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	options := api.QueryOptions{RequireConsistent: true}
	pair, _, err := c.client.KV().Get(c.prefix+leaderKey, options.WithContext(ctx))
	if err != nil {
		return "", fmt.Errorf("reading who leads: %w", err)
	}
	if pair == nil {
		return "", nil
	}
	return pair.Session, nil
}

func (c *Cluster) acquire(ctx context.Context, key string, value []byte, session string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	pair := api.KVPair{Key: c.prefix + key, Value: value, Session: session}
	ok, _, err := c.client.KV().Acquire(&pair, new(api.WriteOptions).WithContext(ctx))
	if err != nil && isSessionGone(err) {
		return false, nil // the next renewal makes another one
	}
	return ok, err
}

// isSessionGone tells the error of a lock with a session that Consul does not know.
func isSessionGone(err error) bool {
	var status api.StatusError
	return errors.As(err, &status) && status.Code == 500 && containsFold(status.Body, "invalid session")
}

// release gives a key up without its session's end, which would start the lock
// delay; value stays in it.
func (c *Cluster) release(ctx context.Context, key string, value []byte, session string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	pair := api.KVPair{Key: c.prefix + key, Value: value, Session: session}
	_, _, err := c.client.KV().Release(&pair, new(api.WriteOptions).WithContext(ctx))
	if err != nil {
		return fmt.Errorf("releasing %s: %w", pair.Key, err)
	}
	return nil
}

// resign gives the leader's key up if it is ours.
func (c *Cluster) resign(ctx context.Context, session string) error {
	holder, err := c.holder(ctx)
	if err != nil || holder != session {
		return err
	}
	return c.release(ctx, leaderKey, nil, session)
}

// Leading returns the term in which this replica is the leader; ok is its Valid.
// Ask the term again right before each write.
func (c *Cluster) Leading() (term Term, ok bool) {
	term = c.lease.get()
	return term, term.Valid()
}

// lost ends the term, if there is one, for a reason.
func (c *Cluster) lost(why string) {
	if c.lease.drop() {
		c.lostTerm(why)
	}
}

func (c *Cluster) lostTerm(why string) {
	c.deps.Event(Event{Kind: "leader", From: "leading", To: "following", Why: why, By: c.Name()})
}

func (c *Cluster) sessionID() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session
}

func (c *Cluster) setSession(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session = id
}

// leaveTimeout bounds all of what a stopping replica still tells Consul.
const leaveTimeout = 3 * time.Second

// leave takes this replica out of Consul: out of the catalogue, a last view that
// says so, the leadership, the session.
func (c *Cluster) leave(ctx context.Context) {
	c.lost("this replica stops")
	ctx, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	var err error
	if is, _ := c.registration(); is.name != "" {
		err = c.deregister(ctx, is.name)
	}
	if session := c.sessionID(); session != "" {
		// The last view comes after the lock is free: it is what wakes the next leader.
		err = errors.Join(err,
			c.resign(ctx, session),
			c.release(ctx, c.viewKey(), c.farewell(), session),
			c.endSession(ctx, session))
	}
	if err != nil {
		c.deps.Event(Event{Kind: "consul", Why: "leaving: " + err.Error()})
	}
}

func (c *Cluster) endSession(ctx context.Context, session string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if _, err := c.client.Session().Destroy(session, new(api.WriteOptions).WithContext(ctx)); err != nil {
		return fmt.Errorf("ending the session: %w", err)
	}
	return nil
}
