package balancer

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"weir/internal/connector"
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

// acceptAll takes connections from a listener until it is closed, on a fiber where that
// can be.
func (s *Server) acceptAll(ctx context.Context, l *listener, ln net.Listener) error {
	watched, ok := ln.(*fiber.Listener)
	if !ok {
		return s.accept(ctx, l, ln, nil)
	}
	done := make(chan error, 1)
	err := s.fibers.Go(func(f *fiber.Fiber) {
		watched.Carry(f)
		done <- s.accept(ctx, l, ln, f)
	})
	if err != nil {
		return err
	}
	return <-done
}

// accept is acceptAll on a fiber, or on a goroutine where that is nil.
func (s *Server) accept(ctx context.Context, l *listener, ln net.Listener, on *fiber.Fiber) error {
	for pause := time.Duration(0); ; {
		nc, err := ln.Accept()
		switch {
		case err == nil:
			pause = 0
			s.admit(l, nc, on)
		case errors.Is(err, net.ErrClosed):
			return nil
		default:
			// Out of descriptors, most likely: sessions that end will help.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			if on != nil {
				on.Leave()
			}
			if !sleep(ctx, pause) {
				return ctx.Err()
			}
		}
	}
}

// dialsFor has a dialer make connections that the session's fiber waits for, where there
// is one.
func (s *session) dialsFor(d *connector.Dialer) {
	if s.fiber != nil && d.DialContext == nil {
		d.DialContext = s.dialOn
	}
}

func (s *session) dialOn(ctx context.Context, network, address string) (net.Conn, error) {
	if to, err := netip.ParseAddrPort(address); err == nil {
		c, err := s.srv.fibers.Dial(ctx, s.fiber, to)
		if err != nil {
			return nil, err // not c, which would be no nil interface
		}
		return c, nil
	}
	s.stepAside() // names take long
	nc, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c, err := s.srv.fibers.Take(nc)
	if err != nil {
		return nil, err
	}
	c.Carry(s.fiber)
	return c, nil
}
