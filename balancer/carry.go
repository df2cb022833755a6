package balancer

import (
	"net"

	"weir/internal/fiber"
)

// embark gives a session to a fiber, where its connection is one that fibers wait for, or
// else to a goroutine.
func (s *Server) embark(sess *session, nc net.Conn, from *fiber.Fiber) {
	s.open.add()
	if _, ok := nc.(*fiber.Conn); ok {
		sess.resume = func(f *fiber.Fiber) {
			sess.raw.Carry(f)
			sess.fiber = f
			s.carry(sess)
		}
		begin := s.fibers.Go
		if from != nil {
			begin = from.Go
		}
		if begin(sess.resume) == nil {
			return
		}
	}
	go s.carry(sess)
}

// carry runs a session, until it is over or parked: then whoever resumes it has it, and it
// must not be touched.
func (s *Server) carry(sess *session) {
	if !sess.live() {
		return
	}
	s.forget(sess)
	s.open.done()
}

// stepAside lets others use the session's processor: what it does next may block or last.
func (s *session) stepAside() {
	if s.fiber != nil {
		s.fiber.Leave()
	}
}

// standBack lets others come to where this session is: about to write. What has to be
// looked at before that is looked at behind it.
func (s *session) standBack() {
	if s.fiber != nil {
		s.fiber.StandBack()
	}
}
