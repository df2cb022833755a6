package balancer

// Waiting returns how many transactions wait for a place at one of the pool's
// connectors; 0 for a pool that is not there.
func (s *Server) Waiting(pool string) int {
	p := s.setup.Load().pools[pool]
	if p == nil {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.waiting.list)
}

// ReplayMemory returns how many octets replay buffers hold now.
func (s *Server) ReplayMemory() int64 { return s.budget.used.Load() }

// Unbuffered returns how many messages were relayed without a copy since the start,
// because they were larger than their pool's replay_buffer or replay_memory was all
// in use.
func (s *Server) Unbuffered() int64 { return s.budget.unbuffered.Load() }
