package dashboard

import (
	"context"
	"errors"
	"fmt"
	"html/template"
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

// backendsPath begins the paths of what is done with one connector.
const backendsPath = "/v1/backends/"

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

// Deps is what the admin interface reads. Registry and Events are required.
type Deps struct {
	Version   string
	Registry  *backend.Registry
	Events    *events.Log
	Listeners Listeners   // nil: none
	Prober    Prober      // nil: nothing can be probed from here
	Operate   bool        // whoever can reach the server may do more than read
	ErrorLog  *log.Logger // what net/http complains of; nil: the standard logger
}

// Server answers the admin requests.
type Server struct {
	deps   Deps
	ready  atomic.Bool
	routes map[string]http.HandlerFunc
	page   *template.Template
	now    func() time.Time
}

// New returns a server that is not ready yet; see [Server.SetReady].
func New(deps Deps) *Server {
	s := &Server{deps: deps, now: time.Now}
	s.page = template.Must(template.New("page").Parse(pageText))
	s.routes = map[string]http.HandlerFunc{
		"/":          s.servePage,
		"/v1/status": s.serveStatus,
		"/v1/events": s.serveEvents,
		"/healthz":   s.serveHealth,
		"/readyz":    s.serveReady,
	}
	return s
}

// SetReady says whether this process wants new senders: true once it has
// started, false as soon as it begins to stop.
func (s *Server) SetReady(ready bool) { s.ready.Store(ready) }

// ServeHTTP answers one request. Paths match as they stand: there is no
// cleaning and no redirect.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	route, ok := s.routes[r.URL.Path]
	switch {
	case strings.HasPrefix(r.URL.Path, backendsPath):
		s.serveBackend(w, r)
	case !ok:
		writeError(w, http.StatusNotFound, "no such path: "+r.URL.Path)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		writeError(w, http.StatusMethodNotAllowed, r.Method+" is not possible here, only GET")
	default:
		route(w, r)
	}
}

// Run serves ln until ctx is done, lets answers under way end for a moment and
// returns nil; an error means that serving failed before that. It closes ln.
func (s *Server) Run(ctx context.Context, ln net.Listener) error {
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readHeaderTimeout, // bodies are a few words
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          s.deps.ErrorLog,
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
