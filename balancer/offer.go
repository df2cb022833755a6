package balancer

import (
	"sync/atomic"

	"weir/internal/backend"
)

// edgeRoom is how many octets weir may add to a message: its Received line.
const edgeRoom = 1 << 10

// offer is what EHLO announces, steady for a session (P30).
type offer struct {
	ext  backend.Extension
	size int64 // 0: no limit
}

// edgeExtensions are offered whatever the connectors can: weir converts.
const edgeExtensions = backend.ExtPipelining | backend.ExtChunking | backend.ExtEnhancedStatusCodes | backend.ExtSize

// offeredByAny are offered where any connector has them: who has not is no
// candidate for mail that needs them (P31).
const offeredByAny = backend.Ext8BitMIME

// offer returns what the listener announces now.
func (f *front) offer() offer {
	o := f.offers.of(f.pools)
	if limit := f.Limits.MessageSize; limit > 0 && (o.size == 0 || limit < o.size) {
		o.size = limit
	}
	return o
}

// offerCache keeps what the snapshots of some pools make possible to offer.
type offerCache struct{ last atomic.Pointer[pooledOffer] }

type pooledOffer struct {
	views []*backend.Pool
	offer
}

func (c *offerCache) of(pools []*pool) offer {
	if last := c.last.Load(); last != nil && last.holds(pools) {
		return last.offer
	}
	made := &pooledOffer{views: make([]*backend.Pool, len(pools))}
	for i, p := range pools {
		made.views[i] = p.view()
	}
	made.offer = offerOf(made.views)
	c.last.Store(made)
	return made.offer
}

func (o *pooledOffer) holds(pools []*pool) bool {
	for i, p := range pools {
		if p.view() != o.views[i] {
			return false
		}
	}
	return true
}

// offerOf goes by what the members of all pools were last seen to offer while
// healthy, so that it neither shrinks with a sick connector nor hopes for an
// unknown one.
func offerOf(pools []*backend.Pool) offer {
	o := offer{ext: edgeExtensions}
	unlimited := false
	for _, p := range pools {
		for _, m := range p.Members {
			caps := &m.Health.Capabilities
			if !caps.Known {
				continue
			}
			o.ext |= caps.Ext & offeredByAny
			unlimited = unlimited || caps.Size == 0
			o.size = max(o.size, caps.Size-edgeRoom)
		}
	}
	if unlimited {
		o.size = 0
	}
	return o
}
