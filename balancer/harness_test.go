package balancer_test

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"weir/balancer"
	"weir/internal/backend"
	"weir/internal/connector"
	"weir/internal/faulty"
	"weir/internal/fiber"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a balancer on loopback between a test's sender and faulty connectors.
type bench struct {
	t          testing.TB
	cfg        balancer.Config
	names      []string
	connectors map[string]*faulty.Server
	registry   *backend.Registry
	caps       map[string]backend.Capabilities
	pools      map[string]string // of connectors that are not in the first pool
	costs      map[string]int
	panics     int                    // panic_percent of all pools
	dialer     connector.Dialer       // what all pools' dialers have in common
	edge       map[string]*tls.Config // TLS with senders, by listener
	witness    *witness
	deaf       bool // the witness forgets: for benchmarks
	server     *balancer.Server
	addr       string
	stop       func()
}

// ceiling is how long anything in a test may take; it is no expectation.
const ceiling = 20 * time.Second

func baseConfig() balancer.Config {
	var timeouts balancer.Timeouts
	for i := range timeouts {
		timeouts[i] = 10 * time.Second
	}
	return balancer.Config{
		Hostname: "mx.test", Cluster: "default", ReplayMemory: 64 << 20,
		Listeners: []balancer.ListenerConfig{{
			Name: "inbound", Pool: "internet",
			Limits:   balancer.Limits{Recipients: 1000, MessageSize: 50 << 20, Errors: 20},
			Timeouts: balancer.ListenerTimeouts{Command: ceiling, Data: ceiling, Greeting: ceiling},
			MaxHops:  50, Received: balancer.ReceivedNever,
		}},
		Pools: []balancer.PoolConfig{{
			Name: "internet", Policy: "round-robin", ReplayBuffer: 256 << 10,
			Reuse:        balancer.Reuse{Idle: time.Hour, Messages: 100, Age: 5 * time.Minute, MaxIdle: 16},
			Timeouts:     timeouts,
			QueueTimeout: time.Second,
		}},
	}
}

// newBench starts honest connectors of these names.
func newBench(t testing.TB, names ...string) *bench {
	t.Helper()
	b := &bench{
		t: t, cfg: baseConfig(), names: names, connectors: map[string]*faulty.Server{},
		caps: map[string]backend.Capabilities{}, pools: map[string]string{}, costs: map[string]int{}, witness: &witness{},
	}
	for _, name := range names {
		srv, err := faulty.New(faulty.Options{Name: name, Behaviour: faulty.Honest()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(srv.Close)
		b.connectors[name] = srv
		b.caps[name] = backend.Capabilities{Known: true, Ext: backend.ExtPipelining | backend.ExtChunking | backend.Ext8BitMIME | backend.ExtEnhancedStatusCodes | backend.ExtSize, Size: 50 << 20}
	}
	return b
}

func (b *bench) listener() *balancer.ListenerConfig { return &b.cfg.Listeners[0] }
func (b *bench) pool() *balancer.PoolConfig         { return &b.cfg.Pools[0] }

// start runs the balancer; the test's end stops it and waits for everything.
func (b *bench) start(maxConnections int) {
	b.t.Helper()
	b.setUp(maxConnections, b.witness, nil)
	ln := loopback(b.t)
	b.addr = ln.Addr().String()
	b.run(map[string]net.Listener{"inbound": ln})
	b.t.Cleanup(b.stop)
}

// setUp makes the registry, with all connectors up, and the balancer, which does not run yet.
func (b *bench) setUp(maxConnections int, recorder balancer.Recorder, fibers *fiber.Group) {
	b.t.Helper()
	b.registry = backend.NewRegistry(nil)
	b.setPools(maxConnections)
	for _, name := range b.names {
		b.setHealth(name, backend.HealthUp)
	}
	b.registry.SetStarted()
	b.witness.deaf = b.deaf
	server, err := balancer.New(b.cfg, balancer.Deps{
		Registry: b.registry, Observer: b.witness, Recorder: recorder,
		Materials: b.materials(), Fibers: fibers,
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.server = server
}

// run serves listeners, by their names, until the bench is stopped.
func (b *bench) run(listeners map[string]net.Listener) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for name, ln := range listeners {
		wg.Go(func() { _ = b.server.Serve(ctx, name, ln) })
	}
	wg.Go(func() { _ = b.server.Run(ctx) })
	b.stop = sync.OnceFunc(func() {
		grace, done := context.WithTimeout(ctx, ceiling)
		defer done()
		if err := b.server.Shutdown(grace); err != nil {
			b.t.Errorf("shutting down: %v", err)
		}
		cancel()
		wg.Wait()
	})
}

// setPools tells the registry of the config's pools and of who is in them.
func (b *bench) setPools(maxConnections int) {
	var pools []backend.PoolConfig
	specs := map[string][]backend.Spec{}
	for _, p := range b.cfg.Pools {
		pools = append(pools, backend.PoolConfig{Name: p.Name, MaxConnections: maxConnections, PanicPercent: b.panics})
	}
	for _, name := range b.names {
		pool := b.poolOf(name)
		specs[pool] = append(specs[pool], backend.Spec{Pool: pool, Name: name, Address: b.connectors[name].Addr(), Weight: 100, Cost: b.costs[name]})
	}
	b.registry.SetPools(pools)
	for pool, list := range specs {
		b.registry.SetMembers(pool, list)
	}
}

func (b *bench) poolOf(name string) string { return cmp.Or(b.pools[name], "internet") }

func (b *bench) setHealth(name string, h backend.Health) {
	b.registry.SetHealth(b.member(name), backend.HealthFact{Health: h, Reason: "set by the test", Capabilities: b.caps[name]})
}

// member returns a connector's live record.
func (b *bench) member(name string) *backend.Backend {
	return b.registry.Snapshot().Pool(b.poolOf(name)).Member(name).Backend
}

// witness is the balancer's observer and recorder.
type witness struct {
	patience     [backend.Stages]time.Duration // what health would say (P16)
	deaf         bool
	tickets      atomic.Int64 // begun and not ended
	mu           sync.Mutex
	transactions []balancer.Record
	sessions     []balancer.SessionRecord
	auths        []balancer.AuthRecord
	outcomes     []observed
}

type observed struct {
	backend string
	stage   backend.Stage
	backend.Outcome
	told time.Time
}

func (w *witness) Begin(b *backend.Backend, stage backend.Stage, now time.Time) backend.Ticket {
	w.tickets.Add(1)
	return backend.Ticket{Backend: b, Stage: stage, Began: now, Patience: w.patience[stage]}
}

func (w *witness) End(t backend.Ticket, o backend.Outcome) {
	w.tickets.Add(-1)
	if w.deaf {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.outcomes = append(w.outcomes, observed{t.Backend.ID().Name, t.Stage, o, time.Now()})
}

func (w *witness) Transaction(r *balancer.Record) {
	if w.deaf {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	c := *r
	c.Rcpts = append([]string(nil), r.Rcpts...)
	c.Tries = append([]balancer.Try(nil), r.Tries...)
	c.Reply = r.Reply.Clone()
	w.transactions = append(w.transactions, c)
}

func (w *witness) Session(r *balancer.SessionRecord) {
	if w.deaf {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sessions = append(w.sessions, *r)
}

// verdicts counts how often a connector was judged so.
func (w *witness) verdicts(name string, v backend.Verdict) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, o := range w.outcomes {
		if o.backend == name && o.Verdict == v {
			n++
		}
	}
	return n
}

// waitFor polls until the condition holds.
func waitFor(t testing.TB, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(ceiling)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("timeout waiting for: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// records returns all transactions so far.
func (w *witness) records() []balancer.Record {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]balancer.Record(nil), w.transactions...)
}

// session waits for the n-th session (from 1) to be recorded.
func (w *witness) session(t testing.TB, n int) balancer.SessionRecord {
	t.Helper()
	waitFor(t, fmt.Sprintf("session %d to be recorded", n), func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.sessions) >= n
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sessions[n-1]
}

// count returns how many transactions were recorded.
func (w *witness) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.transactions)
}

// transaction waits for the n-th transaction (from 1) to be recorded.
func (w *witness) transaction(t testing.TB, n int) balancer.Record {
	t.Helper()
	waitFor(t, fmt.Sprintf("transaction %d to be recorded", n), func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.transactions) >= n
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.transactions[n-1]
}
