package metrics

import (
	"context"
	"net/http"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"weir/dashboard"
	"weir/internal/backend"
	"weir/internal/events"
)

// maxScrapes bounds the scrapes that are answered at once: each holds a few KB
// for every connector.
const maxScrapes = 16

// Load tells what the data path has on its hands.
type Load interface {
	Waiting(pool string) int // senders that wait for a place at one of its connectors
	ReplayMemory() int64     // bytes that replay buffers hold now
	Unbuffered() int64       // messages since the start that were relayed without a copy, for want of that memory
}

// DNS tells of the zones that weir keeps; a [dashboard.DNS] does.
type DNS interface {
	DNS() []dashboard.DNSStatus
}

// Webhook tells of what could not be posted.
type Webhook interface {
	Dropped() int64 // events since the start
}

// Deps is what is read at a scrape. Registry and Events are required. What a
// reload replaces, an implementation asks for anew each time.
type Deps struct {
	Version   string
	Registry  *backend.Registry
	Events    *events.Log
	Listeners dashboard.Listeners // nil: none
	Sources   dashboard.Sources   // nil: none
	Cluster   dashboard.Cluster   // nil: this weir shares nothing
	DNS       DNS                 // nil: this weir keeps no zone
	// Certificates are those that senders are shown; nil: none.
	Certificates dashboard.Certificates
	Load         Load            // nil: not known
	Webhook      Webhook         // nil: there is none
	ErrorLog     promhttp.Logger // of series that could not be shown; nil: not told
}

// Metrics answers scrapes. Make it with [New].
type Metrics struct {
	deps        Deps
	meter       *Meter
	transitions transitions
	reloads     [2]atomic.Int64 // refused, applied
	lastReload  atomic.Bool     // the last one was applied; true before the first
	handler     http.Handler
}

// New returns metrics at zero.
func New(deps Deps) *Metrics {
	m := &Metrics{deps: deps, meter: newMeter(), transitions: transitions{counts: map[transition]int64{}}}
	m.lastReload.Store(true)
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collector{m})
	m.handler = promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog: deps.ErrorLog, ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: maxScrapes,
	})
	return m
}

// Meter is what counts transactions.
func (m *Metrics) Meter() *Meter { return m.meter }

// Reloaded counts a reload: whether the config was applied, or refused.
func (m *Metrics) Reloaded(applied bool) {
	result := 0
	if applied {
		result = 1
	}
	m.reloads[result].Add(1)
	m.lastReload.Store(applied)
}

// ServeHTTP answers a scrape.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.handler.ServeHTTP(w, r) }

// Run counts transitions as they happen, so that none is missed between scrapes,
// and blocks until ctx is done. It returns nil.
func (m *Metrics) Run(ctx context.Context) error {
	for {
		more := m.transitions.follow(m.deps.Events)
		select {
		case <-more:
		case <-ctx.Done():
			return nil
		}
	}
}
