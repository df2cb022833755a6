package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"weir/dns"
	"weir/internal/cluster"
)

// sharedEntry is a value that all replicas have together.
type sharedEntry struct {
	cluster *cluster.Cluster
	key     string
}

// Load implements the store of an embedded zone.
func (e sharedEntry) Load(ctx context.Context) (data []byte, version uint64, err error) {
	return e.cluster.Load(ctx, e.key)
}

// Swap implements the store of an embedded zone.
func (e sharedEntry) Swap(ctx context.Context, data []byte, version uint64) (ok bool, err error) {
	return e.cluster.Swap(ctx, e.key, data, version)
}

// memoryEntry is a value that ends with the process.
type memoryEntry struct {
	mu      sync.Mutex
	data    []byte
	version uint64
}

// Load implements the store of an embedded zone.
func (e *memoryEntry) Load(context.Context) (data []byte, version uint64, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return bytes.Clone(e.data), e.version, nil
}

// Swap implements the store of an embedded zone.
func (e *memoryEntry) Swap(_ context.Context, data []byte, version uint64) (ok bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if version != e.version {
		return false, nil
	}
	e.data, e.version = bytes.Clone(data), e.version+1
	return true, nil
}

// sharedFreeze is an operator's word on a zone, for all replicas.
type sharedFreeze struct{ entry sharedEntry }

// Load implements [dns.Keep].
func (k sharedFreeze) Load(ctx context.Context) (f dns.Freeze, err error) {
	data, version, err := k.entry.Load(ctx)
	if err != nil || version == 0 {
		return f, err
	}
	if err := json.Unmarshal(data, &f); err != nil {
		return f, fmt.Errorf("reading whether the zone is frozen: %w: freeze or thaw it again, which writes Consul's key %s anew", err, k.entry.key)
	}
	return f, nil
}

// Save implements [dns.Keep]. The last word counts.
func (k sharedFreeze) Save(ctx context.Context, f dns.Freeze) error {
	data, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("noting down whether the zone is frozen: %w", err)
	}
	const tries = 5
	for range tries {
		_, version, err := k.entry.Load(ctx)
		if err != nil {
			return fmt.Errorf("noting down whether the zone is frozen: %w", err)
		}
		if ok, err := k.entry.Swap(ctx, data, version); ok || err != nil {
			return err
		}
	}
	return fmt.Errorf("noting down whether the zone is frozen: others change %s all the time", k.entry.key)
}
