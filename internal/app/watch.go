package app

import (
	"context"
	"fmt"

	"weir/discovery"
	"weir/internal/backend"
	"weir/internal/certs"
	"weir/internal/events"
)

// logEvents writes each transition into the log until ctx is done, and then
// those that are still there.
func (a *App) logEvents(ctx context.Context) error {
	var last uint64
	for {
		list, more := a.events.Since(last)
		for i := range list {
			a.logEvent(&list[i])
			last = list[i].ID
		}
		select {
		case <-more:
		case <-ctx.Done():
			list, _ = a.events.Since(last)
			for i := range list {
				a.logEvent(&list[i])
			}
			return nil
		}
	}
}

func (a *App) logEvent(ev *events.Event) {
	if ev.Kind == "config" {
		return // a reload writes a line of its own, with all that has changed
	}
	line := a.log.info
	if worrying(ev.To) {
		line = a.log.warn
	}
	e := line(ev.Kind).Uint64("event", ev.ID).Str("pool", ev.Pool)
	if ev.Backend != "" {
		e.Str("backend", ev.Backend)
	}
	e.Str("from", ev.From).Str("to", ev.To).Str("why", ev.Why).Str("by", ev.By).Send()
}

// worrying reports whether somebody should look at what has become of a thing.
func worrying(to string) bool {
	switch to {
	case backend.StateDown.String(), backend.StateEjected.String(), poolEmpty, poolThin, poolPanic,
		"suspect", "lost", "expiring", "relays", // health's words for a probe, for capabilities, for a certificate and for an open relay
		string(certs.Warning), string(certs.Failed),
		string(discovery.Stale), string(discovery.Holding),
		"away", "silent", "trouble", "refused", // of Consul, a replica, the state file and a reload
		"ignored",          // of a flag in Consul
		"error", "changed": // of a zone
		return true
	}
	return false
}

// The words for how many of a pool's connectors are eligible.
const (
	poolEmpty     = "empty"
	poolPanic     = "panic" // those that are ejected are used again
	poolThin      = "not-redundant"
	poolRedundant = "redundant"
)

// watchPools appends an event when a pool falls below its min_redundancy, runs
// empty or comes back. It begins with what is the case when the start is over:
// before that every pool is empty.
func (a *App) watchPools(ctx context.Context) error {
	changed, cancel := a.registry.Subscribe()
	defer cancel()
	last := map[string]string{}
	for {
		for _, p := range a.registry.Snapshot().Pools {
			a.watchPool(p, last)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

func (a *App) watchPool(p *backend.Pool, last map[string]string) {
	word, from := poolWord(p), last[p.Name]
	last[p.Name] = word
	if from == word || from == "" && word == poolRedundant {
		return
	}
	if from == "" {
		from = backend.StateStarting.String()
	}
	why := fmt.Sprintf("%d of %d connectors eligible", p.Eligible, len(p.Members))
	if p.MinRedundancy > 0 {
		why += fmt.Sprintf(", min_redundancy is %d", p.MinRedundancy)
	}
	a.events.Append(events.Event{Kind: "pool", Pool: p.Name, From: from, To: word, Why: why, By: "weir"})
}

func poolWord(p *backend.Pool) string {
	switch {
	case p.Eligible == 0:
		return poolEmpty
	case p.Panic:
		return poolPanic
	case !p.Redundant():
		return poolThin
	default:
		return poolRedundant
	}
}
