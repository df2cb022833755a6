package serve

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"

	room "weir/dns"
)

var _ room.Target = (*Zone)(nil)

// Read tells what is published of these names. What only the zone file has is not
// told: weir's take its place.
func (z *Zone) Read(ctx context.Context, names []room.Name) (room.State, error) {
	state := room.State{Owners: map[string]string{}}
	e, version, err := z.load(ctx)
	if err != nil {
		return state, fmt.Errorf("reading the zone %s: %w", z.cfg.Zone, err)
	}
	if e == nil {
		return state, nil
	}
	if version != 0 {
		if err := z.install(e, version); err != nil {
			return state, fmt.Errorf("reading the zone %s: %w", z.cfg.Zone, err)
		}
	}
	for _, s := range e.Sets {
		if slices.Contains(names, s.key()) {
			state.Sets = append(state.Sets, room.Set{Name: s.key(), TTL: s.TTL, Records: slices.Clone(s.Records)})
		}
	}
	for _, name := range names {
		if owner := z.owner(e, name.Name); owner != "" {
			state.Owners[name.Name] = owner
		}
	}
	state.Epoch, state.Serial = e.Epochs[z.cfg.Owner], e.Serial
	return state, nil
}

// owner returns whose a name is; empty: nobody's. What has no owner any more (it was
// released) is handed over by a TXT record in the zone file, as at any other server.
func (z *Zone) owner(e *entry, name string) string {
	if owner := e.Owners[name]; owner != "" {
		return owner
	}
	for _, rr := range z.base.rest {
		txt, is := rr.(*dns.TXT)
		if !is || txt.Hdr.Name != room.OwnerName(name) {
			continue
		}
		if owner, is := strings.CutPrefix(strings.Join(txt.Txt, ""), "owner="); is {
			return owner
		}
	}
	return ""
}

// Write makes a change, and returns when this replica answers accordingly.
func (z *Zone) Write(ctx context.Context, change room.Change) error {
	if err := z.change(ctx, func(e *entry) error { return z.apply(e, change) }); err != nil {
		return fmt.Errorf("writing the zone %s: %w", z.cfg.Zone, err)
	}
	return nil
}

// apply makes the change in the entry, or says why not.
func (z *Zone) apply(e *entry, c room.Change) error {
	if have := e.Epochs[c.Owner]; have != c.Was {
		return fmt.Errorf("%w: the zone is at epoch %d of %s, and this writer at %d", room.ErrFenced, have, c.Owner, c.Was)
	}
	if c.Becomes != c.Was && c.Becomes != c.Was+1 {
		return fmt.Errorf("%w: epoch %d does not follow %d", room.ErrRefused, c.Becomes, c.Was)
	}
	for _, name := range c.Claim {
		if owner := z.owner(e, name); owner != "" && owner != c.Owner {
			return fmt.Errorf("%w: %s belongs to %s: give the clusters different names to publish, or let that one release its own (weir dns release)", room.ErrForeign, name, owner)
		}
		e.Owners[name] = c.Owner
	}
	for _, set := range c.Put {
		if err := z.mayPut(e, c, set); err != nil {
			return err
		}
		set.Records = slices.Sorted(slices.Values(set.Records))
		e.put(set)
	}
	for _, name := range c.Release {
		if e.Owners[name] == c.Owner {
			delete(e.Owners, name)
		}
	}
	if c.Becomes != 0 {
		e.Epochs[c.Owner] = c.Becomes
	}
	return nil
}

func (z *Zone) mayPut(e *entry, c room.Change, set room.Set) error {
	name := set.Name.Name
	switch set.Type {
	case dns.TypeA, dns.TypeAAAA, dns.TypeMX, dns.TypeSRV:
	default:
		return fmt.Errorf("%w: weir does not publish records of type %s (%s)", room.ErrRefused, dns.TypeToString[set.Type], name)
	}
	switch {
	case !dns.IsSubDomain(z.cfg.Zone, name):
		return fmt.Errorf("%w: %s is outside the zone %s", room.ErrRefused, name, z.cfg.Zone)
	case len(set.Records) == 0:
		return fmt.Errorf("%w: %s would have no record left: a set is never emptied", room.ErrRefused, name)
	case z.owner(e, name) != c.Owner:
		return fmt.Errorf("%w: %s does not belong to %s: it must be claimed first", room.ErrForeign, name, c.Owner)
	}
	if _, err := records(set); err != nil {
		return fmt.Errorf("%w: %w", room.ErrRefused, err)
	}
	return nil
}
