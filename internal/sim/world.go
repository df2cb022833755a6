package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"weir/health"
	"weir/internal/backend"
	"weir/policies"
)

// world is some replicas and the connectors, on virtual time and without
// goroutines.
type world struct {
	sc         *Scenario
	policy     string
	now        int64 // nanoseconds since the start
	queue      queue
	connectors []connector
	replicas   []*replica
	script     []step

	txns    []txn
	free    []int32
	live    int // transactions under way
	sending int // replicas at which messages still arrive
	room    int // for transactions under way

	rng   *rand.Rand // of the connectors' times and of probes
	tally *tally

	ailing       int // connectors that are bad now
	weight, hurt int // of all that get mail, and of the bad ones among them
}

// connector is a connector itself, which all replicas see.
type connector struct {
	spec       backend.Spec
	group      int
	latency    *latency
	capacity   int
	busy       int // transactions that have one of its places
	waiting    line
	first      bool // it is of the tier that gets mail first
	factor     float64
	mute       backend.Stage // at which it never answers; backend.Stages: none
	refusing   bool
	restarting bool
	share      float64 // of 4xx at deferring
	deferring  backend.Stage
	drained    bool
	effects    []effect // that are going on, in the order in which they began

	touched bool   // something happens to it in this scenario
	bad     bool   // it is slower than usual, or sick
	sick    bool   // it fails mail: it should be ejected
	since   int64  // when it fell sick
	episode uint32 // number of the sickness
}

// replica is one weir: its own facts, verdicts and choices.
type replica struct {
	w        *world
	number   int   // among all replicas
	place    int32 // in its world
	registry *backend.Registry
	snapshot *backend.Snapshot
	pool     *backend.Pool
	judge    *health.Judge
	policy   *policies.Policy
	cache    policies.Cache
	pairs    []pair
	index    map[*backend.Backend]int32
	waiting  line // for a place at any connector
	queued   int
	senders  *rand.Rand
	zipf     *rand.Zipf
	arrive   *rand.Rand
	left     int64 // messages still to arrive
	turn     int64 // number of the last message among those of all replicas, where they come evenly
	rushes   int   // bursts to come
	over     bool  // only they do
	closed   bool
}

// pair is a connector as one replica knows it.
type pair struct {
	health.Case
	backend *backend.Backend
	idle    []int64 // since when, of each idle connection
	probe   health.Probe
	gen     uint32 // of the probe that is planned
	probing bool
	seen    uint32 // the last sickness that it was ejected in
}

// How connections to connectors are reused, as by default.
const (
	maxIdle = 16
	idleFor = int64(5 * time.Second)
)

// epoch is when the simulation begins.
const epoch = 1767225600 // 2026-01-01

func (w *world) time() time.Time { return time.Unix(epoch, w.now) }

// newWorld builds the world of some of the scenario's replicas.
func newWorld(sc *Scenario, policy string, replicas []int) (*world, error) {
	w := &world{sc: sc, policy: policy, tally: newTally(sc, len(replicas)), sending: len(replicas), room: maxLive}
	w.rng = rand.New(rand.NewPCG(sc.Seed, uint64(replicas[0])<<8|1))
	w.makeConnectors()
	w.makeScript()
	for place, number := range replicas {
		r, err := w.newReplica(number, int32(place))
		if err != nil {
			return nil, err
		}
		w.replicas = append(w.replicas, r)
	}
	for at := range w.script {
		w.queue.push(event{at: w.script[at].at, kind: incident, arg: int32(at)})
	}
	rushes := 0
	for i, b := range sc.arrivals.bursts {
		if sc.within(int64(b.at)) {
			w.queue.push(event{at: int64(b.at), kind: burst, arg: int32(i)})
			rushes++
		}
	}
	for i, r := range w.replicas {
		r.rushes = rushes
		w.queue.push(event{at: w.rng.Int64N(int64(health.Sitting)), kind: sitting, arg: int32(i)})
		if r.left == 0 {
			r.close()
		}
		r.expectNext()
	}
	return w, nil
}

func (w *world) makeConnectors() {
	for g := range w.sc.groups {
		group := &w.sc.groups[g]
		for i := range group.count {
			name := group.member(i)
			w.connectors = append(w.connectors, connector{
				spec: backend.Spec{
					Pool: poolName, Name: name, Address: "sim:" + name, Weight: group.weight, Cost: group.cost, Sources: []string{"scenario"},
				},
				group: g, latency: &group.latency, capacity: group.capacity, factor: 1, mute: backend.Stages,
			})
		}
	}
	slices.SortFunc(w.connectors, func(a, b connector) int { return strings.Compare(a.spec.Name, b.spec.Name) })
	lowest := w.connectors[0].spec.Cost
	for i := range w.connectors {
		lowest = min(lowest, w.connectors[i].spec.Cost)
	}
	for i := range w.connectors {
		if c := &w.connectors[i]; c.spec.Cost == lowest {
			c.first = true
			w.weight += c.spec.Weight
		}
	}
}

// member is the name of a group's connector.
func (g *group) member(i int) string {
	if g.count == 1 {
		return g.name
	}
	return fmt.Sprintf("%s-%0*d", g.name, len(fmt.Sprint(g.count)), i+1)
}

func (w *world) specs() []backend.Spec {
	specs := make([]backend.Spec, len(w.connectors))
	for i := range w.connectors {
		specs[i] = w.connectors[i].spec
	}
	return specs
}

func (w *world) newReplica(number int, place int32) (*replica, error) {
	policy, err := policies.New(policies.Options{
		Policy: w.policy, Hash: w.sc.pool.hash, Affinity: w.sc.pool.affinity, AffinityTTL: w.sc.pool.affinityTTL,
		Seed: w.sc.Seed<<16 + uint64(number) + 1,
	})
	if err != nil {
		return nil, fmt.Errorf("making the policy: %w", err)
	}
	r := &replica{w: w, number: number, place: place, policy: policy, index: map[*backend.Backend]int32{}}
	r.arrive = rand.New(rand.NewPCG(w.sc.Seed, uint64(number)<<8|2))
	r.senders = rand.New(rand.NewPCG(w.sc.Seed, uint64(number)<<8|3))
	if s := w.sc.senders; s.skew > 1 {
		r.zipf = rand.NewZipf(r.senders, s.skew, 1, uint64(s.count-1))
	}
	r.left = w.sc.quota(number)
	r.registry = backend.NewRegistryAt([]backend.PoolConfig{{
		Name: poolName, Policy: w.policy, Protocol: "smtp", MaxConnections: w.sc.pool.maxConnections, PanicPercent: w.sc.pool.panicPercent,
	}}, w.time)
	r.registry.SetMembers(poolName, w.specs())
	r.registry.SetStarted()
	r.judge = health.NewJudge(r.registry, w.sc.pool.health, w.rng.Float64)
	r.snapshot = r.registry.Snapshot()
	r.pool = r.snapshot.Pool(poolName)
	r.open()
	return r, nil
}

// open has the first probe of each connector pass before the first message comes.
func (r *replica) open() {
	w := r.w
	interval := int64(w.sc.pool.health.Interval)
	for i, c := range r.judge.Cases() {
		r.pairs = append(r.pairs, pair{Case: c, backend: r.pool.Members[i].Backend})
		r.index[r.pool.Members[i].Backend] = int32(i)
		c.Probed(health.Probe{Took: time.Millisecond}, w.time())
		// They began at some time before, so they are not due all at once.
		r.planProbe(int32(i), w.rng.Int64N(interval))
	}
	r.snapshot = r.registry.Snapshot()
	r.pool = r.snapshot.Pool(poolName)
}

// quota is how many of the messages a replica gets.
func (s *Scenario) quota(replica int) int64 {
	if s.Messages == 0 {
		return 1 << 62
	}
	n := s.Messages / int64(s.Replicas)
	if int64(replica) < s.Messages%int64(s.Replicas) {
		n++
	}
	return n
}

// looks is how often the context is looked at, in events.
const looks = 1 << 14

// run plays the world to its end: until no more messages arrive and none is under
// way.
func (w *world) run(ctx context.Context) error {
	for n := 0; w.sending > 0 || w.live > 0; n++ {
		if n%looks == 0 && ctx.Err() != nil {
			return fmt.Errorf("simulating: %w", ctx.Err())
		}
		if len(w.queue.heap) == 0 {
			return fmt.Errorf("simulating: %d transactions wait for nothing", w.live)
		}
		e := w.queue.pop()
		w.now = e.at
		if err := w.handle(ctx, &e); err != nil {
			return err
		}
		if w.live > w.room {
			return fmt.Errorf("simulating %s: %v after the start more than %d messages are under way at once, as the connectors cannot keep up; "+
				"lower the rate or the bursts, or give them more capacity", w.policy, time.Duration(w.now).Round(time.Millisecond), w.room)
		}
	}
	w.endEpisodes()
	return nil
}

func (w *world) handle(ctx context.Context, e *event) error {
	switch e.kind {
	case arrival:
		r := w.replicas[e.arg]
		r.message()
		r.expectNext()
	case answered, waitedOut, placeAwaits:
		if t := &w.txns[e.arg]; t.gen == e.gen {
			w.wake(e.arg, e.kind)
		}
	case sitting:
		w.sit(e.arg)
	case probeBegins:
		w.beginProbe(e)
	case probeEnds:
		w.endProbe(e)
	case incident:
		w.play(&w.script[e.arg])
	case burst:
		return w.rush(ctx, &w.sc.arrivals.bursts[e.arg])
	}
	return nil
}

// sit has a replica's judge compare the connectors. Nobody judges any more when no
// mail comes.
func (w *world) sit(replica int32) {
	if w.sending == 0 {
		return
	}
	r := w.replicas[replica]
	r.judge.Sit(w.time())
	r.look()
	w.tally.sample(w.now, r.pool.Eligible)
	w.queue.push(event{at: w.now + int64(health.Sitting), kind: sitting, arg: replica})
}

// look takes notice of what has changed in the registry.
func (r *replica) look() {
	now := r.registry.Snapshot()
	if now == r.snapshot {
		return
	}
	old := r.pool
	r.snapshot, r.pool = now, now.Pool(poolName)
	for i, m := range r.pool.Members {
		if before := old.Members[i]; m != before && m.State != before.State {
			r.turned(int32(i), m.State)
		}
	}
	if r.queued > 0 {
		r.serveWaiting()
	}
}

// turned notes that a connector is in another state.
func (r *replica) turned(i int32, state backend.State) {
	if state != backend.StateEjected && state != backend.StateDown {
		return
	}
	w := r.w
	c, p := &w.connectors[i], &r.pairs[i]
	switch {
	case c.sick && p.seen != c.episode:
		p.seen = c.episode
		w.tally.ejected(w.now - c.since)
	case !c.bad && p.seen != c.episode:
		w.tally.falseEjections++
	}
}
