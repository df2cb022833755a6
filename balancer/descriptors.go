package balancer

import (
	"sync/atomic"
	"syscall"

	"weir/internal/backend"
)

// descriptors is how many connections the data path may have: a process has a limit, and
// at it nothing works any more, neither probes nor logs nor the admin's page. Whoever
// needs a new connection to a connector waits for a place before that, as where the
// connector has none.
type descriptors struct {
	most int64 // 0: the system names no limit
	held atomic.Int64
}

// keptFree is the part of the limit that is left to everything else, one in so many.
const keptFree = 16

// atSystemLimit makes the bound that follows from the process's own.
func (d *descriptors) atSystemLimit() {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil && limit.Cur < 1<<40 {
		d.most = int64(limit.Cur - limit.Cur/keptFree)
	}
}

// some reports whether there is one for another connection.
func (d *descriptors) some() bool { return d.most == 0 || d.held.Load() < d.most }

// inReach reports whether a connection to b is kept, or can be made.
func (p *pool) inReach(b *backend.Backend) bool {
	return p.srv.descriptors.some() || b.Traffic.Idle.Load() > 0
}
