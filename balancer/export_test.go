package balancer

// Draining shows tests that Shutdown has begun.
func (s *Server) Draining() bool { return s.draining.Load() }

// ReplayMemory shows tests how many octets all copies hold now, and how many
// messages were relayed without one.
func (s *Server) ReplayMemory() (used, unbuffered int64) {
	return s.budget.used.Load(), s.budget.unbuffered.Load()
}

// Waiting shows tests how many transactions are queued in a pool.
func (s *Server) Waiting(name string) int {
	p := s.setup.Load().pools[name]
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.waiting)
}
