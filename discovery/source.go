package discovery

import (
	"context"
	"fmt"
	"slices"
	"time"

	"weir/internal/backend"
)

// Set is what one source says of one pool's connectors at the moment.
type Set struct {
	Pool   string
	Source string // for people, in [backend.Spec.Sources]; empty: the feed's name
	Specs  []backend.Spec

	// Doubt says in plain words why this may not be the present truth, such as
	// "cannot be asked: connection refused"; empty: it is.
	Doubt string
	// Remark says what else people should know of an answer that is the truth all
	// the same, such as entries that make no sense and were left out.
	Remark string
	// Unheard means that nothing was learned: Specs says nothing, the last set
	// stands. Doubt then says why.
	Unheard bool
}

// Source tells which connectors there are.
//
// Run sends a full set for each of its pools at the start and after each
// change, and blocks until ctx is done or the source has nothing more to say. A
// source that cannot be asked says so with a set that is Unheard, again whenever
// the reason changes, and with a full one as soon as it can be asked again, even
// if that is the same as before. It does not judge what it is told: an answer
// that is suspiciously small is held back by the [Manager].
//
// The receiver reads until Run has returned; Run never closes the channel. Sets
// that were sent belong to the receiver. The source tries again by itself; an
// error from Run is one that trying again does not cure.
type Source interface {
	Run(ctx context.Context, sets chan<- Set) error
}

// Feed is a source in the manager's list.
type Feed struct {
	Name   string // for people, and for what is kept on disk; unique for each pool
	Key    string // what the source was made of: two feeds with equal Name and Key are the same, and the one that runs goes on
	Pools  []string
	Source Source
	// Hold is how long an answer that is empty, or that lacks more than half of
	// the connectors at once, is held back unless probes agree; 0: not at all.
	Hold time.Duration
	// Keep has the last good set kept on disk, for a start while the source is away.
	Keep bool
}

// Freshness is how much a source's word of a pool can be trusted.
type Freshness string

// The words of [Status].
const (
	Waiting Freshness = "waiting" // it has not said anything yet
	Fresh   Freshness = "fresh"
	Stale   Freshness = "stale"   // it cannot be asked, or doubts its own answer
	Holding Freshness = "holding" // it answered with suspiciously little, which is not applied yet
)

// Status is what is known of one source and one of its pools.
type Status struct {
	Source     string
	Pool       string
	State      Freshness
	Since      time.Time // when State began
	Until      time.Time // when what is held will be applied; else zero
	Why        string    // in plain words; of a fresh one a remark, mostly empty
	Connectors int       // in the set that is applied
	FromDisk   bool      // that set was read from disk: the source has not answered since the start
}

// Static is the source of connectors that stand in the config.
type Static struct {
	Pool  string
	Specs []backend.Spec
}

// StaticName is the name of the static source.
const StaticName = "config"

// Run sends the one set there is and returns.
func (s Static) Run(ctx context.Context, sets chan<- Set) error {
	select {
	case sets <- Set{Pool: s.Pool, Source: StaticName, Specs: slices.Clone(s.Specs)}:
	case <-ctx.Done():
	}
	return nil
}

// StaticFeed returns the feed of connectors that stand in the config. Its key is
// made of them: as long as they are the same, so is the feed.
func StaticFeed(pool string, specs []backend.Spec) Feed {
	return Feed{
		Name: StaticName, Key: fmt.Sprint(specs), Pools: []string{pool},
		Source: Static{Pool: pool, Specs: specs},
	}
}
