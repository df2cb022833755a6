package discovery

import (
	"cmp"
	"context"
	"time"

	"weir/internal/backend"
)

const (
	// pace is the least time between two changes from one source for one pool: a
	// restless one must not disturb the data path.
	pace = time.Second
	// patience is how long a source may be silent at the start before what is kept
	// on disk is used.
	patience = 2 * time.Second
	// glance is how often the verdicts of probes and the clock are looked at while
	// an answer is held back.
	glance = 250 * time.Millisecond
)

// run is one feed at work.
type run struct {
	feed   Feed
	tracks []*track // one for each of its pools
	stop   context.CancelFunc
	begun  bool
	ended  bool // it has nothing more to say
	gone   bool // a reload has taken it away
}

func newRun(feed Feed, now time.Time) *run {
	r := &run{feed: feed, stop: func() {}}
	for _, pool := range feed.Pools {
		r.tracks = append(r.tracks, &track{run: r, pool: pool, state: Waiting, since: now})
	}
	return r
}

func (r *run) track(pool string) *track {
	for _, t := range r.tracks {
		if t.pool == pool {
			return t
		}
	}
	return nil
}

// identical reports whether a feed is the one that runs already.
func (r *run) identical(f Feed) bool {
	if r.feed.Name != f.Name || r.feed.Key != f.Key || len(r.feed.Pools) != len(f.Pools) {
		return false
	}
	for i := range f.Pools {
		if r.feed.Pools[i] != f.Pools[i] {
			return false
		}
	}
	return true
}

// track follows one source for one pool: what it said, and what of that is
// applied. The manager's lock guards it.
type track struct {
	run  *run
	pool string

	hold   holdback
	source string    // the name that goes with what it said
	heard  bool      // it has told a set
	doubt  string    // of its last word
	remark string    // of its last word
	silent bool      // its last word was that it cannot be asked
	kept   bool      // the disk had a set
	alone  time.Time // when its patience ends

	arrived  bool // something is applied, even if it is nobody
	applied  []backend.Spec
	fromDisk bool
	next     time.Time // no change is applied before

	state Freshness
	since time.Time
	until time.Time
	why   string
}

// begin starts the source's patience. What the disk kept, if it kept anything,
// counts as the last good set.
func (t *track) begin(kept *keptSet, now time.Time) {
	t.alone = now.Add(patience)
	if kept != nil && !t.heard {
		t.kept, t.source = true, kept.Source
		t.hold.restore(kept.specs())
	}
}

// hear takes in what the source says.
func (t *track) hear(set Set, now time.Time, down func(string) bool) {
	t.doubt, t.silent, t.remark = set.Doubt, set.Unheard, set.Remark
	if set.Unheard {
		t.doubt = cmp.Or(t.doubt, "cannot be asked")
		t.hold.unsure()
		return
	}
	t.heard, t.source = true, cmp.Or(set.Source, t.run.feed.Name)
	t.hold.hear(sorted(set.Specs), set.Doubt == "", t.run.feed.Hold, now, down)
}

// settle does what the time allows, and reports whether what is applied has
// changed.
func (t *track) settle(now time.Time, down func(string) bool) (changed bool) {
	t.hold.look(now, down)
	if !t.heard && !(t.kept && (t.silent || t.run.ended || t.impatient(now))) {
		return false
	}
	t.fromDisk = !t.heard
	want := t.hold.want()
	switch {
	case !t.arrived:
	case same(t.applied, want), now.Before(t.next):
		return false
	default:
		t.next = now.Add(pace)
	}
	t.arrived, t.applied = true, want
	return true
}

func (t *track) impatient(now time.Time) bool { return t.run.begun && !now.Before(t.alone) }

// due returns when to look again, even if the source says nothing; zero: never.
func (t *track) due(now time.Time) time.Time {
	var due time.Time
	sooner := func(at time.Time) {
		if due.IsZero() || at.Before(due) {
			due = at
		}
	}
	if t.hold.holding {
		sooner(now.Add(glance))
	}
	if t.arrived && now.Before(t.next) && !same(t.applied, t.hold.want()) {
		sooner(t.next)
	}
	if !t.arrived && t.kept && t.run.begun {
		sooner(t.alone)
	}
	return due
}

// judge brings the words up to date and reports whether they are others now.
func (t *track) judge(now time.Time) (edge bool) {
	state, why := t.words()
	until := time.Time{}
	if t.hold.holding && t.hold.sure {
		until = t.hold.until
	}
	edge = state != t.state || why != t.why
	if state != t.state {
		t.since = now
	}
	t.state, t.why, t.until = state, why, until
	return edge
}

func (t *track) words() (Freshness, string) {
	switch {
	case t.silent || t.doubt != "" && !t.hold.holding:
		return Stale, t.doubt
	case t.hold.holding && t.doubt != "":
		return Holding, t.hold.words() + " (" + t.doubt + ")"
	case t.hold.holding:
		return Holding, t.hold.words()
	case t.heard:
		return Fresh, t.remark
	case t.fromDisk:
		return Stale, "has not answered since the start"
	default:
		return Waiting, ""
	}
}

func (t *track) status() Status {
	return Status{
		Source: t.run.feed.Name, Pool: t.pool, State: t.state, Since: t.since, Until: t.until,
		Why: t.why, Connectors: len(t.applied), FromDisk: t.fromDisk,
	}
}

// set returns what is applied.
func (t *track) set() Set { return Set{Pool: t.pool, Source: t.source, Specs: t.applied} }
