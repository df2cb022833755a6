package health

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/backend"
	"weir/internal/events"
	"weir/internal/smtp"
)

// fakeProber is a prober whose result the test sets per connector.
type fakeProber struct {
	mu     sync.Mutex
	errs   map[string]error // by connector name
	takes  time.Duration
	depth  Depth
	caps   backend.Capabilities
	offers []string
	relay  smtp.Reply
	begun  map[string][]time.Duration // since start
	open   map[string]int
	start  time.Time
	beside bool // two probes of one connector at the same time
}

func newFakeProber() *fakeProber {
	return &fakeProber{
		depth: DepthEHLO,
		errs:  map[string]error{}, begun: map[string][]time.Duration{}, open: map[string]int{}, start: time.Now(),
	}
}

func (p *fakeProber) set(name string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.errs[name] = err
}

// say sets what connectors answer to a recipient of nobody's.
func (p *fakeProber) say(relay smtp.Reply) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.relay = relay
}

func (p *fakeProber) Probe(ctx context.Context, spec backend.Spec) (Report, error) {
	began := time.Now()
	p.mu.Lock()
	p.begun[spec.Name] = append(p.begun[spec.Name], began.Sub(p.start))
	p.open[spec.Name]++
	p.beside = p.beside || p.open[spec.Name] > 1
	takes := p.takes
	p.mu.Unlock()

	timer := time.NewTimer(takes)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open[spec.Name]--
	err := p.errs[spec.Name]
	report := Report{Depth: p.depth, Stage: p.depth.stage(), Began: began, Took: time.Since(began)}
	if err == nil {
		report.Capabilities, report.Offers, report.Relay = p.caps, p.offers, p.relay
	}
	return report, err
}

func (p *fakeProber) times(name string) []time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.begun[name])
}

// bench is a registry, a monitor on it, and a prober that the test commands.
type bench struct {
	registry *backend.Registry
	log      *events.Log
	prober   *fakeProber
	monitor  *Monitor
}

// newBench has the pools "internet", which is probed, and "fax", which is not.
// Nothing is random unless the test changes it.
func newBench(names ...string) *bench {
	b := &bench{
		registry: backend.NewRegistry([]backend.PoolConfig{{Name: "internet"}, {Name: "fax"}}),
		log:      events.NewLog(100),
		prober:   newFakeProber(),
	}
	b.members(names...)
	b.monitor = New(b.registry, b.log, []Pool{{Config: *machineConfig(), Prober: b.prober}})
	b.monitor.rand = func() float64 { return 0.5 }
	return b
}

// newLargeBench has one pool of many connectors.
func newLargeBench(connectors int) *bench {
	names := make([]string, connectors)
	for i := range names {
		names[i] = fmt.Sprintf("c%04d", i)
	}
	return newBench(names...)
}

func (b *bench) members(names ...string) {
	var specs []backend.Spec
	for i, name := range names {
		specs = append(specs, backend.Spec{Pool: "internet", Name: name, Address: fmt.Sprintf("[2001:db8::%x]:25", i+1)})
	}
	b.registry.SetMembers("internet", specs)
}

// run starts the monitor; the test's end stops it and waits for it.
func (b *bench) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.monitor.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run returned %v", err)
		}
	})
}

func (b *bench) member(name string) *backend.Member {
	return b.registry.Snapshot().Pool("internet").Member(name)
}

// history tells the transitions of one connector logged so far.
func (b *bench) history(name string) []string {
	var out []string
	found, _ := b.log.Since(0)
	for _, e := range found {
		if e.Backend != name {
			continue
		}
		out = append(out, fmt.Sprintf("%s/%s %s → %s by %s: %s", e.Pool, e.Backend, e.From, e.To, e.By, e.Why))
	}
	return out
}

func (b *bench) traffic(name string, stage backend.Stage, verdict backend.Verdict) {
	ticket := b.monitor.Begin(b.member(name).Backend, stage, time.Now())
	b.monitor.End(ticket, backend.Outcome{Verdict: verdict, At: time.Now(), Why: "no answer in 1s"})
}

// pass lets virtual time pass until all is quiet again.
func pass(d time.Duration) {
	time.Sleep(d) // virtual: synctest
	synctest.Wait()
}

func want[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func wantAll[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
