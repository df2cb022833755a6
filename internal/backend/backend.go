package backend

import "sync/atomic"

// Backend is the live record of one connector at one address: the counters
// that the data path needs without a lock. It lives as long as somebody holds
// it, even when discovery has forgotten it: what runs there may end in peace.
type Backend struct {
	id      ID
	address string
	limit   atomic.Int64
	active  atomic.Int64
	probe   atomic.Pointer[ProbeFact]

	// Traffic counts what the data path did with this connector.
	Traffic Traffic
}

func newBackend(id ID, address string) *Backend {
	return &Backend{id: id, address: address}
}

// ID returns the connector's identity.
func (b *Backend) ID() ID { return b.id }

// Address returns the host:port to dial.
func (b *Backend) Address() string { return b.address }

// Acquire takes a place for one transaction. It returns false when the
// connector is at its limit; otherwise the caller owes one [Backend.Release].
func (b *Backend) Acquire() bool {
	for {
		n := b.active.Load()
		if limit := b.limit.Load(); limit > 0 && n >= limit {
			return false
		}
		if b.active.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// Release gives a place back.
func (b *Backend) Release() { b.active.Add(-1) }

// InFlight returns the number of places taken.
func (b *Backend) InFlight() int64 { return b.active.Load() }

// Limit returns the number of places that there are; 0: no limit.
func (b *Backend) Limit() int64 { return b.limit.Load() }

// SetProbe records the last probe's result (health's fact).
func (b *Backend) SetProbe(fact ProbeFact) { b.probe.Store(&fact) }

// Probe returns the last probe's result; At is zero before there is one.
func (b *Backend) Probe() ProbeFact {
	if fact := b.probe.Load(); fact != nil {
		return *fact
	}
	return ProbeFact{}
}

// setLimit is the registry's: the lower one of the configured and the learned
// limit, 0 for none.
func (b *Backend) setLimit(configured, learned int) {
	limit := configured
	if learned > 0 && (limit == 0 || learned < limit) {
		limit = learned
	}
	b.limit.Store(int64(limit))
}
