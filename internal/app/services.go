package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// service is a room's Run in a goroutine of its own.
type service struct {
	name   string
	cancel context.CancelFunc
	done   chan struct{}
	err    error // valid after done
}

// spawn starts a service. It does not end with ctx, of which it keeps the values
// only: services are stopped one after the other, see [services.stop].
func (a *App) spawn(ctx context.Context, name string, run func(context.Context) error) *service {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s := &service{name: name, cancel: cancel, done: make(chan struct{})}
	go a.runService(ctx, s, run)
	return s
}

// runService ends the whole of weir when a service ends before it was told to.
func (a *App) runService(ctx context.Context, s *service, run func(context.Context) error) {
	defer close(s.done)
	if err := run(ctx); err != nil {
		s.err = fmt.Errorf("running %s: %w", s.name, err)
	}
	if ctx.Err() != nil || s.err == nil {
		return
	}
	a.log.error("failed").Str("part", s.name).Str("why", s.err.Error()).Send()
	select {
	case a.failed <- s.err:
	default: // an earlier one is the cause already
	}
}

// services are what has been started, in that order.
type services struct {
	mu   sync.Mutex
	list []*service
}

func (r *services) add(s *service) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, s)
}

// stop ends the services in the opposite order of their start, each before the
// next is told, so that none misses what it depends on. It returns what went
// wrong in any of them, now or before.
func (r *services) stop() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for _, s := range slices.Backward(r.list) {
		s.cancel()
		<-s.done
		if s.err != nil && !errors.Is(s.err, context.Canceled) {
			errs = append(errs, s.err)
		}
	}
	return errors.Join(errs...)
}
