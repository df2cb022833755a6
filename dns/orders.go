package dns

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Freeze stops all writing to the zone until [Publisher.Thaw]. When it returns, no
// write is under way. An error means that it is in force, but only here and only
// until a restart, or that ctx was done before.
func (p *Publisher) Freeze(ctx context.Context, reason, by string) error {
	if !p.begin(ctx) {
		return fmt.Errorf("freezing %s: %w", p.cfg.Zone, ctx.Err())
	}
	defer p.end()
	return p.set(ctx, Freeze{Frozen: true, Reason: reason, By: by, Since: time.Now()})
}

// Thaw lets the zone be written again, with one write of the present truth. It
// begins a new term, too, if this one was over because of another writer.
func (p *Publisher) Thaw(ctx context.Context, by string) error {
	if !p.begin(ctx) {
		return fmt.Errorf("thawing %s: %w", p.cfg.Zone, ctx.Err())
	}
	defer p.end()
	if p.fenced {
		p.newTerm(p.term)
	}
	clear(p.planner.barred)
	p.read, p.after = time.Time{}, time.Time{}
	return p.set(ctx, Freeze{By: by})
}

// set makes an operator's word hold. The turn is the caller's.
func (p *Publisher) set(ctx context.Context, f Freeze) error {
	defer p.poke()
	p.accept(f, f.By)
	return p.save(ctx)
}

// save keeps the word that holds here.
func (p *Publisher) save(ctx context.Context) error {
	if p.deps.Keep == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, callMost)
	defer cancel()
	err := p.deps.Keep.Save(ctx, p.freeze)
	p.unkept = err != nil
	return err
}

// accept takes a word that is new here, and tells of it.
func (p *Publisher) accept(f Freeze, by string) {
	was := p.freeze
	p.freeze = f
	p.mu.Lock()
	p.status.Freeze = f
	p.mu.Unlock()
	switch {
	case f.Frozen && !f.same(was):
		p.tell(stateOf(f), f.words(), by)
	case was.Frozen && !f.Frozen:
		p.tell("thawed", "the zone is written again", by)
	}
}

func stateOf(f Freeze) string {
	if f.Released {
		return "released"
	}
	return "frozen"
}

// loadFreeze hears an operator's word that was said elsewhere, or before a restart.
// false: it is not known, and nothing may be written.
func (p *Publisher) loadFreeze(ctx context.Context) bool {
	p.heard = time.Now()
	if p.deps.Keep == nil {
		return true
	}
	if p.unkept { // the last word was said here: it holds, and is saved when that works
		if err := p.save(ctx); err != nil {
			p.failed(inKeeping, err)
			return true
		}
	}
	call, cancel := context.WithTimeout(ctx, callMost)
	defer cancel()
	f, err := p.deps.Keep.Load(call)
	if ctx.Err() != nil {
		return false // weir stops
	}
	if err != nil {
		p.failed(inKeeping, err)
		return false
	}
	p.settle(inKeeping)
	p.accept(f, f.By)
	return true
}

// errNotLeader is what releasing on another replica ends with.
var errNotLeader = errors.New("this replica does not write DNS now: release it on the one that leads")

// Release gives the zone away: the records stay, the TXT records that say they are
// ours go, and the zone is frozen until [Publisher.Thaw], which claims nothing
// back: that takes adding the TXT records by hand.
func (p *Publisher) Release(ctx context.Context, by string) error {
	if !p.begin(ctx) {
		return fmt.Errorf("releasing %s: %w", p.cfg.Zone, ctx.Err())
	}
	defer p.end()
	if err := p.release(ctx, by); err != nil {
		return fmt.Errorf("releasing %s: %w", p.cfg.Zone, err)
	}
	return nil
}

func (p *Publisher) release(ctx context.Context, by string) error {
	if !p.lead() {
		return errNotLeader
	}
	if p.fenced {
		return ErrFenced
	}
	if p.cfg.DryRun {
		return errors.New("dry_run is on, with which nothing is written: turn it off first")
	}
	// Frozen first: nothing may claim back what the next lines give away.
	if err := p.set(ctx, Freeze{Frozen: true, Released: true, By: by, Since: time.Now()}); err != nil {
		return err
	}
	names := p.planner.names(p.planner.look(p.deps.Registry.Snapshot(), p.deps.Cluster, time.Now()))
	p.refresh(ctx, names)
	if p.read.IsZero() {
		return cmp.Or(ctx.Err(), errors.New(p.Status().Error))
	}
	var ours []string
	for name := range p.state.Owners {
		if p.state.holder(name) == p.cfg.Owner {
			ours = append(ours, name)
		}
	}
	slices.Sort(ours)
	if len(ours) == 0 {
		return nil
	}
	p.planner.mem.wrote, p.touched = time.Now(), true
	err := p.write(ctx, Change{Release: ours})
	p.count(err)
	p.read = time.Time{}
	if err != nil {
		return fmt.Errorf("%w: the zone is frozen, and may be ours still: release it again", err)
	}
	return nil
}
