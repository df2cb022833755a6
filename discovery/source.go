package discovery

import (
	"context"

	"weir/internal/backend"
)

// Set is all connectors of one pool that one source knows of at the moment.
type Set struct {
	Pool   string
	Source string // the name the source was given, for people
	Specs  []backend.Spec
}

// Source tells which connectors there are.
//
// Run sends a full set for each of its pools at the start and after each
// change, and blocks until ctx is done or the source has nothing more to say.
// The receiver reads until Run has returned; Run never closes the channel. Sets
// that were sent belong to the receiver. A source that cannot be asked, or that
// answers with suspiciously little, sends nothing: its last set stands. It tries
// again by itself; an error from Run is one that trying again does not cure.
type Source interface {
	Run(ctx context.Context, sets chan<- Set) error
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
	case sets <- Set{Pool: s.Pool, Source: StaticName, Specs: s.Specs}:
	case <-ctx.Done():
	}
	return nil
}
