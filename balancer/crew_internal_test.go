package balancer

import (
	"context"
	"testing"
	"testing/synctest"
)

// crewed is a server of which only the crew is used.
func crewed() *Server {
	s := &Server{spare: make(chan *session)}
	s.base, s.cut = context.WithCancel(context.Background())
	return s
}

// A goroutine that waits takes the next session, and goes when the server ends.
func TestCrewCarriesAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := crewed()
		got := make(chan *session, 2)
		for range 2 {
			go func() { got <- s.another() }()
		}
		synctest.Wait()
		if n := s.spares.Load(); n != 2 {
			t.Errorf("%d wait, want 2", n)
		}
		next := new(session)
		s.spare <- next
		if sess := <-got; sess != next {
			t.Error("it is not the session that was given")
		}
		s.cut()
		if sess := <-got; sess != nil {
			t.Error("there is a session behind the end")
		}
		if n := s.spares.Load(); n != 0 {
			t.Errorf("%d still wait", n)
		}
	})
}

// No more wait than there should, and none while the server shuts down.
func TestCrewIsBounded(t *testing.T) {
	s := crewed()
	s.spares.Store(maxSpares)
	if s.another() != nil || s.spares.Load() != maxSpares {
		t.Error("one too many waits")
	}
	s.spares.Store(0)
	s.draining.Store(true)
	if s.another() != nil || s.spares.Load() != 0 {
		t.Error("one waits although the server shuts down")
	}
}
