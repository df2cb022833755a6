package dashboard

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"weir/internal/backend"
	"weir/internal/events"
)

// The admin interface serves a few trusted clients; these bounds are for the
// ones that hang, not for load.
const (
	readHeaderTimeout = 5 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = 2 * time.Minute
	stopTimeout       = 2 * time.Second // for answers under way when the process ends
	maxHeaderBytes    = 16 << 10
)

// Config is how the admin interface is reached. Its socket is opened by app.
type Config struct {
	Address string // host:port, for people and for opening the socket
}

// Listener is one SMTP listener as the status shows it.
type Listener struct {
	Name     string `json:"name"`
	Address  string `json:"address"`
	Sessions int    `json:"sessions"`
	Limit    int    `json:"limit"` // 0: no limit
}

// Listeners tells of the SMTP listeners, in the order of the config.
type Listeners interface {
	Listeners() []Listener
}

// Deferrals tells of the pools whose messages weir itself defers.
type Deferrals interface {
	// Deferring returns nil while there is no trouble with the pool's messages.
	Deferring(pool string) *Deferring
}

// Deferring is how weir itself defers messages of a pool, for want of a connector
// that takes them: what was deferred since the trouble began.
type Deferring struct {
	Messages int64     `json:"messages"`
	Since    time.Time `json:"since"` // of the first
	Last     time.Time `json:"last"`
}

// Sources tells of the sources that connectors are known from, one entry for
// each of their pools.
type Sources interface {
	Sources() []SourceStatus
}

// Deps is what the admin interface reads and whom it has things done by. Registry
// and Events are required. What a reload replaces, an implementation asks for
// anew each time.
type Deps struct {
	Version   string
	Registry  *backend.Registry
	Events    *events.Log
	Listeners Listeners // nil: none
	Deferrals Deferrals // nil: none are told
	Sources   Sources   // nil: none are shown
	Cluster   Cluster   // nil: this weir shares nothing
	DNS       DNS       // nil: this weir keeps no zone
	// Certificates are those that senders are shown; nil: none.
	Certificates Certificates
	Prober       Prober       // nil: nothing can be probed from here
	Controller   Controller   // nil: no orders are taken here
	Reloader     Reloader     // nil: there is no config file
	History      History      // nil: no transactions are kept
	Router       Router       // nil: nothing is routed
	Metrics      http.Handler // nil: there are none; one with a method Traffic() [Traffic] tells the page of flows, too
	BasePath     string       // what stands before every path, such as /weir; empty: nothing
	ErrorLog     *log.Logger  // what net/http complains of; nil: the standard logger
}

// Server answers the admin requests.
type Server struct {
	deps     Deps
	ready    atomic.Bool
	standby  atomic.Bool
	access   atomic.Pointer[access]
	failures throttle
	streams  atomic.Int64
	pages    atomic.Int64
	feed     feed
	routes   map[string]route
	now      func() time.Time
}

// route is what a path does: with what method, for whom, and how.
type route struct {
	method string // GET includes HEAD
	role   Role
	serve  func(http.ResponseWriter, *http.Request, caller)
}

// New returns a server that is not ready yet, see [Server.SetReady], and that
// lets only callers of a Unix socket in, see [Server.SetAccess].
func New(deps Deps) *Server {
	s := &Server{deps: deps, feed: newFeed(time.Now()), now: time.Now}
	s.SetAccess(Access{})
	s.routes = map[string]route{
		"/v1/status":        {http.MethodGet, RoleRead, s.serveStatus},
		"/v1/events":        {http.MethodGet, RoleRead, s.serveEvents},
		"/v1/events/stream": {http.MethodGet, RoleRead, s.serveStream},
		"/v1/config":        {http.MethodGet, RoleRead, s.serveConfig},
		"/v1/route":         {http.MethodGet, RoleRead, s.serveRoute},
		"/v1/transactions":  {http.MethodGet, RoleRead, s.serveTransactions},
		"/v1/openapi.json":  {http.MethodGet, RoleRead, s.serveOpenAPI},
		"/v1/reload":        {http.MethodPost, RoleOperate, s.serveReload},
		"/v1/standby":       {http.MethodPost, RoleOperate, s.serveStandby},
		"/metrics":          {http.MethodGet, RoleRead, s.serveMetrics},
		"/healthz":          {http.MethodGet, RoleNone, s.serveHealth},
		"/readyz":           {http.MethodGet, RoleNone, s.serveReady},
		"/v1/login":         {http.MethodPost, RoleNone, s.serveLogin},
		"/v1/logout":        {http.MethodPost, RoleNone, s.serveLogout},
		"/v1/page/stream":   {http.MethodGet, RoleRead, s.servePageStream},
	}
	s.addPage()
	return s
}

// SetReady says whether this process wants new senders: true once it has
// started, false as soon as it begins to stop.
func (s *Server) SetReady(ready bool) { s.ready.Store(ready) }

// SetStandby says whether this replica is in standby: it serves, but wants no
// new senders. Whoever carries [Controller.Standby] out calls it, and so does
// whoever remembers it at the start.
func (s *Server) SetStandby(on bool) { s.standby.Store(on) }

// ServeHTTP answers one request. Paths match as they stand: there is no
// cleaning and no redirect.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	if strings.HasPrefix(r.URL.Path, backendsPath) {
		s.serveBackend(w, r)
		return
	}
	if strings.HasPrefix(r.URL.Path, zonesPath) {
		s.serveZone(w, r)
		return
	}
	route, ok := s.routes[r.URL.Path]
	if !ok {
		noSuchPath(w, r)
		return
	}
	if r.Method != route.method && (r.Method != http.MethodHead || route.method != http.MethodGet) {
		notPossible(w, r, route.method)
		return
	}
	from, no := s.admit(r, route.role)
	if no != nil {
		deny(w, no)
		return
	}
	route.serve(w, r, from)
}

func (s *Server) serveMetrics(w http.ResponseWriter, r *http.Request, _ caller) {
	if s.deps.Metrics == nil {
		noSuchPath(w, r)
		return
	}
	s.deps.Metrics.ServeHTTP(w, r)
}

// Run serves ln until ctx is done, ends event streams, lets other answers under
// way end for a moment and returns nil; an error means that serving failed before
// that. It closes ln. It may serve several listeners at once, by a call each; who
// calls by a Unix socket is known by the user that its process runs as.
func (s *Server) Run(ctx context.Context, ln net.Listener) error {
	server := &http.Server{
		Handler:           s.below(),
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readHeaderTimeout, // bodies are a few words
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          s.deps.ErrorLog,
		ConnContext: func(base context.Context, conn net.Conn) context.Context {
			return withConnection(base, conn, ctx.Done())
		},
	}
	stopped := make(chan error, 1)
	cancelled := context.AfterFunc(ctx, func() { stopped <- stop(server) })
	err := server.Serve(ln)
	if cancelled() || !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving the admin interface: %w", err)
	}
	return <-stopped
}

// stop waits a moment for answers under way, then cuts them.
func stop(server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if server.Shutdown(ctx) == nil {
		return nil
	}
	if err := server.Close(); err != nil {
		return fmt.Errorf("closing the admin interface: %w", err)
	}
	return nil
}
