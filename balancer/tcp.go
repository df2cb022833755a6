package balancer

import (
	"time"

	"weir/balancer/flow"
	"weir/balancer/gate"
	"weir/internal/backend"
	"weir/internal/connector"
	"weir/internal/fiber"
)

// Passage tells where a connection in tcp mode was passed to.
type Passage struct {
	Pool    string
	Backend string // the connector's name; empty: none has taken it
	Tries   []Try  // connectors that were left or passed over; of the latter only the first few
	In, Out int64  // octets that came from the sender, and that went to it
}

// passage is a connection in tcp mode. A connector is chosen for it once
// (tcpgate.go); from then on octets go both ways as they come (package flow).
type passage struct {
	Passage
	s      *session
	speaks bool   // the connector greets in plaintext; else TLS comes first
	heard  []byte // what the connector has said before its sender was let in
}

// passThrough serves a sender in tcp mode.
func (s *session) passThrough() {
	defer s.close()
	p := passage{s: s}
	s.passage = &p.Passage
	p.Pool = s.front.Pool
	p.speaks = gateOf(&s.front.pools[0].latest().dialer) == backend.StageBanner
	s.visit.Boundary(false) // nobody knows where it is in its dialogue
	if s.leaving() {
		s.farewell()
	} else if at := p.find(); at != nil {
		p.use(at)
	}
	if !p.speaks {
		s.out = nil // who waits for TLS would take words for noise
	}
}

// use passes the sender on to a connector on which it has a place.
func (p *passage) use(at *gateway) {
	s, u := p.s, at.upstream
	p.Backend = u.backend.ID().Name
	defer u.pool.release(u.backend)
	defer s.upstream.Store(nil)
	opened := time.Now()
	if err := p.greet(); err != nil {
		s.finish("lost before the greeting: " + connector.Describe(err))
		u.quit()
		return
	}
	defer u.discard()
	var over fiber.Signal
	f, err := p.carry(at, over.Fire)
	if err != nil {
		s.finish(p.reason(u, &flow.Ending{By: flow.Itself, Err: err}))
		return
	}
	over.Await(s.fiber)
	end := f.Ending()
	p.In, p.Out = f.Moved(flow.Front), p.Out+f.Moved(flow.Back)
	if p.wasLost(f, &end, opened) {
		s.srv.tellLost(u, opened)
	}
	s.finish(p.reason(u, &end))
}

// carry has octets go both ways. From then on the connections are the flow's.
func (p *passage) carry(at *gateway, ended func(*fiber.Fiber)) (*flow.Flow, error) {
	s := p.s
	limits := flow.Limits{Idle: s.front.Timeouts.Command, AfterBack: afterClose, Linger: lingering}
	if age := s.front.Limits.Session; age > 0 {
		limits.Until = s.began.Add(age)
	}
	sender, err := s.raw.HandOver()
	if err != nil {
		return nil, err
	}
	f, err := s.srv.flows.Start(sender, at.socket, limits, ended)
	if err != nil {
		return nil, err
	}
	s.flow.Store(f)
	if s.shed.Load() || at.out.Load() != nil || s.srv.base.Err() != nil {
		f.Cut() // who wanted that did not see the flow yet
	}
	return f, nil
}

// greet tells the sender what the connector has said, as it came.
func (p *passage) greet() error {
	if err := p.s.raw.SetWriteDeadline(time.Now().Add(p.s.front.Timeouts.Command)); err != nil {
		return err
	}
	n, err := p.s.raw.Write(p.heard)
	p.Out, p.heard = int64(n), nil
	if err != nil {
		return err
	}
	return p.s.raw.SetWriteDeadline(time.Time{})
}

// reason says why a connection has ended.
func (p *passage) reason(u *upstream, end *flow.Ending) string {
	party := "sender"
	if end.By == flow.Back {
		party = "connector"
	}
	switch why := u.out.Load(); {
	case why != nil:
		return "connector " + why.Error()
	case p.s.srv.base.Err() != nil:
		return "shutting down"
	case p.s.shed.Load():
		return refusalReasons[gate.MadeRoom]
	case end.By == flow.Itself:
		return end.Err.Error()
	case end.Err != nil:
		return "lost by the " + party + ": " + connector.Describe(end.Err)
	default:
		return "closed by the " + party
	}
}

// afterClose is how long nothing may happen once the connector has closed: a sender
// that does not notice must not hold its place.
const afterClose = 30 * time.Second

// atOnce is how soon a connector must leave to be blamed for it.
const atOnce = 5 * time.Second

// wasLost reports whether the connector has left, behind its greeting and before it
// said anything more, a sender that was still there. What else happens behind the
// greeting says nothing about the connector. One that does not greet has a reason to
// leave a sender that does not speak as it should.
func (p *passage) wasLost(f *flow.Flow, end *flow.Ending, opened time.Time) bool {
	return end.By == flow.Back && f.Moved(flow.Back) == 0 && end.At.Sub(opened) < atOnce && (p.speaks || f.Moved(flow.Front) == 0)
}

// tellLost tells the observer of a connector that has left at once.
func (s *Server) tellLost(u *upstream, opened time.Time) {
	if u.out.Load() != nil || s.base.Err() != nil {
		return
	}
	ticket := s.deps.Observer.Begin(u.backend, backend.StageEHLO, opened)
	f := fault{kind: faultLost, stage: backend.StageEHLO, why: "connection closed behind the greeting"}
	u.backend.Traffic.Failures.Add(1)
	s.deps.Observer.End(ticket, f.outcome(time.Now()))
}
