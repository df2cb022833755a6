package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// Server answers for zones on sockets that others opened.
type Server struct {
	zones   atomic.Pointer[zoneTable]
	limiter *limiter
	begun   time.Time
	streams streams
}

// zoneTable finds zones by their name in wire form. It never changes.
type zoneTable map[string]*Zone

// NewServer returns a server of zones.
func NewServer(zones ...*Zone) *Server {
	s := &Server{begun: time.Now()}
	s.limiter = newLimiter(s.trusts)
	s.streams.networks = map[netip.Prefix]int{}
	s.Use(zones...)
	return s
}

// Use makes the server answer for these zones from now on (a reload).
func (s *Server) Use(zones ...*Zone) {
	table := zoneTable{}
	for _, z := range zones {
		table[z.key] = z
	}
	s.zones.Store(&table)
}

// Run answers until ctx ends. It does not close the sockets, so that another Server
// may go on with them; but a socket without deadlines can only be left by closing it.
func (s *Server) Run(ctx context.Context, packets []net.PacketConn, listeners []net.Listener) error {
	var jobs []func(context.Context) error
	for _, pc := range packets {
		jobs = append(jobs, func(ctx context.Context) error { return s.servePackets(ctx, pc) })
	}
	for _, ln := range listeners {
		jobs = append(jobs, func(ctx context.Context) error { return s.serveListener(ctx, ln) })
	}
	return together(ctx, jobs...)
}

// find returns the zone that the question is about: the longest that its name
// ends in.
func (s *Server) find(q *query) *Zone {
	table := *s.zones.Load()
	for i := range q.depth + 1 {
		if z := table[string(q.key(i))]; z != nil {
			return z
		}
	}
	return nil
}

// trusts reports whether an address is spared the limits: this machine's own, and
// the secondaries'.
func (s *Server) trusts(from netip.Addr) bool {
	from = from.Unmap()
	if from.IsLoopback() {
		return true
	}
	for _, z := range *s.zones.Load() {
		if z.isPeer(from) {
			return true
		}
	}
	return false
}

// respond answers a message, or not at all (nil). limit is how many octets the way
// back takes whatever the asker says.
func (s *Server) respond(q *query, buf []byte, limit int, turn uint32) []byte {
	z := s.find(q)
	switch {
	case q.signed && z != nil && q.opcode == dns.OpcodeQuery:
		return z.respondSigned(q, buf, limit, turn)
	case z != nil:
		return z.respond(q, buf, limit, turn)
	}
	if out := protest(q, buf); out != nil {
		return out
	}
	return refuse(q, buf, dns.RcodeRefused)
}

// respond answers a question about the zone.
func (z *Zone) respond(q *query, buf []byte, limit int, turn uint32) []byte {
	if out := protest(q, buf); out != nil {
		return out
	}
	p := z.picture.Load()
	switch {
	case p == nil:
		return refuse(q, buf, dns.RcodeServerFailure)
	case q.kind == dns.TypeAXFR:
		return refuse(q, buf, dns.RcodeFormatError) // by UDP (RFC 5936 section 4.2)
	case q.kind == dns.TypeIXFR:
		// The SOA alone: by TCP there is more (RFC 1995 section 2).
		return p.serialOnly(q, buf, limit)
	}
	return p.answer(q, buf, limit, turn)
}

func (p *picture) serialOnly(q *query, buf []byte, limit int) []byte {
	if q.nameLen != len(p.origin) {
		return refuse(q, buf, dns.RcodeNotAuth)
	}
	var r reply
	r.begin(q, buf, limit)
	r.flag(flagAA)
	r.set(answers, headerLen, &p.soa, 0)
	return r.finish(q, 0)
}

// isTimeout reports whether something ended because its deadline passed.
func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

// wakeAtEnd makes what waits in a socket's read or accept return when ctx ends, and
// takes that back when it is called.
func wakeAtEnd(ctx context.Context, set func(time.Time) error) (stop func(), err error) {
	if err := set(time.Time{}); err != nil {
		return nil, fmt.Errorf("clearing the deadline: %w", err)
	}
	undo := context.AfterFunc(ctx, func() { _ = set(time.Unix(1, 0)) })
	return func() { undo() }, nil
}
