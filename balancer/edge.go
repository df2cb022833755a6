package balancer

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"weir/balancer/gate"
	"weir/internal/connector"
	"weir/internal/smtp"
)

// How a connection comes in, before anything is said: for whom it is, whether that
// one may come in, TLS where it is implicit, and the pause before the greeting.

// arrive takes a connection through all of that. It returns false when the session
// is over already.
func (s *session) arrive() bool {
	if !s.introduce() || !s.enter() {
		return false
	}
	if s.front.TLS == TLSImplicit && !s.handshake(s.front.Timeouts.Greeting) {
		return false
	}
	return s.outwait(s.front.GreetingDelay)
}

// introduce has a trusted proxy say for whom it speaks. Where it does not, the
// connection is closed without a word, as the PROXY specification demands.
func (s *session) introduce() bool {
	if contains(s.front.Proxy, s.client.Addr()) {
		said, err := s.hearProxy()
		s.tick()
		switch {
		case err != nil && s.leaving():
			s.finish("shutting down before the PROXY header was here")
			return false
		case err != nil:
			s.finish(err.Error())
			return false
		}
		s.proxied = &said
		if said.Client.IsValid() {
			s.client = said.Client
		}
		s.secured = securedByProxy(&said)
	}
	s.trusted = !s.anonymous() && contains(s.front.XClient, s.client.Addr())
	return true
}

// proxyPatience is how long a proxy has for its header. It sends that at once, so what
// is waited for is no more than a packet that is sent again, and again.
const proxyPatience = 10 * time.Second

// hearProxy reads the header. Whoever sends none takes up a place meanwhile, as
// everybody does.
func (s *session) hearProxy() (gate.Proxied, error) {
	if !s.listener.gate.Knock() {
		return gate.Proxied{}, errCrowd
	}
	defer s.listener.gate.Knocked()
	s.atBoundary.Store(true)
	defer s.atBoundary.Store(false)
	return gate.ReadProxy(introducing{s.raw, s}, min(s.front.Timeouts.Greeting, proxyPatience))
}

var errCrowd = errors.New("too many connections have sent no PROXY header yet")

// anonymous reports whether a proxy does not say who the sender is. Its address stands
// for it then, but nothing that this one is trusted with is the sender's.
func (s *session) anonymous() bool { return s.proxied != nil && s.proxied.Unknown() }

// introducing is a connection whose proxy is waited for: a session that is to end does
// not begin to.
type introducing struct {
	net.Conn
	s *session
}

// SetReadDeadline looks for that after the deadline is set, or an interruption could
// slip in between.
func (c introducing) SetReadDeadline(t time.Time) error {
	if err := c.Conn.SetReadDeadline(t); err != nil {
		return err
	}
	if c.s.leaving() {
		return errLeaving
	}
	return nil
}

// enter asks the gate for the client, and has somebody else make room where it is to.
func (s *session) enter() bool {
	ask := s.listener.gate.Enter
	if s.anonymous() {
		ask = s.listener.gate.EnterUnknown
	}
	entry := ask(s, s.client.Addr(), s.now)
	if entry.Visit == nil {
		s.turnAway(entry.Refusal)
		return false
	}
	s.visit, s.engaged = entry.Visit, false
	if entry.Sheds {
		entry.Shed.makeRoom()
	}
	if err := s.pause(entry.Delay); err != nil {
		s.readFailed(err)
		return false
	}
	return true
}

// leave tells the gate that the connection is closed.
func (s *session) leave() {
	if s.visit != nil {
		s.visit.Leave()
	}
}

// refusalReasons are what the log calls the gate's reasons.
var refusalReasons = map[gate.Reason]string{
	gate.TooMany:      "too many connections",
	gate.TooManyPerIP: "too many connections from this address",
	gate.TooOften:     "connects too often",
	gate.Denied:       "denied by the lists",
	gate.MadeRoom:     "made room for a client of a lighter network",
}

// Bounds of what may be done at a time for those who are turned away: under a flood
// of them the listener has better things to do.
const (
	maxFarewells = 32   // handshakes only to be able to say no
	maxLingering = 1024 // waits for a sender to notice
)

// turnAway refuses a connection in words (P1). Where TLS is implicit that takes a
// handshake, which is made for a few at a time; the others are hung up on.
func (s *session) turnAway(r gate.Refusal) {
	defer s.finish(refusalReasons[r.Reason])
	if s.front.TLS == TLSImplicit && s.secured == nil && !s.sealFarewell() {
		return
	}
	s.reply(r.Code, smtp.EnhancedCode{Class: r.Enhanced[0], Subject: r.Enhanced[1], Detail: r.Enhanced[2]}, r.Text)
}

// sealFarewell makes the handshake for it.
func (s *session) sealFarewell() bool {
	if !take(&s.srv.farewells, maxFarewells) {
		return false
	}
	defer s.srv.farewells.Add(-1)
	return s.handshake(2 * time.Second)
}

// makeRoom has the session end for the sake of another: at its next boundary, or
// wherever it is when it waits for its sender before the commit point.
func (s *session) makeRoom() {
	s.shed.Store(true)
	s.interrupt()
}

// outwait holds the greeting back. Who speaks before it is refused (P26): honest
// senders wait for it (RFC 5321 section 3.1).
func (s *session) outwait(delay time.Duration) bool {
	if delay <= 0 {
		return true
	}
	s.atBoundary.Store(true)
	seen := smtp.Quiet
	err := s.listen(s.now.Add(delay), func() (err error) {
		if seen, err = s.in.Await(); err == nil && seen == smtp.Quiet {
			err = s.in.Fill() // it cannot be looked at
		}
		return err
	})
	s.atBoundary.Store(false)
	switch {
	case connector.IsTimeout(err):
		return true
	case err != nil:
		s.readFailed(err)
	case seen == smtp.Closed:
		s.finish("closed by the sender before the greeting")
	default:
		s.earlyTalk()
	}
	return false
}

func (s *session) earlyTalk() {
	if len(s.in.Buffered()) == 0 {
		_ = s.in.Fill() // to say what it is
	}
	if err := s.strange(); err != nil {
		s.readFailed(err)
		return
	}
	s.visit.Offend(gate.EarlyTalker, s.now)
	s.reply(554, enhanced(5, 5, 0), "Wait for the greeting before you speak")
	s.finish("spoke before the greeting")
}

// engage tells the gate that a transaction has begun, and disengage that the
// session waits outside of any: who is to make room is chosen by it.
func (s *session) engage() {
	if !s.engaged {
		s.engaged = true
		s.visit.Boundary(false)
	}
}

func (s *session) disengage() {
	if s.engaged {
		s.engaged = false
		s.visit.Boundary(true)
	}
}

func contains(prefixes []netip.Prefix, addr netip.Addr) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// take counts one more unless there are too many.
func take(n *atomic.Int32, limit int32) bool {
	if n.Add(1) > limit {
		n.Add(-1)
		return false
	}
	return true
}

// gateLimits are the limits of a listener as its gate knows them.
func (f *front) gateLimits() gate.Limits {
	return gate.Limits{
		Connections: f.Limits.Connections, PerIP: f.Limits.PerIP, RatePerIP: f.Limits.Rate,
		Allow: f.Limits.Allow, Deny: f.Limits.Deny, Exempt: f.Exempt, Tarpit: f.Limits.Tarpit,
	}
}
