package metrics

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"weir/dashboard"
	"weir/internal/backend"
	"weir/internal/events"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// around is all that metrics are made of besides the registry and the events.
type around struct {
	consul  dashboard.ConsulStatus
	sources []dashboard.SourceStatus
}

func (a *around) Listeners() []dashboard.Listener {
	return []dashboard.Listener{{Name: "inbound", Sessions: 7, Limit: 20000}}
}
func (a *around) Sources() []dashboard.SourceStatus { return a.sources }
func (a *around) Consul() dashboard.ConsulStatus    { return a.consul }
func (a *around) Replicas() []dashboard.Replica     { return nil }
func (a *around) Flags() dashboard.Flags            { return dashboard.Flags{} }
func (a *around) DNS() []dashboard.DNSStatus {
	return []dashboard.DNSStatus{
		{Zone: "example.com", LagSeconds: 1.5, LastError: "refused", Writes: map[string]int64{"written": 3, "refused": 1}},
		{Zone: "example.net", Frozen: &dashboard.DNSFreeze{}},
	}
}

func (a *around) Certificates() []dashboard.Certificate {
	return []dashboard.Certificate{{Name: "mx.test", NotAfter: time.Unix(1800000000, 0)}}
}
func (a *around) Waiting(pool string) int { return len(pool) }
func (a *around) ReplayMemory() int64     { return 4096 }
func (a *around) Unbuffered() int64       { return 5 }
func (a *around) Dropped() int64          { return 6 }

// newMetrics has one pool of two connectors, a transaction, two transitions and
// an unhappy reload.
func newMetrics(t *testing.T) (*Metrics, *around) {
	t.Helper()
	registry := backend.NewRegistry([]backend.PoolConfig{{Name: "fax", MinRedundancy: 2}})
	registry.SetMembers("fax", []backend.Spec{
		{Pool: "fax", Name: "fax-a", Address: "192.0.2.1:25"}, {Pool: "fax", Name: "fax-b", Address: "192.0.2.2:25"},
	})
	a := registry.Snapshot().Pool("fax").Member("fax-a").Backend
	registry.SetHealth(a, backend.HealthFact{Health: backend.HealthUp})
	registry.SetHealth(registry.Snapshot().Pool("fax").Member("fax-b").Backend, backend.HealthFact{Stuck: true})
	a.SetProbe(backend.ProbeFact{At: time.Now(), Took: 250 * time.Millisecond})
	a.Acquire()
	a.Traffic.Open.Add(5)
	a.Traffic.Idle.Add(2)
	a.Traffic.Ambiguous.Add(3)
	around := &around{
		consul: dashboard.ConsulStatus{Address: "127.0.0.1:8500", Reachable: true, Unshared: []string{"x"}},
		sources: []dashboard.SourceStatus{
			{Source: "consul", Pool: "fax", State: "holding"}, {Source: "config", Pool: "fax", State: "fresh"}, {Source: "b\xffd", Pool: "fax", State: "stale"},
		},
	}
	m := New(Deps{
		Version: "1.2.3", Registry: registry, Events: events.NewLog(10),
		Listeners: around, Sources: around, Cluster: around, DNS: around, Certificates: around, Load: around, Webhook: around, ErrorLog: log.New(io.Discard, "", 0),
	})
	m.deps.Events.Append(events.OfBackend(a.ID(), "up", "down", "", ""))
	m.deps.Events.Append(events.OfBackend(a.ID(), "down", "up", "", ""))
	m.deps.Events.Append(events.OfBackend(a.ID(), "up", "up", "the same", ""))
	m.deps.Events.Append(events.OfBackend(a.ID(), "up", "gone fishing", "", ""))
	m.deps.Events.Append(events.Event{Kind: "pool", Pool: "fax", To: "up"})
	stages := [backend.Stages]time.Duration{backend.StageMail: 2 * time.Millisecond, backend.StageFinalDot: 20 * time.Second}
	m.Meter().Transaction("inbound", "fax", "fax-a", "delivered", "connector", 2, &stages, 1)
	m.Meter().Transaction("inbound", "fax", "fax-a", "delivered", "connector", 2, &stages, 0)
	m.Meter().Transaction("inbound", "", "", "deferred", "weir", 4, &[backend.Stages]time.Duration{}, 0)
	m.Meter().Transaction("inbound", "fax", "", "aborted", "", 0, &[backend.Stages]time.Duration{}, 0)
	m.Meter().Transaction("inbound", "fax", "fax-a", "lost in space", "weir", 9, &stages, 0)
	m.Reloaded(true)
	m.Reloaded(false)
	return m, around
}

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
		t.Fatalf("answered %d %s: %s", w.Code, w.Header().Get("Content-Type"), w.Body)
	}
	return w.Body.String()
}

// The names are a contract.
func TestSeries(t *testing.T) {
	m, _ := newMetrics(t)
	text := scrape(t, m)
	for _, want := range []string{
		`weir_pool_eligible{pool="fax"} 1`, `weir_pool_redundant{pool="fax"} 0`, `weir_queue_waiting{pool="fax"} 3`,
		`weir_backend_inflight{backend="fax-a",pool="fax"} 1`, `weir_backend_inflight{backend="fax-b",pool="fax"} 0`,
		`weir_backend_connections{backend="fax-a",pool="fax",state="open"} 3`, `weir_backend_connections{backend="fax-a",pool="fax",state="idle"} 2`,
		`weir_backend_stuck{backend="fax-a",pool="fax"} 0`, `weir_backend_stuck{backend="fax-b",pool="fax"} 1`, `weir_backend_up{backend="fax-a",pool="fax"} 1`, `weir_backend_up{backend="fax-b",pool="fax"} 0`,
		`weir_backend_state{backend="fax-a",pool="fax",state="up"} 1`, `weir_backend_state{backend="fax-a",pool="fax",state="drain"} 0`,
		`weir_backend_state{backend="fax-b",pool="fax",state="starting"} 1`,
		`weir_probe_seconds{backend="fax-a",pool="fax"} 0.25`, `weir_ambiguous_total{backend="fax-a",pool="fax"} 3`,
		`weir_backend_transitions_total{backend="fax-a",pool="fax",to="down"} 1`, `weir_backend_transitions_total{backend="fax-a",pool="fax",to="up"} 1`,
		`weir_transactions_total{backend="fax-a",listener="inbound",outcome="delivered",pool="fax"} 2`,
		`weir_transactions_total{backend="fax-a",listener="inbound",outcome="other",pool="fax"} 1`,
		`weir_transactions_total{backend="",listener="inbound",outcome="deferred",pool=""} 1`,
		`weir_transactions_total{backend="",listener="inbound",outcome="aborted",pool="fax"} 1`,
		`weir_transaction_seconds_count{pool="fax",stage="mail"} 3`, `weir_transaction_seconds_bucket{pool="fax",stage="final_dot",le="10"} 0`,
		`weir_transaction_seconds_bucket{pool="fax",stage="final_dot",le="30"} 3`, `weir_transaction_seconds_count{pool="fax",stage="tls"} 0`,
		`weir_replies_total{by="connector",class="2xx",listener="inbound"} 2`, `weir_replies_total{by="weir",class="4xx",listener="inbound"} 1`,
		`weir_replies_total{by="weir",class="5xx",listener="inbound"} 0`, `weir_replays_total{pool="fax"} 1`,
		`weir_sessions{listener="inbound"} 7`, `weir_sessions_limit{listener="inbound"} 20000`,
		`weir_discovery_stale{pool="fax",source="consul"} 1`, `weir_discovery_stale{pool="fax",source="config"} 0`, `weir_discovery_stale{pool="fax",source="b?d"} 1`,
		`weir_consul_reachable 1`, `weir_consul_unshared_flags 1`, `weir_leader 0`, `weir_replay_memory_bytes 4096`, `weir_unbuffered_messages_total 5`, `weir_webhook_dropped_total 6`,
		`weir_config_reloads_total{result="applied"} 1`, `weir_config_reloads_total{result="refused"} 1`, `weir_config_last_reload_successful 0`,
		`weir_dns_updates_total{result="written",zone="example.com"} 3`, `weir_dns_updates_total{result="refused",zone="example.com"} 1`,
		`weir_dns_lag_seconds{zone="example.com"} 1.5`, `weir_dns_lag_seconds{zone="example.net"} 0`, `weir_dns_frozen{zone="example.net"} 1`, `weir_dns_error{zone="example.com"} 1`,
		`weir_certificate_expiry_timestamp_seconds{name="mx.test"} 1.8e+09`,
		`weir_build_info{goversion="go`, `version="1.2.3"} 1`, `process_open_fds `, `go_goroutines `,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
	for _, unwanted := range []string{"gone fishing", "lost in space", `weir_probe_seconds{backend="fax-b"`, `to="starting"`} {
		if strings.Contains(text, unwanted) {
			t.Errorf("there is %s", unwanted)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

func TestLint(t *testing.T) {
	m, _ := newMetrics(t)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(collector{m})
	problems, err := testutil.GatherAndLint(registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// Alone there is no doubt who leads, and what is not known is left out.
func TestAlone(t *testing.T) {
	m := New(Deps{Registry: backend.NewRegistry(nil), Events: events.NewLog(1)})
	text := scrape(t, m)
	for _, want := range []string{"weir_leader 1\n", "weir_config_last_reload_successful 1\n", `weir_config_reloads_total{result="refused"} 0`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	for _, unwanted := range []string{"weir_consul", "weir_replay_memory", "weir_sessions"} {
		if strings.Contains(text, unwanted) {
			t.Errorf("there is %s", unwanted)
		}
	}
	m, around := newMetrics(t)
	around.consul = dashboard.ConsulStatus{}
	if !strings.Contains(scrape(t, m), "weir_leader 1\n") {
		t.Error("without Consul nobody leads")
	}
	around.consul = dashboard.ConsulStatus{Address: "x", Leader: true}
	if !strings.Contains(scrape(t, m), "weir_leader 1\n") {
		t.Error("the leader is not shown")
	}
}

// Two sources of one name must not cost all other series.
func TestWhatCannotBeShownIsLeftOut(t *testing.T) {
	m, around := newMetrics(t)
	around.sources = append(around.sources, around.sources[0])
	if text := scrape(t, m); !strings.Contains(text, "weir_leader 0\n") || strings.Count(text, `weir_discovery_stale{pool="fax",source="consul"}`) != 1 {
		t.Error("the other series are missing")
	}
}

func TestForgottenSeriesGo(t *testing.T) {
	m, around := newMetrics(t)
	around.sources = nil
	registry := m.deps.Registry
	registry.Snapshot().Pool("fax").Member("fax-a").Release()
	registry.SetMembers("fax", []backend.Spec{{Pool: "fax", Name: "fax-b", Address: "192.0.2.2:25"}})
	text := scrape(t, m)
	if strings.Contains(text, "fax-a") {
		t.Errorf("series of a forgotten connector:\n%s", text)
	}
	for _, want := range []string{`weir_transaction_seconds_count{pool="fax",stage="mail"} 3`, `outcome="aborted",pool="fax"} 1`, `outcome="deferred",pool=""} 1`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
	registry.SetPools(nil)
	if text := scrape(t, m); strings.Contains(text, `"fax"`) || !strings.Contains(text, `outcome="deferred",pool=""} 1`) {
		t.Errorf("series of a forgotten pool, or none of no pool:\n%s", text)
	}
	stages := [backend.Stages]time.Duration{backend.StageMail: time.Millisecond}
	m.Meter().Transaction("inbound", "fax", "fax-a", "delivered", "connector", 2, &stages, 0) // one that ends late
	scrape(t, m)
	if n := len(m.meter.routes) + len(m.meter.pools); n != 2 {
		t.Errorf("%d entries are kept, want those of no pool", n)
	}
}

// Transitions are counted even where more happens between two scrapes than the
// log keeps.
func TestRunMissesNoTransition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := newMetrics(t)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- m.Run(ctx) }()
		for range 100 {
			m.deps.Events.Append(events.OfBackend(backend.ID{Pool: "fax", Name: "fax-b"}, "up", "ejected", "", ""))
			synctest.Wait()
		}
		if want := `weir_backend_transitions_total{backend="fax-b",pool="fax",to="ejected"} 100`; !strings.Contains(scrape(t, m), want) {
			t.Errorf("no %s", want)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestMeterAllocatesNothing(t *testing.T) {
	m, _ := newMetrics(t)
	stages := [backend.Stages]time.Duration{backend.StageMail: time.Millisecond}
	if n := testing.AllocsPerRun(100, func() {
		m.Meter().Transaction("inbound", "fax", "fax-a", "delivered", "connector", 2, &stages, 1)
	}); n != 0 {
		t.Errorf("%v allocations a transaction", n)
	}
}

// Counting, forgetting and scraping may happen at once, and what is counted is
// counted once.
func TestMeterAndScrapesAtOnce(t *testing.T) {
	m, _ := newMetrics(t)
	const workers, each = 4, 200
	stages := [backend.Stages]time.Duration{backend.StageMail: time.Millisecond}
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			for j := range each {
				m.Meter().Transaction("inbound", "fax", "fax-b", "rejected", "connector", 5, &stages, 0)
				m.Meter().Transaction("inbound", fmt.Sprint(i), fmt.Sprint(j), "rejected", "weir", 5, &stages, 0)
			}
		})
	}
	for range 5 {
		scrape(t, m)
	}
	wg.Wait()
	if want := fmt.Sprintf(`weir_transactions_total{backend="fax-b",listener="inbound",outcome="rejected",pool="fax"} %d`, workers*each); !strings.Contains(scrape(t, m), want) {
		t.Errorf("no %s", want)
	}
}

func BenchmarkTransaction(b *testing.B) {
	m := newMeter()
	stages := [backend.Stages]time.Duration{backend.StageMail: time.Millisecond, backend.StageRcpt: time.Millisecond, backend.StageFinalDot: time.Second}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m.Transaction("inbound", "fax", "fax-a", "delivered", "connector", 2, &stages, 0)
		}
	})
}

// BenchmarkScrape is of as many connectors as a large site has.
func BenchmarkScrape(b *testing.B) {
	registry := backend.NewRegistry([]backend.PoolConfig{{Name: "fax"}})
	specs := make([]backend.Spec, 1000)
	for i := range specs {
		specs[i] = backend.Spec{Pool: "fax", Name: fmt.Sprint("fax-", i), Address: fmt.Sprintf("192.0.2.1:%d", i+1)}
	}
	registry.SetMembers("fax", specs)
	m := New(Deps{Registry: registry, Events: events.NewLog(10)})
	b.ReportAllocs()
	for b.Loop() {
		m.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/metrics", nil))
	}
}
