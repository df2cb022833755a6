package balancer

// maxSpares is how many goroutines wait for a session at most.
const maxSpares = 64

// embark gives a session to a goroutine that waits for one, or else to a new one. A
// goroutine that has carried a session has the stack that a transaction needs already:
// growing one is 3 % of a connection with one message.
func (s *Server) embark(sess *session) {
	s.open.add()
	select {
	case s.spare <- sess:
	default:
		go s.carry(sess)
	}
}

// carry runs a session, and the next one, as long as there is another soon.
func (s *Server) carry(sess *session) {
	for sess != nil {
		sess.live()
		s.forget(sess)
		s.open.done()
		sess = s.another()
	}
}

// another waits for a session, unless enough others do. When the server stops there is
// none.
func (s *Server) another() *session {
	if s.draining.Load() || !take(&s.spares, maxSpares) {
		return nil
	}
	defer s.spares.Add(-1)
	select {
	case sess := <-s.spare:
		return sess
	case <-s.base.Done():
		return nil
	}
}
