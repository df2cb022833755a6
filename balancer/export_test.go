package balancer

// Draining shows tests that Shutdown has begun.
func (s *Server) Draining() bool { return s.draining.Load() }
