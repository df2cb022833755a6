package balancer

// Draining shows tests that Shutdown has begun.
func (s *Server) Draining() bool { return s.draining.Load() }

// ReplayMemory shows tests how many octets all copies hold now, and how many
// messages were relayed without one.
func (s *Server) ReplayMemory() (used, unbuffered int64) {
	return s.budget.used.Load(), s.budget.unbuffered.Load()
}
