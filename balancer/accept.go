package balancer

import (
	"context"
	"errors"
	"net"
	"time"

	"weir/internal/fiber"
)

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
