package cluster

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"weir/internal/backend"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// replica is a Cluster under test with what it needs.
type replica struct {
	*Cluster
	t        testing.TB
	agent    *fakeAgent // nil: no Consul
	registry *backend.Registry
	cancel   context.CancelFunc
	done     chan struct{}

	mu     sync.Mutex
	events []Event
}

// poolName is the pool that every replica has; all its connectors are up.
const poolName = "internet"

func idOf(name string) backend.ID { return backend.ID{Pool: poolName, Name: name} }

func newRegistry(t testing.TB, names ...string) *backend.Registry {
	t.Helper()
	registry := backend.NewRegistry([]backend.PoolConfig{{Name: poolName, MinRedundancy: 2}})
	var specs []backend.Spec
	for i, name := range names {
		specs = append(specs, backend.Spec{Pool: poolName, Name: name, Address: fmt.Sprintf("192.0.2.%d:25", i+1), Weight: backend.DefaultWeight})
	}
	registry.SetMembers(poolName, specs)
	for _, m := range registry.Snapshot().Pool(poolName).Members {
		registry.SetHealth(m.Backend, backend.HealthFact{Health: backend.HealthUp})
	}
	return registry
}

// start makes a replica and runs it; consul nil: without one.
func start(t testing.TB, consul *fakeConsul, cfg Config, registry *backend.Registry) *replica {
	t.Helper()
	r := &replica{t: t, registry: registry, done: make(chan struct{})}
	cfg.Cluster = "test"
	deps := Deps{Registry: registry, Event: r.event}
	if consul != nil {
		r.agent = consul.agent()
		deps.Client = r.agent.client(t)
	}
	var err error
	if r.Cluster, err = New(cfg, deps); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r.cancel = cancel
	go r.run(ctx)
	return r
}

func (r *replica) run(ctx context.Context) {
	defer close(r.done)
	if err := r.Run(ctx); err != nil {
		r.t.Error(err)
	}
}

// stop ends it in an orderly way.
func (r *replica) stop() {
	r.cancel()
	<-r.done
}

// kill ends it as kill -9 does: Consul hears nothing of it.
func (r *replica) kill() {
	r.agent.set(true, false)
	r.stop()
}

// deny takes its token's rights away, or gives them back.
func (r *replica) deny(is bool) {
	r.agent.mu.Lock()
	r.agent.denied = is
	r.agent.mu.Unlock()
	r.agent.set(false, false) // whoever waits asks again
}

func (r *replica) event(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// told reports whether an event of that kind speaks these words.
func (r *replica) told(kind, words string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.events, func(e Event) bool {
		return e.Kind == kind && strings.Contains(fmt.Sprintf("%+v", e), words)
	})
}

func (r *replica) mustTell(t testing.TB, kind, words string) {
	t.Helper()
	if !r.told(kind, words) {
		t.Errorf("no event %s tells of %q: %+v", kind, words, r.events)
	}
}

func (r *replica) admin(name string) backend.Admin {
	return r.registry.Snapshot().Pool(poolName).Member(name).Admin.Admin
}

func (r *replica) order(t testing.TB, verb Verb, name string) Standing {
	t.Helper()
	s, err := r.Order(t.Context(), idOf(name), Order{Verb: verb, By: "alice", Reason: "reboot"})
	if err != nil {
		t.Fatalf("%s %s: %v", verb, name, err)
	}
	return s
}

// settle lets virtual time pass, enough for a watch to see what was written.
func settle() { pass(time.Second) }

// pass lets virtual time pass (synctest).
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// fleet starts n replicas of three connectors over one fake Consul, and stops them
// at the end.
func fleet(t *testing.T, n int, use func(t *testing.T, consul *fakeConsul, replicas []*replica)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		consul := newFakeConsul()
		var replicas []*replica
		for i := range n {
			cfg := Config{Hostname: fmt.Sprintf("mx%d", i), Version: "1", Advertise: []netip.Addr{netip.AddrFrom4([4]byte{198, 51, 100, byte(i + 1)})}}
			replicas = append(replicas, start(t, consul, cfg, newRegistry(t, "a", "b", "c")))
		}
		settle()
		use(t, consul, replicas)
		for _, r := range replicas {
			r.stop()
		}
		consul.stop()
	})
}
