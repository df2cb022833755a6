package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"
	"time"

	"weir/internal/app"
)

// Options are what the demo is started with.
type Options struct {
	Out     io.Writer // where the lines go
	Log     io.Writer // weir's own log; nil: nowhere
	Version string
}

// Demo is connectors, weir and senders in one process.
type Demo struct {
	ledger     *ledger
	connectors []*connector
	app        *app.App
	report     *reporter
}

// New starts the connectors and opens weir's sockets. The caller owes one
// [Demo.Run].
func New(opts Options) (*Demo, error) {
	d := &Demo{ledger: &ledger{}}
	if err := d.build(opts); err != nil {
		d.stopConnectors()
		return nil, err
	}
	d.report = newReporter(opts.Out, d.connectors, d.ledger, d.app)
	return d, nil
}

func (d *Demo) build(opts Options) error {
	for _, name := range []string{"a", "b", "c", "d"} {
		c, err := newConnector(name, d.ledger)
		if err != nil {
			return err
		}
		d.connectors = append(d.connectors, c)
	}
	err := d.newWeir(opts, pageAddress)
	if errors.Is(err, syscall.EADDRINUSE) {
		// The page's is the only address that is not the system's choice.
		err = d.newWeir(opts, anyAddress)
	}
	return err
}

func (d *Demo) newWeir(opts Options, admin string) error {
	cfg, err := parseConfig(d.connectors, admin)
	if err != nil {
		return err
	}
	d.app, err = app.New(cfg, app.Options{Stderr: opts.Log, Version: opts.Version})
	return err
}

// Abort ends a stop that is under way without waiting for anybody.
func (d *Demo) Abort() { d.app.Abort() }

// errUntrue is a demo that has shown what weir must never do.
var errUntrue = errors.New("messages were lost or duplicated")

// Run plays until ctx is done, and no longer than limit unless that is 0. Then
// senders, weir and connectors are stopped in this order, and the summary is
// written. The error says what failed; a lost message is such a failure.
func (d *Demo) Run(ctx context.Context, limit time.Duration) error {
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	defer d.stopConnectors()
	err := d.runWeir(ctx)
	if err != nil {
		return err
	}
	sum := d.ledger.sum()
	d.report.summary(sum)
	if sum.Lost > 0 || sum.Duplicated > 0 {
		return fmt.Errorf("%w: %d lost, %d duplicated", errUntrue, sum.Lost, sum.Duplicated)
	}
	return nil
}

// runWeir runs weir, and inside of that the play. When weir ends by itself the
// play is over.
func (d *Demo) runWeir(ctx context.Context) error {
	inside, endPlay := context.WithCancel(ctx)
	defer endPlay()
	around, stopWeir := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWeir()
	ended := make(chan error, 1)
	go d.serve(around, ended, endPlay)
	select {
	case <-d.app.Ready():
	case <-inside.Done():
	}
	d.play(inside)
	stopWeir()
	return <-ended
}

func (d *Demo) serve(ctx context.Context, ended chan<- error, endPlay context.CancelFunc) {
	defer endPlay()
	ended <- d.app.Run(ctx)
}

// play runs senders, schedule and reporter until ctx is done and all of them
// have ended.
func (d *Demo) play(ctx context.Context) {
	acts := make(chan act)
	var wg sync.WaitGroup
	for i := range senders {
		s := &sender{number: i + 1, address: d.app.ListenerAddr(listenerName).String(), ledger: d.ledger}
		wg.Go(func() { s.run(ctx) })
	}
	wg.Go(func() { play(ctx, d.connectors, schedule(), playLength, acts) })
	wg.Go(func() { d.report.run(ctx, acts) })
	wg.Wait()
}

func (d *Demo) stopConnectors() {
	for _, c := range d.connectors {
		_ = c.set(context.Background(), off) // going off cannot fail
	}
}
