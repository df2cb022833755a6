package certs

import (
	"cmp"
	"context"
	"crypto/tls"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Config says where things are. A path that is empty is not used.
type Config struct {
	Certificates []Pair // the first is for those who ask for no name, or for another one
	MinVersion   uint16 // such as tls.VersionTLS13; 0: TLS 1.2
	ClientCA     string // PEM; client certificates are asked for, may be left out, and are verified if given
	TicketKeys   string // shared by replicas: lines of 32 octets in base64 or hex, of which the first encrypts
	StateDir     string // where the certificate is kept that weir makes if none is given; empty: in memory
	Hostname     string // that it is made for

	// Tell is told what people should know. It is called by New, Reload and Run, one
	// call at a time, and must not block. nil: nobody is told.
	Tell func(Event)
}

// Pair are the files of a certificate, in PEM: the server's own first, then those
// between it and its authority; and its key. Both may be in one file.
type Pair struct{ Cert, Key string }

// Event is something that people should know.
type Event struct {
	Kind Kind
	Text string
}

// Kind is what sort of event it is.
type Kind string

// The kinds.
const (
	Renewed Kind = "renewed" // files have changed and are in use
	Warning Kind = "warning" // works, and needs somebody's attention
	Failed  Kind = "failed"  // files have changed and are broken: what was read before stays in use
)

// Store holds a listener's certificates. It may be used by many at once.
type Store struct {
	cfg    Config
	outfit atomic.Pointer[outfit]
	base   *tls.Config

	mu    sync.Mutex // held while files are looked at
	told  map[string]validity
	unfit string // the last failure that was told of
}

// New reads everything. An error names every file that is at fault, and what to do.
// A certificate out of its time is a warning, not an error.
func New(cfg Config) (*Store, error) {
	s := &Store{cfg: cfg, told: map[string]validity{}}
	first, err := s.load(&outfit{}, time.Now())
	if err != nil {
		return nil, err
	}
	s.outfit.Store(first)
	// The keys of tickets that Go makes and rotates by itself live in the config that
	// a handshake begins with, so this is the same one for all of them.
	s.base = &tls.Config{
		MinVersion: first.config.MinVersion,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return s.outfit.Load().config, nil
		},
	}
	s.judge(first, time.Now())
	return s, nil
}

// TLSConfig returns what handshakes are to begin with. Each takes what is newest at
// that moment. It is the same one each time and must not be changed.
func (s *Store) TLSConfig() *tls.Config { return s.base }

// Reload looks at the files now. What is sound is in use when it returns; an error
// says what is not, and of that the last sound state stays.
func (s *Store) Reload() error { return s.look(time.Now()) }

// Run looks at the files whenever they change, until ctx is done.
func (s *Store) Run(ctx context.Context) error {
	for {
		// Watching begins before looking, so no change falls in between.
		w := watchFor(s.cfg.files())
		_ = s.look(time.Now()) // it was told
		if !w.wait(ctx, s.cfg.pause()) {
			return ctx.Err()
		}
	}
}

// Expiry is when a certificate ends.
type Expiry struct {
	Name                string // the first that it is for
	NotBefore, NotAfter time.Time
}

// Soon reports whether a certificate ends within that time, or has ended. Of one whose
// whole life is short only the last quarter is soon.
func (e *Expiry) Soon(now time.Time, within time.Duration) bool {
	return e.NotAfter.Sub(now) < min(within, e.NotAfter.Sub(e.NotBefore)/4)
}

// Expiry returns the ends of the certificates, by name. Of several for one name it is
// the first to end.
func (s *Store) Expiry() []Expiry {
	var out []Expiry
	for _, c := range s.outfit.Load().chains {
		out = append(out, Expiry{nameOf(c.Leaf), c.Leaf.NotBefore, c.Leaf.NotAfter})
	}
	slices.SortFunc(out, func(a, b Expiry) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), a.NotAfter.Compare(b.NotAfter))
	})
	return slices.CompactFunc(out, func(a, b Expiry) bool { return a.Name == b.Name })
}

// look reads what has changed and puts it to use.
func (s *Store) look(now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.outfit.Load()
	next, err := s.load(old, now)
	s.outfit.Store(next)
	if next.digest != old.digest {
		s.tell(Renewed, "certificates and keys for TLS were read again: "+next.describe())
	}
	s.complain(err)
	s.judge(next, now)
	return err
}

// complain tells of a failure, but not of the same one each time.
func (s *Store) complain(err error) {
	if err == nil {
		s.unfit = ""
		return
	}
	if text := strings.ReplaceAll(err.Error(), "\n", "; "); text != s.unfit {
		s.unfit = text
		s.tell(Failed, text+"; what was read before stays in use")
	}
}

func (s *Store) tell(kind Kind, text string) {
	if s.cfg.Tell != nil {
		s.cfg.Tell(Event{kind, text})
	}
}

// files are the paths that are watched. The certificate that weir makes is not among
// them: nobody else writes it.
func (c *Config) files() (out []string) {
	for _, p := range c.Certificates {
		out = append(out, p.Cert, p.Key)
	}
	out = append(out, c.ClientCA, c.TicketKeys)
	return slices.DeleteFunc(out, func(s string) bool { return s == "" })
}

// pause is how long no look is taken at the most: the kernel does not tell of every
// change, and certificates end without one.
func (c *Config) pause() time.Duration {
	if len(c.files()) == 0 {
		return time.Hour
	}
	return time.Minute
}
