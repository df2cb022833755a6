package faulty

import (
	"crypto/tls"
	"strconv"
	"sync/atomic"
)

// Behaviour is how a server behaves from the next command on.
type Behaviour struct {
	Banner       string // whole reply, lines parted by \n; "" means "220 NAME ESMTP faulty"
	Capabilities Capabilities
	Believes     []string    // byte sequences taken as end of data besides CRLF.CRLF; see the forms in believes.go
	StripNUL     bool        // deletes NULs from content before looking for its end
	LMTP         bool        // LHLO instead of EHLO, and an answer for each recipient
	Proxy        bool        // a PROXY header is wanted before anything is said
	TLS          *tls.Config // not nil: STARTTLS is offered and taken
	ImplicitTLS  bool        // TLS from the first octet on
	Faults       []Fault     // the first that applies at a stage is used
}

// Capabilities are what EHLO offers. Parameters and commands of an extension that is not offered are refused.
type Capabilities struct {
	Pipelining          bool
	Chunking            bool
	EightBitMIME        bool
	EnhancedStatusCodes bool
	Size                int64    // 0: not offered; negative: bare SIZE, no limit; else the limit
	Extra               []string // further EHLO lines: extensions whose parameters are taken, XCLIENT and XFORWARD with attributes
}

// Honest offers what a Postfix does and has no fault.
func Honest() Behaviour {
	return Behaviour{Capabilities: Capabilities{
		Pipelining: true, Chunking: true, EightBitMIME: true, EnhancedStatusCodes: true, Size: 50 << 20,
	}}
}

// lines are the EHLO lines after the first.
func (c Capabilities) lines() []string {
	var l []string
	add := func(on bool, line string) {
		if on {
			l = append(l, line)
		}
	}
	add(c.Pipelining, "PIPELINING")
	add(c.Chunking, "CHUNKING")
	add(c.EightBitMIME, "8BITMIME")
	add(c.EnhancedStatusCodes, "ENHANCEDSTATUSCODES")
	add(c.Size < 0, "SIZE")
	add(c.Size > 0, "SIZE "+strconv.FormatInt(c.Size, 10))
	return append(l, c.Extra...)
}

// armedBehaviour is a Behaviour in force: it never changes but for the counts of its limited faults.
type armedBehaviour struct {
	Behaviour
	faults []*armedFault
}

type armedFault struct {
	Fault
	left atomic.Int64 // meaningful only when Times > 0
}

// Set replaces the whole behaviour.
func (s *Server) Set(b Behaviour) {
	s.behaviour.Store(arm(b))
}

// Hurt replaces the faults and leaves the rest as it is. Without arguments the server is healed.
func (s *Server) Hurt(faults ...Fault) {
	for {
		old := s.behaviour.Load()
		b := old.Behaviour
		b.Faults = faults
		if s.behaviour.CompareAndSwap(old, arm(b)) {
			return
		}
	}
}

// Heal removes all faults.
func (s *Server) Heal() { s.Hurt() }

func arm(b Behaviour) *armedBehaviour {
	a := &armedBehaviour{Behaviour: b}
	for _, f := range b.Faults {
		af := &armedFault{Fault: f}
		af.left.Store(int64(f.Times))
		a.faults = append(a.faults, af)
	}
	return a
}
