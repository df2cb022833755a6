package dns

import (
	"context"
	"slices"
	"sync"
	"time"

	"weir/internal/backend"
	"weir/internal/events"
)

const (
	// roundGap is the least time between two looks: a restless registry must not
	// cost more than fifty a second. roundMost is the most: votes and replicas change
	// without a word.
	roundGap  = 20 * time.Millisecond
	roundMost = time.Second
	// readBack is how old what is known of the zone may become.
	readBack = time.Minute
	// retry is how long a read or write that failed is left alone; one that will not
	// work before somebody has changed something, readBack.
	retry = 10 * time.Second
	// callMost bounds one read or write, whatever the target takes its time for.
	callMost = 30 * time.Second
)

// Deps is what a publisher needs of others.
type Deps struct {
	Registry *backend.Registry
	Cluster  Cluster
	Target   Target
	Keep     Keep        // nil: a freeze ends with the process
	Events   *events.Log // of kind dns; nil: nobody is told
}

// Publisher keeps one zone true. Make it with [New]; its methods may be called by
// any goroutine.
type Publisher struct {
	cfg  Config
	deps Deps
	wake chan struct{}
	// turn is held by whoever uses what follows, and the target.
	turn    chan struct{}
	planner *planner
	freeze  Freeze
	heard   time.Time // when it was last asked for
	unkept  bool      // it could not be saved
	term    Term      // the present one; nil: not the leader
	epoch   Epoch
	claimed bool  // epoch was written in this term
	fenced  bool  // this term's writing is over
	behind  error // a write was fenced, and why is not known yet
	state   State
	names   []Name    // what state is about
	read    time.Time // when state was read; zero: it has to be
	known   bool      // state is what was last read in this term …
	touched bool      // … and we have written since
	after   time.Time // nothing is asked or written before
	told    told
	differs time.Time // since when the zone is not what it should be; zero: it is

	mu     sync.Mutex
	status Status
}

// New returns a publisher that does nothing before Run.
func New(cfg Config, deps Deps) *Publisher {
	p := &Publisher{cfg: cfg, deps: deps, wake: make(chan struct{}, 1), turn: make(chan struct{}, 1)}
	p.planner = newPlanner(&p.cfg)
	p.status = Status{Zone: cfg.Zone, Mode: modeOf(&cfg), Writes: map[Result]uint64{}}
	p.told = told{holds: map[holdKey]bool{}, troubles: map[area]trouble{}}
	return p
}

func modeOf(cfg *Config) string {
	switch {
	case cfg.DryRun:
		return "dry-run"
	case cfg.Serve != nil:
		return "serve"
	default:
		return "update"
	}
}

// Run looks, decides and writes until ctx is done.
func (p *Publisher) Run(ctx context.Context) error {
	changed, cancel := p.deps.Registry.Subscribe()
	defer cancel()
	for {
		next := roundMost
		if p.begin(ctx) {
			next = p.round(ctx)
			p.end()
		}
		if !wait(ctx, roundGap) {
			return nil
		}
		timer := time.NewTimer(max(next-roundGap, time.Millisecond))
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-changed:
		case <-p.wake:
		}
		timer.Stop()
		if ctx.Err() != nil {
			return nil
		}
	}
}

func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// begin takes the turn; false: ctx was done before.
func (p *Publisher) begin(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case p.turn <- struct{}{}:
	}
	if ctx.Err() != nil {
		p.end()
		return false
	}
	return true
}

// end gives the turn back.
func (p *Publisher) end() { <-p.turn }

// round looks once and does what can be done now. It returns how long nothing else
// is to be done, if nothing changes.
func (p *Publisher) round(ctx context.Context) time.Duration {
	now := time.Now()
	if now.Sub(p.heard) >= retry {
		p.loadFreeze(ctx)
	}
	s := p.planner.look(p.deps.Registry.Snapshot(), p.deps.Cluster, now)
	if !p.lead() {
		p.show(nil, now)
		return roundMost
	}
	names := p.planner.names(s)
	if !p.fresh(names, now) && !now.Before(p.after) {
		p.refresh(ctx, names)
	}
	if !p.known {
		p.show(nil, now)
		return roundMost
	}
	out := p.planner.plan(s, p.state, now)
	if p.commit(ctx, &out, names, now) {
		now = time.Now()
		out = p.planner.plan(s, p.state, now)
	}
	if p.claimed && !out.pending {
		p.settle(inWriting) // what could not be written is not wanted any more
	}
	p.show(&out, now)
	if out.next.IsZero() {
		return roundMost
	}
	return min(max(out.next.Sub(now), 0), roundMost)
}

// lead notes whether this replica is the one that writes, and when a new term of
// that begins.
func (p *Publisher) lead() bool {
	term, ok := p.deps.Cluster.Leading()
	if !ok {
		if p.term != nil {
			p.newTerm(nil)
		}
		return false
	}
	if p.term != term {
		p.newTerm(term)
	}
	return true
}

// newTerm forgets what an earlier term knew: another may have written since. nil:
// this replica does not lead.
func (p *Publisher) newTerm(term Term) {
	p.term, p.epoch, p.claimed, p.fenced = term, 0, false, false
	p.state, p.known, p.read, p.after = State{}, false, time.Time{}, time.Time{}
	p.differs, p.behind = time.Time{}, nil
	p.forget(inReading)
	p.forget(inWriting)
}

// fresh reports whether enough is known of the zone.
func (p *Publisher) fresh(names []Name, now time.Time) bool {
	if !p.known || p.read.IsZero() || now.Sub(p.read) >= readBack {
		return false
	}
	return !slices.ContainsFunc(names, func(n Name) bool { return !slices.Contains(p.names, n) })
}

// poke makes Run look at once.
func (p *Publisher) poke() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}
