package dns

import (
	"cmp"
	"context"
	"math/rand/v2"
	"reflect"
	"time"

	"weir/discovery"
	"weir/internal/backend"
)

const (
	// minRefresh is how often is asked at the most, whatever the time to live says.
	minRefresh = time.Second
	// firstRetry and maxRetry bound the wait after a question that failed.
	firstRetry = 500 * time.Millisecond
	maxRetry   = 30 * time.Second
)

// Config says what to ask for.
type Config struct {
	Pool string
	SRV  string // the name of an SRV record; or else
	Host string // a host name, with
	Port int    // 1 to 65535
	// Resolver is the address, with or without a port, of who is asked: one that
	// follows aliases. Empty: the first name server in /etc/resolv.conf.
	Resolver string
	Refresh  time.Duration // the longest time between two questions; 0: 30 s
}

// Source tells the connectors of one pool that DNS names. It implements
// [discovery.Source].
type Source struct {
	cfg    Config
	client client
}

// New returns a source.
func New(cfg Config) *Source {
	cfg.Refresh = max(cmp.Or(cfg.Refresh, 30*time.Second), minRefresh)
	return &Source{cfg: cfg, client: client{resolver: cfg.Resolver, timeout: 2 * time.Second, tries: 3}}
}

// Run asks until ctx is done, and tells what has changed.
func (s *Source) Run(ctx context.Context, sets chan<- discovery.Set) error {
	var last discovery.Set
	told := false
	for failures := 0; ; {
		set, wait := s.ask(ctx, &failures)
		if ctx.Err() != nil {
			return nil
		}
		if !told || !reflect.DeepEqual(set, last) {
			// The receiver may reorder what it gets: it gets a list of its own.
			sent := set
			sent.Specs = append([]backend.Spec(nil), set.Specs...)
			select {
			case sets <- sent:
			case <-ctx.Done():
				return nil
			}
			told, last = true, set
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
	}
}

// ask asks once, and returns what to tell and when to ask again.
func (s *Source) ask(ctx context.Context, failures *int) (discovery.Set, time.Duration) {
	var found answer
	var err error
	if s.cfg.SRV != "" {
		found, err = s.askService(ctx)
	} else {
		found, err = s.askHost(ctx)
	}
	if err != nil {
		*failures++
		return discovery.Set{Pool: s.cfg.Pool, Unheard: true, Doubt: err.Error()}, retry(*failures)
	}
	*failures = 0
	return discovery.Set{Pool: s.cfg.Pool, Specs: found.specs}, min(s.cfg.Refresh, max(found.life, minRefresh))
}

// retry returns how long to wait after that many failures: anything up to a
// bound that doubles (full jitter), so that many who failed together do not come
// back together.
func retry(failures int) time.Duration {
	bound := min(firstRetry<<min(failures-1, 10), maxRetry)
	return firstRetry/2 + rand.N(bound)
}
