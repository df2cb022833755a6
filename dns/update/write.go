package update

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	mdns "github.com/miekg/dns"

	"weir/dns"
)

// writeTo makes the change on one server, over one connection.
func (t *Target) writeTo(ctx context.Context, server string, change dns.Change) error {
	c, err := t.dial(ctx, server)
	if err != nil {
		return err
	}
	defer c.end()
	before, err := t.look(ctx, c, asked(change))
	if err != nil {
		return err
	}
	if err := t.allowed(before, change); err != nil {
		return err
	}
	next := t.stamp(before.stamp, change)
	reply, err := c.ask(ctx, []*mdns.Msg{t.message(before, next, change)})
	if err != nil {
		return t.settle(ctx, server, before.stamp, next, change, err)
	}
	if reply[0].Rcode != mdns.RcodeSuccess {
		return t.denied(ctx, c, reply[0].Rcode, change)
	}
	return t.awaitVisible(ctx, c, next, change)
}

// stamp is what the epoch's record will say after the change.
func (t *Target) stamp(now stamp, change dns.Change) stamp {
	next := stamp{epoch: change.Becomes, writer: t.writer, change: 1}
	if change.Becomes == change.Was {
		next.change = now.change + 1
	}
	return next
}

// allowed says whether the zone, as it was just read, lets us make the change. The
// prerequisites of the message say the same once more, at the server.
func (t *Target) allowed(v view, change dns.Change) error {
	if v.stamp.epoch != change.Was || change.Becomes == change.Was && v.stamp.writer != t.writer {
		return t.fenced(v.stamp, change.Was)
	}
	for _, name := range change.Claim {
		if owner, ok := v.owners[name]; ok && owner != t.owner {
			return t.foreignOwner(name, owner)
		}
		if set, ok := v.at(name); ok && v.owners[name] == "" {
			return t.foreignSet(set)
		}
	}
	for _, set := range change.Put {
		name := set.Name.Name
		if target, ok := v.aliases[name]; ok {
			return foreignAlias(name, target)
		}
		if v.owners[name] != t.owner && !slices.Contains(change.Claim, name) {
			return t.foreignOwner(name, v.owners[name])
		}
	}
	for _, name := range change.Release {
		if owner, ok := v.owners[name]; ok && owner != t.owner {
			return t.foreignOwner(name, owner)
		}
	}
	return nil
}

// denied explains an answer that says the change was not made. A prerequisite that no
// longer holds means that somebody was quicker: who, is read again.
func (t *Target) denied(ctx context.Context, c *conn, rcode int, change dns.Change) error {
	switch rcode {
	case mdns.RcodeNXRrset, mdns.RcodeYXRrset, mdns.RcodeYXDomain, mdns.RcodeNameError:
		v, err := t.look(ctx, c, asked(change))
		if err != nil {
			return err
		}
		return cmp.Or(t.allowed(v, change), t.unexplained(c.server, rcode, change))
	case mdns.RcodeRefused:
		if err := t.withoutAddress(ctx, c, change); err != nil {
			return err
		}
	}
	return t.refused(c.server, rcode, change)
}

// unexplained is a prerequisite that did not hold though all that can be read says that
// it should. Records that answers cannot tell from a wildcard's are one reason.
func (t *Target) unexplained(server string, rcode int, change dns.Change) error {
	if rcode == mdns.RcodeYXRrset && len(change.Claim) > 0 {
		return fmt.Errorf("%s says that records stand at one of %s, where only a wildcard's answers are seen: choose another name, or hand it over with a TXT record such as %s that says %q: %w",
			server, strings.Join(change.Claim, ", "), dns.OwnerName(change.Claim[0]), ownerPrefix+t.owner, dns.ErrForeign)
	}
	return fmt.Errorf("%s: a prerequisite of the change did not hold (%s) and does now: somebody else is writing %s: it is tried again",
		server, mdns.RcodeToString[rcode], t.zone)
}
