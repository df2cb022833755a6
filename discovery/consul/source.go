package consul

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"weir/discovery"
)

// sourceName is what people read where they are told who knows a connector.
const sourceName = "consul"

// Config says which connectors a source tells of.
type Config struct {
	Pool       string
	Service    string // the service's name in Consul
	Tag        string // only instances with this tag, in any case; empty: all
	Datacenter string // empty: the agent's own
}

// Source tells which instances of a service Consul knows.
type Source struct {
	cfg    Config
	client *api.Client
}

// New returns a source that asks through client. Nothing is asked before Run.
func New(cfg Config, client *api.Client) *Source {
	return &Source{cfg: cfg, client: client}
}

// Run implements [discovery.Source]. It asks until ctx is done and returns nil
// then; the only error is that of a config without a service.
func (s *Source) Run(ctx context.Context, sets chan<- discovery.Set) error {
	if s.cfg.Service == "" {
		return errors.New("asking Consul: the pool's consul section names no service")
	}
	w := watch{source: s, sets: sets, resync: time.Now().Add(resyncEvery), reader: newReader()}
	for ctx.Err() == nil {
		if !sleep(ctx, w.turn(ctx)) {
			break
		}
	}
	return nil
}

// watch is what a running source remembers from one query to the next.
type watch struct {
	source *Source
	sets   chan<- discovery.Set

	index      uint64    // what the next query waits on; 0: it does not wait
	resync     time.Time // when the leader is asked instead of any server
	leaderless bool      // the servers had no leader when last heard of
	filtered   bool      // a server has said that the token may not see all
	denied     bool      // what was told last lacks what the token may not see
	token      token     // what is known of the token
	failures   int       // queries in a row
	reader     *reader
	marks      marker
	told       mark // the last set that was sent; 0: none
}

// turn asks once, tells what was learned, and returns how long to pause.
func (w *watch) turn(ctx context.Context) time.Duration {
	q := w.query(time.Now())
	began := time.Now()
	a, err := w.source.ask(ctx, q)
	switch {
	case ctx.Err() != nil:
		return 0
	case errors.Is(err, errLeaderChanged), errors.Is(err, errTokenChanged):
		w.index = 0 // what any server says at once tells how things are now
		return unchangedPause
	case err != nil:
		w.index = 0
		w.failures++
		w.tell(ctx, discovery.Set{Unheard: true, Doubt: explain(err, w.source.cfg)})
		if forbidden(err) {
			return min(backoff(w.failures), jitter(rightsWait))
		}
		return backoff(w.failures)
	}
	w.failures = 0
	if !a.streamed { // a stream knows neither
		w.leaderless, w.filtered = !a.knownLeader, a.filtered
	}
	atOnce := a.index <= q.index && time.Since(began) < q.wait/2
	if len(a.entries) == 0 && q.index > 0 {
		w.index = 0 // a stream does not say whether it hides something: a server does
		return pace(0, false, atOnce)
	}
	w.index = nextIndex(q.index, a.index)
	changed := w.hear(ctx, &a)
	if w.denied && q.index > 0 {
		w.index = 0 // only a server knows of rights
	}
	return pace(len(a.entries), changed, atOnce)
}

// query makes the next query.
func (w *watch) query(now time.Time) query {
	q := query{index: w.index, wait: waitTime, leaderless: w.leaderless, reader: w.reader, token: &w.token}
	if w.denied {
		q.wait = rightsWait
	}
	if now.After(w.resync) {
		w.resync = now.Add(jitter(resyncEvery))
		q.index, q.consistent = 0, !w.leaderless // without a leader that would only be refused
	}
	return q
}

// hear tells an answer as a set, and reports whether it was news.
func (w *watch) hear(ctx context.Context, a *answer) bool {
	cfg := w.source.cfg
	anonymous := len(a.entries) == 0 && a.denies && w.source.anonymous(ctx)
	w.denied = w.filtered || anonymous
	if len(a.entries) == 0 && w.filtered {
		return w.tell(ctx, discovery.Set{Unheard: true, Doubt: wordsHidden(cfg.Service)})
	}
	specs, complaints := specsOf(a.entries, cfg.Tag)
	var doubts []string
	switch {
	case w.leaderless:
		doubts = append(doubts, wordsLeaderless)
	case a.lastContact > maxLastContact:
		doubts = append(doubts, wordsLagging)
	}
	switch {
	case w.filtered:
		doubts = append(doubts, wordsPartlyHidden(cfg.Service))
	case anonymous:
		doubts = append(doubts, wordsAnonymous(cfg.Service))
	}
	return w.tell(ctx, discovery.Set{Specs: specs, Doubt: strings.Join(doubts, "; "), Remark: strings.Join(complaints, "; ")})
}

// tell sends a set unless the one before said the same, and reports whether it
// did.
func (w *watch) tell(ctx context.Context, set discovery.Set) bool {
	m := w.marks.of(&set)
	if m == w.told {
		return false
	}
	set.Pool, set.Source = w.source.cfg.Pool, sourceName
	select {
	case w.sets <- set:
		w.told = m
		return true
	case <-ctx.Done():
		return false
	}
}
