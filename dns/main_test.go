package dns

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	mdns "github.com/miekg/dns"
	"go.uber.org/goleak"

	"weir/internal/backend"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testZone  = "example.com."
	testOwner = "weir-default"
	poolName  = "mx-pool." + testZone
)

// testConfig is one A record of the pool internet, with the defaults of the config.
func testConfig(records ...Record) Config {
	if len(records) == 0 {
		records = []Record{{Name: poolName, Type: mdns.TypeA, Pool: "internet"}}
	}
	return Config{
		Zone: testZone, Owner: testOwner, TTL: time.Minute, Records: records,
		HoldDown: HoldDown{Out: 15 * time.Second, In: time.Minute}, MinInterval: 10 * time.Second, MinRecords: 1,
	}
}

// connectorsOf returns the connectors a, b, c … of a pool at 192.0.2.1, .2, .3 …
func connectorsOf(pool string, n int) []backend.Spec {
	var specs []backend.Spec
	for i := range n {
		specs = append(specs, backend.Spec{
			Pool: pool, Name: string(rune('a' + i)), Weight: 100,
			Address: fmt.Sprintf("10.0.0.%d:25", i+1), Publish: netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}),
		})
	}
	return specs
}

// facts sets facts of the connectors of a registry, in few words.
type facts struct{ *backend.Registry }

func newFacts(pools ...string) facts {
	var configs []backend.PoolConfig
	for _, name := range pools {
		configs = append(configs, backend.PoolConfig{Name: name})
	}
	return facts{backend.NewRegistry(configs)}
}

// pool gives a pool n connectors that are up.
func (f facts) pool(name string, n int) {
	f.SetMembers(name, connectorsOf(name, n))
	for _, m := range f.Snapshot().Pool(name).Members {
		f.up(m.Spec.ID())
	}
}

func id(name string) backend.ID { return backend.ID{Pool: "internet", Name: name} }

func (f facts) health(id backend.ID, fact backend.HealthFact) {
	if m := f.Snapshot().Pool(id.Pool).Member(id.Name); m != nil {
		f.SetHealth(m.Backend, fact)
	}
}

func (f facts) up(id backend.ID) { f.health(id, backend.HealthFact{Health: backend.HealthUp}) }

func (f facts) down(id backend.ID) {
	f.health(id, backend.HealthFact{Health: backend.HealthDown, Reason: "3 probes in a row failed"})
}

func (f facts) drain(id backend.ID) {
	f.SetAdmin(id, backend.AdminFact{Admin: backend.AdminDrain, By: "alice", Reason: "reboot"})
}

func (f facts) enable(id backend.ID) { f.SetAdmin(id, backend.AdminFact{}) }

type fakeTerm struct{ over atomic.Bool }

func (t *fakeTerm) Valid() bool { return !t.over.Load() }

// fakeCluster is one of several replicas, with a say in what all of them say.
type fakeCluster struct {
	Alone
	mu       sync.Mutex                       // of term
	term     *fakeTerm                        // nil: not the leader
	votes    func(backend.ID) (out, live int) // nil: those of Alone
	replicas []Replica
}

func (c *fakeCluster) Leading() (Term, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.term == nil {
		return nil, false
	}
	return c.term, c.term.Valid()
}

// begin makes this replica the leader for another term; nil: it is no more.
func (c *fakeCluster) begin(term *fakeTerm) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.term = term
}

func (c *fakeCluster) Votes(id backend.ID) (out, live int) {
	if c.votes != nil {
		return c.votes(id)
	}
	return c.Alone.Votes(id)
}

func (c *fakeCluster) Replicas() []Replica { return c.replicas }

// fakeZone is a Target in memory that keeps to the contract.
type fakeZone struct {
	mu     sync.Mutex
	sets   map[Name]Set
	owners map[string]string
	epoch  Epoch
	writes []Change
	at     []time.Time
	// before is asked before a read (nil) or a write, lock held; its error is the
	// answer. nil: nobody is asked.
	before func(change *Change) error
	deaf   bool // it accepts changes and makes none
}

func newZone() *fakeZone { return &fakeZone{sets: map[Name]Set{}, owners: map[string]string{}} }

func (z *fakeZone) Read(_ context.Context, names []Name) (State, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.before != nil {
		if err := z.before(nil); err != nil {
			return State{}, err
		}
	}
	return z.state(names), nil
}

func (z *fakeZone) state(names []Name) State {
	s := State{Owners: map[string]string{}, Epoch: z.epoch, Serial: uint32(len(z.writes))}
	for _, n := range names {
		if set, ok := z.sets[n]; ok {
			s.Sets = append(s.Sets, set)
		}
		if owner, ok := z.owners[n.Name]; ok {
			s.Owners[n.Name] = owner
		}
	}
	return s
}

func (z *fakeZone) Write(_ context.Context, change Change) error {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.before != nil {
		if err := z.before(&change); err != nil {
			return err
		}
	}
	return z.write(change)
}

func (z *fakeZone) write(change Change) error {
	if change.Was != z.epoch || change.Becomes != change.Was && change.Becomes != change.Was+1 {
		return fmt.Errorf("epoch %d is not %d: %w", z.epoch, change.Was, ErrFenced)
	}
	for _, name := range change.Claim {
		for n := range z.sets {
			if n.Name == name {
				return fmt.Errorf("%s is there: %w", n, ErrForeign)
			}
		}
	}
	for _, put := range change.Put {
		if z.owners[put.Name.Name] != change.Owner && !slices.Contains(change.Claim, put.Name.Name) {
			return fmt.Errorf("%s: %w", put.Name, ErrForeign)
		}
		if len(put.Records) == 0 {
			return fmt.Errorf("emptying %s: %w", put.Name, ErrRefused)
		}
	}
	z.writes, z.at = append(z.writes, change), append(z.at, time.Now())
	z.epoch = change.Becomes
	if z.deaf {
		return nil
	}
	for _, name := range change.Claim {
		z.owners[name] = change.Owner
	}
	for _, name := range change.Release {
		delete(z.owners, name)
	}
	for _, put := range change.Put {
		z.sets[put.Name] = put
	}
	return nil
}

// shows returns the records of a set, separated by blanks.
func (z *fakeZone) shows(name string, kind uint16) string {
	z.mu.Lock()
	defer z.mu.Unlock()
	return strings.Join(z.sets[Name{name, kind}].Records, " ")
}

// holds gives the zone a set of somebody's.
func (z *fakeZone) holds(owner, name string, kind uint16, records ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.sets[Name{name, kind}] = Set{Name: Name{name, kind}, TTL: 60, Records: records}
	if owner != "" {
		z.owners[name] = owner
	}
}

// set changes the zone behind everybody's back.
func (z *fakeZone) set(change func()) {
	z.mu.Lock()
	defer z.mu.Unlock()
	change()
}

func (z *fakeZone) count() int {
	z.mu.Lock()
	defer z.mu.Unlock()
	return len(z.writes)
}

// world is a planner and a zone, with a clock that is turned by hand.
type world struct {
	facts
	cluster *fakeCluster
	planner *planner
	zone    *fakeZone
	now     time.Time
	last    plan
	// wrote is told of each write before it is made; nil: nobody is.
	wrote func(before State, change Change, damped bool)
}

func newWorld(cfg Config, pools ...string) *world {
	f := newFacts(pools...)
	return &world{
		facts: f, planner: newPlanner(&cfg), zone: newZone(),
		cluster: &fakeCluster{Alone: Alone{Registry: f.Registry}},
		now:     time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC),
	}
}

// look makes a plan and carries it out.
func (w *world) look() {
	s := w.planner.look(w.Snapshot(), w.cluster, w.now)
	before := w.zone.state(asked(w.planner.names(s)))
	w.last = w.planner.plan(s, before, w.now)
	if len(w.last.change.Put) == 0 {
		return
	}
	if w.wrote != nil {
		w.wrote(before, w.last.change, w.last.damped)
	}
	if err := w.zone.write(w.last.change); err != nil {
		panic(err)
	}
	w.planner.mem.wrote = w.now
	if w.last.damped {
		w.planner.mem.removed = w.now
	}
	s = w.planner.look(w.Snapshot(), w.cluster, w.now)
	w.last = w.planner.plan(s, w.zone.state(asked(w.planner.names(s))), w.now)
}

// pass looks every second for so long.
func (w *world) pass(d time.Duration) {
	for end := w.now.Add(d); w.now.Before(end); {
		w.now = w.now.Add(time.Second)
		w.look()
	}
}

// rest looks now and then for so long.
func (w *world) rest(d time.Duration) {
	for end := w.now.Add(d); w.now.Before(end); {
		w.now = w.now.Add(9 * time.Second)
		w.look()
	}
}

func (w *world) shows() string { return w.zone.shows(poolName, mdns.TypeA) }

// held returns why a record of the last plan is held; empty: it is not.
func (w *world) held(record string) string {
	for _, dec := range w.last.decisions {
		for _, h := range dec.holds {
			if h.Record == record {
				return h.Why
			}
		}
	}
	return ""
}
