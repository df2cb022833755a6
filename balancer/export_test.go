package balancer

import "weir/policies"

// Draining shows tests that Shutdown has begun.
func (s *Server) Draining() bool { return s.draining.Load() }

// Kept shows tests what a reload may keep: the routes, and a pool's policy.
func (s *Server) Kept(pool string) (*policies.Routes, *policies.Policy) {
	now := s.setup.Load()
	return now.routes, now.pools[pool].policy
}

// AtBoundary shows tests that some session waits for its sender, outside of any
// transaction.
func (s *Server) AtBoundary() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for sess := range s.sessions {
		if sess.atBoundary.Load() {
			return true
		}
	}
	return false
}

// Held shows tests how many sessions are held in the tarpit.
func (s *Server) Held() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for sess := range s.sessions {
		if sess.held.Load() {
			n++
		}
	}
	return n
}

// LetNobodyLinger has tests close as when too many sessions wait for their senders.
func (s *Server) LetNobodyLinger() { s.lingering.Store(maxLingering) }
