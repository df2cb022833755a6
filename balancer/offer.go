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

// offer returns what the listener announces now.
func (f *front) offer() offer {
	o := f.pool.offers.of(f.pool.view())
	if limit := f.Limits.MessageSize; limit > 0 && (o.size == 0 || limit < o.size) {
		o.size = limit
	}
	return o
}

// offerCache keeps what a pool's snapshot makes possible to offer.
type offerCache struct{ last atomic.Pointer[pooledOffer] }

type pooledOffer struct {
	pool *backend.Pool
	offer
}

func (c *offerCache) of(p *backend.Pool) offer {
	if last := c.last.Load(); last != nil && last.pool == p {
		return last.offer
	}
	made := &pooledOffer{pool: p, offer: offerOf(p)}
	c.last.Store(made)
	return made.offer
}

// offerOf goes by what the members were last seen to offer while healthy, so
// that it neither shrinks with a sick connector nor hopes for an unknown one.
func offerOf(p *backend.Pool) offer {
	o := offer{ext: edgeExtensions}
	known, all8bit, unlimited := false, true, false
	for _, m := range p.Members {
		caps := &m.Health.Capabilities
		if !caps.Known {
			continue
		}
		known = true
		all8bit = all8bit && caps.Has(backend.Ext8BitMIME)
		unlimited = unlimited || caps.Size == 0
		o.size = max(o.size, caps.Size-edgeRoom)
	}
	if known && all8bit {
		o.ext |= backend.Ext8BitMIME
	}
	if unlimited {
		o.size = 0
	}
	return o
}
