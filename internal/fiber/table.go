package fiber

import (
	"sync"
	"sync/atomic"
)

const chunkSize = 1024

// table finds connections by their descriptors.
type table struct {
	mu     sync.Mutex // held by who lets it grow
	chunks atomic.Pointer[[]*chunk]
}

type chunk [chunkSize]atomic.Pointer[Conn]

// at returns the place of a descriptor; nil: there is none yet.
func (t *table) at(fd int) *atomic.Pointer[Conn] {
	chunks := t.chunks.Load()
	if chunks == nil || fd/chunkSize >= len(*chunks) {
		return nil
	}
	return &(*chunks)[fd/chunkSize][fd%chunkSize]
}

// place is at, and makes the place where there is none.
func (t *table) place(fd int) *atomic.Pointer[Conn] {
	if p := t.at(fd); p != nil {
		return p
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var grown []*chunk
	if chunks := t.chunks.Load(); chunks != nil {
		grown = append(grown, *chunks...)
	}
	for fd/chunkSize >= len(grown) {
		grown = append(grown, new(chunk))
	}
	t.chunks.Store(&grown)
	return &grown[fd/chunkSize][fd%chunkSize]
}

func (t *table) find(fd int) *Conn {
	if p := t.at(fd); p != nil {
		return p.Load()
	}
	return nil
}
