package dns

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// refresh reads what is published.
func (p *Publisher) refresh(ctx context.Context, names []Name) {
	call, cancel := context.WithTimeout(ctx, callMost)
	defer cancel()
	state, err := p.deps.Target.Read(call, asked(names))
	now := time.Now()
	if err != nil && ctx.Err() != nil {
		p.read = time.Time{}
		return // weir stops, or nobody waits for the order any more
	}
	if err != nil {
		p.after, p.read = now.Add(retry), time.Time{}
		p.failed(inReading, fmt.Errorf("reading %s: %w", p.cfg.Zone, err))
		return
	}
	if p.known && !p.touched {
		p.compare(state)
	}
	p.state, p.names, p.read, p.known, p.touched = state, names, now, true, false
	p.settle(inReading)
	p.compareEpoch(state.Epoch)
}

// compareEpoch ends the term's writing when somebody else has begun another one. An
// epoch that has fallen is no writer's doing: the zone was set back, and is claimed
// anew.
func (p *Publisher) compareEpoch(now Epoch) {
	behind := p.behind
	p.behind = nil
	switch {
	case !p.claimed:
	case now < p.epoch:
		p.claimed = false
		p.tell("epoch", fmt.Sprintf("the zone's epoch has fallen from %d to %d: it was set back, and is claimed anew", p.epoch, now), byWeir)
	case behind != nil:
		p.fence(behind)
	case now > p.epoch:
		p.fence(fmt.Errorf("%w: the zone's epoch is %d, and ours was %d", ErrFenced, now, p.epoch))
	}
}

// commit writes the plan's change, or claims the zone, if that may be done now. It
// reports whether anything was tried.
func (p *Publisher) commit(ctx context.Context, out *plan, names []Name, now time.Time) bool {
	if out.change.Put == nil && p.claimed || p.fenced || now.Before(p.after) {
		return false
	}
	if p.cfg.DryRun {
		p.rehearse(out)
		return false
	}
	if free := p.planner.mem.wrote.Add(p.cfg.MinInterval); now.Before(free) {
		out.at(free, now)
		return false
	}
	// The last word before a write: an operator's, on any replica, and the lock's.
	if !p.loadFreeze(ctx) || p.freeze.Frozen || !p.term.Valid() {
		return false
	}
	p.planner.mem.wrote, p.touched = now, true
	if out.damped {
		p.planner.mem.removed = now
	}
	words := strings.Join(out.words, "; ")
	if err := p.write(ctx, out.change); err != nil {
		if ctx.Err() != nil {
			return false // weir stops
		}
		p.count(err)
		if errors.Is(err, ErrForeign) {
			p.planner.bar(out.change.Claim, now.Add(readBack))
		}
		p.writeFailed(fmt.Errorf("writing %s: %w", p.cfg.Zone, err))
		return true
	}
	p.count(nil)
	p.mu.Lock()
	p.status.Written = time.Now()
	p.mu.Unlock()
	if words != "" {
		p.tell("written", words, byWeir)
	}
	p.state = applied(p.state, out.change, p.epoch)
	p.refresh(ctx, names)
	p.check(out.change)
	return true
}

// write sends a change under this term's epoch.
func (p *Publisher) write(ctx context.Context, change Change) error {
	change.Owner, change.Was, change.Becomes = p.cfg.Owner, p.epoch, p.epoch
	if !p.claimed {
		change.Was, change.Becomes = p.state.Epoch, p.state.Epoch+1
	}
	ctx, cancel := context.WithTimeout(ctx, callMost)
	defer cancel()
	if err := p.deps.Target.Write(ctx, change); err != nil {
		return err
	}
	p.epoch, p.claimed = change.Becomes, true
	return nil
}

// applied is a state after a change: what reading back is compared with.
func applied(s State, change Change, epoch Epoch) State {
	next := State{Epoch: epoch, Serial: s.Serial, Owners: map[string]string{}}
	for name, owner := range s.Owners {
		next.Owners[name] = owner
	}
	for _, name := range change.Claim {
		next.Owners[name] = change.Owner
	}
	for _, set := range s.Sets {
		if !slices.ContainsFunc(change.Put, func(put Set) bool { return put.Name == set.Name }) {
			next.Sets = append(next.Sets, set)
		}
	}
	next.Sets = append(next.Sets, change.Put...)
	return next
}

// check sees whether a change that was accepted is there.
func (p *Publisher) check(change Change) {
	if p.read.IsZero() || p.fenced {
		return // that is told
	}
	for _, put := range change.Put {
		if now := p.state.set(put.Name); now.TTL != put.TTL || !slices.Equal(now.Records, put.Records) {
			p.after = time.Now().Add(readBack)
			p.trouble(inWriting, "ignored", fmt.Sprintf("writing %s: the server accepted the change, and %s is not as it was written: %s. Is there a CNAME, or something else that writes there?",
				p.cfg.Zone, put.Name, shown(now)))
			return
		}
	}
	p.settle(inWriting)
}

func shown(s Set) string {
	if len(s.Records) == 0 {
		return "it has no records"
	}
	return fmt.Sprintf("it is %s, ttl %d", strings.Join(s.Records, ", "), s.TTL)
}

// writeFailed decides what a write that failed means for the term.
func (p *Publisher) writeFailed(err error) {
	now := time.Now()
	p.after, p.read = now.Add(retry), time.Time{} // whatever it was, read first
	switch {
	case errors.Is(err, ErrFenced) && p.claimed:
		p.behind = err // by a newer epoch, or is the zone an older copy? Reading tells
		p.after = time.Time{}
		return
	case errors.Is(err, ErrFenced):
		p.fence(err)
		return
	case errors.Is(err, ErrRefused):
		p.after = now.Add(readBack)
	case errors.Is(err, ErrUnknownOutcome):
		p.after = time.Time{} // reading tells what happened
		// Had the claim been made, the zone's epoch would be ours and yet not known to
		// be: claiming the next one is safe.
	}
	p.failed(inWriting, err)
}

// fence ends the writing of this term.
func (p *Publisher) fence(err error) {
	p.fenced, p.claimed = true, false
	p.trouble(inWriting, string(ResultFenced), err.Error()+`. This weir writes no more in this term. If no other weir of this cluster should write there, give the other one a "cluster" of its own, and let "weir dns thaw" begin a new term here`)
}

// compare tells when somebody has changed our records by hand. The next plan puts
// them back.
func (p *Publisher) compare(state State) {
	for _, name := range p.names {
		if p.state.holder(name.Name) != p.cfg.Owner {
			continue
		}
		is, was := state.set(name), p.state.set(name)
		if is.TTL != was.TTL || !slices.Equal(is.Records, was.Records) {
			p.tell("changed", fmt.Sprintf("%s was changed by somebody else: %s; before, %s", name, shown(is), shown(was)), byWeir)
		}
	}
}

// rehearse says what would be written.
func (p *Publisher) rehearse(out *plan) {
	words := strings.Join(out.words, "; ")
	if words != "" && words != p.told.rehearsed {
		p.tell("dry-run", "would write "+words, byWeir)
		p.bump(ResultDryRun)
	}
	p.told.rehearsed = words
}
