package update

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"weir/dns"
)

// settle finds out what became of a change that was sent and got no answer that can be
// believed, by reading back: from the same server, and from the others if that is away.
func (t *Target) settle(ctx context.Context, server string, before, next stamp, change dns.Change, cause error) error {
	var no *denial
	at := slices.Index(t.servers, server)
	for i := range t.servers {
		asking := t.servers[(at+i)%len(t.servers)]
		v, err := t.lookAt(ctx, asking, asked(change))
		switch {
		case err != nil:
			continue
		case v.stamp == next && t.missing(v, change) == nil:
			t.current = (at + i) % len(t.servers)
			return nil
		case v.stamp.epoch >= next.epoch && v.stamp.writer != next.writer:
			return t.fenced(v.stamp, next.epoch)
		case v.stamp == before && asking == server && errors.As(cause, &no):
			// Knot says BADKEY to a key that it knows, when its rules forbid the change.
			return t.refused(server, no.rcode, change)
		}
	}
	return fmt.Errorf("%w; whether %s has made the change could not be established: it is read again before the next one: %w",
		unkind(cause), server, dns.ErrUnknownOutcome)
}

// unkind takes from an error what callers would know it by, and keeps its words.
func unkind(err error) error { return errors.New(err.Error()) }

// awaitVisible reads back until all of the change is seen.
func (t *Target) awaitVisible(ctx context.Context, c *conn, next stamp, change dns.Change) error {
	deadline := time.Now().Add(visibleWithin)
	for wait := 10 * time.Millisecond; ; wait *= 2 {
		v, err := t.look(ctx, c, asked(change))
		if err != nil {
			return fmt.Errorf("reading back what was written: %w: %w", unkind(err), dns.ErrUnknownOutcome)
		}
		if v.stamp.epoch >= next.epoch && v.stamp.writer != next.writer {
			return t.fenced(v.stamp, next.epoch)
		}
		err = t.missing(v, change)
		if err == nil && v.stamp != next {
			err = fmt.Errorf("%s still says %q", dns.EpochName(t.owner, t.zone), v.stamp.String())
		}
		if err == nil {
			return nil
		}
		if errors.Is(err, dns.ErrForeign) || time.Now().After(deadline) {
			return fmt.Errorf("%s took the change and does not show it: %w", c.server, err)
		}
		if err := pause(ctx, wait); err != nil {
			return fmt.Errorf("reading back what was written: %w: %w", err, dns.ErrUnknownOutcome)
		}
	}
}

// pause waits, or fails when ctx ends first.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// missing says what of a change is not to be seen in the zone.
func (t *Target) missing(v view, change dns.Change) error {
	for _, set := range change.Put {
		if target, ok := v.aliases[set.Name.Name]; ok {
			return foreignAlias(set.Name.Name, target)
		}
		rrs, err := records(set)
		if err != nil {
			return err
		}
		want, got := datas(rrs), v.sets[set.Name]
		if !slices.Equal(slices.Compact(want), got.Records) || got.TTL != set.TTL {
			return fmt.Errorf("%s should be %v with TTL %d and is %v with TTL %d", label(set.Name), want, set.TTL, got.Records, got.TTL)
		}
	}
	for _, name := range change.Claim {
		if v.owners[name] != t.owner {
			return fmt.Errorf("%s should name %s and names %q", dns.OwnerName(name), t.owner, v.owners[name])
		}
	}
	for _, name := range change.Release {
		if owner, ok := v.owners[name]; ok {
			return fmt.Errorf("%s should be gone and names %q", dns.OwnerName(name), owner)
		}
	}
	return nil
}
