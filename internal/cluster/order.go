package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"weir/internal/backend"
)

// What an order is refused for, or could not do.
var (
	// ErrEmpties: it would leave the pool without an eligible connector.
	ErrEmpties = errors.New("it would leave the pool without an eligible connector")
	// ErrMaintenance: weir's own flag is lifted, but Consul's maintenance mode
	// still drains the connector, and only Consul can end that.
	ErrMaintenance = errors.New("still in Consul's maintenance mode")
	// ErrUnknown: there is no connector of that name, and no flag on one.
	ErrUnknown = errors.New("no such connector")
	// ErrNotShared: done here, but the other replicas could not be told.
	ErrNotShared = errors.New("in force on this replica only")
	// ErrContended: other replicas change the pool's flags all the time.
	ErrContended = errors.New("the flags of this pool are being changed elsewhere: try again")
)

// Verb is what an operator orders of a connector.
type Verb string

// The verbs. The last word counts: a drain of one that is disabled lets it end in
// peace, and undrain and enable both lift whatever there is.
const (
	Drain   Verb = "drain"
	Undrain Verb = "undrain"
	Disable Verb = "disable"
	Enable  Verb = "enable"
)

// Order is an operator's word on a connector.
type Order struct {
	Verb   Verb
	By     string
	Reason string
	Force  bool          // even if it leaves the pool without an eligible connector
	For    time.Duration // it ends by itself; 0: it does not. Only with drain and disable
}

// takesOut reports whether the order takes a connector out, which may empty a pool.
func (o Order) takesOut() bool { return o.Verb == Drain || o.Verb == Disable }

func (o Order) check() error {
	switch o.Verb {
	case Drain, Disable, Undrain, Enable:
	default:
		return fmt.Errorf("reading the order: %q is none of drain, undrain, disable, enable", o.Verb)
	}
	if o.For < 0 || o.For > 0 && !o.takesOut() {
		return fmt.Errorf("reading the order: a duration of %s makes no sense with %s", o.For, o.Verb)
	}
	return nil
}

// flag makes the word that follows on the held one. Its time is after that one's,
// unless no other replica would believe it.
func (o Order) flag(held flag, now time.Time) flag {
	when := now.UTC()
	if !when.After(held.When) && held.plausible(now) {
		when = held.When.Add(time.Nanosecond)
	}
	f := flag{Drained: o.Verb == Drain, Disabled: o.Verb == Disable, Who: o.By, Why: o.Reason, When: when}
	if o.For > 0 {
		f.Until = now.Add(o.For).UTC()
	}
	return f
}

// Order carries an operator's word out, here and with the other replicas. It
// refuses with ErrUnknown, with ErrEmpties unless forced, and with ErrContended.
// With ErrNotShared and ErrMaintenance the order is carried out as far as that
// says, and the Standing is valid.
func (c *Cluster) Order(ctx context.Context, id backend.ID, o Order) (Standing, error) {
	if err := o.check(); err != nil {
		return Standing{}, err
	}
	c.ordering.Lock()
	defer c.ordering.Unlock()
	shared, err := c.carryOut(ctx, id, o)
	if err != nil {
		return Standing{}, err
	}
	wake(c.expiry)
	s := c.Look(id)
	if o.takesOut() {
		s.warn(c.redundancyWarning(id.Pool))
	}
	s.warn(c.unkept())
	return s, errors.Join(c.notShared(shared), c.maintained(id, o))
}

// carryOut decides, with Consul where it can be asked and without it where not, and
// applies the word. shared is why Consul has not been told.
func (c *Cluster) carryOut(ctx context.Context, id backend.ID, o Order) (shared, err error) {
	if c.client == nil {
		f, err := c.decide(id, o)
		if err == nil {
			c.tell(c.book.take(id, f, false, time.Now()))
		}
		return nil, err
	}
	f, shared, err := c.consult(ctx, id, o)
	if err != nil {
		return nil, err
	}
	if ctx.Err() == nil {
		c.report("flags", shared)
	}
	c.tell(c.book.take(id, f, shared != nil, time.Now()))
	return shared, nil
}

// consult decides with Consul, or at once without it where it has been away for
// longer than it is waited for: orders queue, and each would wait as long again.
func (c *Cluster) consult(ctx context.Context, id backend.ID, o Order) (f flag, shared, err error) {
	if since := c.link.failing("flags"); !since.IsZero() && time.Since(since) >= callTimeout {
		hasty, cancel := context.WithTimeout(ctx, quickTry)
		defer cancel()
		if _, _, away := c.Load(hasty, guardKey(id.Pool)); away != nil {
			f, err = c.decide(id, o)
			return f, away, err
		}
	}
	return c.propose(ctx, id, o)
}

// decide makes the word, or refuses, from what this replica knows.
func (c *Cluster) decide(id backend.ID, o Order) (flag, error) {
	held := c.book.get(id)
	m := c.member(id)
	if m == nil && held.When.IsZero() {
		return flag{}, fmt.Errorf("looking for %s: %w", id, ErrUnknown)
	}
	if o.takesOut() && !o.Force && m != nil && m.Eligible && c.eligible(id.Pool) < 2 {
		return flag{}, fmt.Errorf("taking %s out: %w", id, ErrEmpties)
	}
	f := o.flag(held.flag, time.Now())
	return f, f.writable()
}

func (c *Cluster) eligible(pool string) int {
	if p := c.deps.Registry.Snapshot().Pool(pool); p != nil {
		return p.Eligible
	}
	return 0
}

// redundancyWarning is what an order leaves behind, in words; empty: enough.
func (c *Cluster) redundancyWarning(pool string) string {
	p := c.deps.Registry.Snapshot().Pool(pool)
	switch {
	case p == nil || p.Redundant() && p.Eligible > 0:
		return ""
	case p.Eligible == 0:
		return fmt.Sprintf("pool %s has no eligible connector left: senders are told to come back later", pool)
	}
	return fmt.Sprintf("pool %s has %d eligible of min_redundancy %d", pool, p.Eligible, p.MinRedundancy)
}

// notShared makes the error of an order that Consul was not told of.
func (c *Cluster) notShared(cause error) error {
	if cause == nil {
		return nil
	}
	var names []string
	for _, o := range c.peers.others(time.Now()) {
		names = append(names, o.name)
	}
	whom := "whether there are other replicas is not known"
	if len(names) > 0 {
		whom = "not told: " + strings.Join(names, ", ")
	}
	return fmt.Errorf("%w until Consul is back (%s): %w", ErrNotShared, whom, explain(cause))
}

// maintained makes the error of lifting a flag that Consul holds, too.
func (c *Cluster) maintained(id backend.ID, o Order) error {
	m := c.member(id)
	if o.takesOut() || m == nil || m.Spec.Maintenance == "" {
		return nil
	}
	remedy := m.Spec.Meta["undrain"]
	if remedy == "" {
		remedy = "end it where it was begun"
	}
	return fmt.Errorf("%w (%s): %s", ErrMaintenance, m.Spec.Maintenance, remedy)
}
