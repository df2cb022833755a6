package app

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/rs/zerolog"
)

// Run starts weir, serves until ctx is done, and stops it; see the package
// comment for the order. It returns nil after such a stop, and an error when a
// part of weir ended by itself, after the same stop of all others. It may be
// called once.
func (a *App) Run(ctx context.Context) error {
	defer a.sockets.close()
	a.logStart()
	cause := a.start(ctx)
	if cause == nil {
		cause = a.serve(ctx)
	}
	began := time.Now()
	a.drain(cause)
	err := a.running.stop() // which holds the cause, too
	a.log.info("stopped").Float64("took_ms", milliseconds(time.Since(began))).Send()
	return err
}

func (a *App) logStart() {
	a.log.info("starting").Str("version", a.opts.Version).
		Int("listeners", len(a.config().Balancer.Listeners)).Int("pools", len(a.config().Pools)).
		Str("replica", a.cluster.Name()).Send()
	for _, w := range a.opts.Warnings {
		a.log.warn("config").Str("why", w).Send()
	}
}

// start brings up everything that senders do not see, and waits until every source
// has spoken and there is a verdict on each connector, but no longer than
// startup_wait.
func (a *App) start(ctx context.Context) error {
	a.running.add(a.spawn(ctx, "log", a.logEvents))
	a.running.add(a.spawn(ctx, "metrics", a.metrics.Run))
	a.running.add(a.spawn(ctx, "memory", a.keepMemory))
	a.running.add(a.spawn(ctx, "webhook", a.webhook.Run))
	a.secure(a.secured)
	for _, ln := range []net.Listener{a.sockets.admin, a.sockets.local} {
		if ln != nil {
			a.running.add(a.spawn(ctx, "admin", func(ctx context.Context) error { return a.dashboard.Run(ctx, ln) }))
		}
	}
	patience, cancel := context.WithTimeout(ctx, a.config().StartupWait)
	defer cancel()
	a.running.add(a.spawn(ctx, "cluster", a.cluster.Run))
	a.running.add(a.spawn(ctx, "discovery", a.discovery.Run))
	a.running.add(a.spawn(ctx, "dns", a.serveZones))
	// Before all sources have spoken: it follows the registry, and a source that is
	// away must not keep the connectors of others without a verdict.
	a.running.add(a.spawn(ctx, "health", a.health.Run))
	if err := a.await(patience, a.discovery.First()); err != nil {
		return err
	}
	judged := make(chan struct{})
	go a.awaitVerdicts(patience, judged)
	return a.await(patience, judged)
}

// awaitVerdicts closes judged when there is a verdict on each connector, or
// patience has ended.
func (a *App) awaitVerdicts(patience context.Context, judged chan<- struct{}) {
	defer close(judged)
	_ = a.health.Ready(patience) // its error only says that patience has ended
}

// await waits for a step of the start. Running out of patience is no error:
// weir serves with what it knows by then.
func (a *App) await(patience context.Context, step <-chan struct{}) error {
	select {
	case <-step:
		return nil
	case <-patience.Done():
		return nil
	case err := <-a.failed:
		return err
	case <-a.abort:
		return nil
	}
}

// serve lets senders in until it is time to stop.
func (a *App) serve(ctx context.Context) error {
	if ctx.Err() != nil || a.aborted() {
		return nil // stopped before the start was over
	}
	a.registry.SetStarted()
	a.running.add(a.spawn(ctx, "pools", a.watchPools))
	a.running.add(a.spawn(ctx, "publishers", a.publishZones))
	a.running.add(a.spawn(ctx, "balancer", a.balancer.Run))
	for _, l := range a.config().Balancer.Listeners {
		a.serveListener(l.Name, a.sockets.listener(l.Name))
	}
	a.reloading.Lock()
	a.keepConfig()
	a.reloading.Unlock()
	a.dashboard.SetReady(true)
	close(a.ready)
	a.logReady()
	select {
	case err := <-a.failed:
		return err
	case <-ctx.Done():
		return nil
	case <-a.abort:
		return nil
	}
}

// serveListener lets senders in at one socket, until that is closed.
func (a *App) serveListener(name string, ln net.Listener) {
	a.running.add(a.spawn(context.Background(), "listener "+name, func(ctx context.Context) error {
		return a.balancer.Serve(ctx, name, ln)
	}))
}

func (a *App) aborted() bool {
	select {
	case <-a.abort:
		return true
	default:
		return false
	}
}

func (a *App) logReady() {
	listeners, pools := zerolog.Dict(), zerolog.Dict()
	for _, l := range a.config().Balancer.Listeners {
		listeners.Str(l.Name, a.ListenerAddr(l.Name).String())
	}
	for _, p := range a.registry.Snapshot().Pools {
		pools.Str(p.Name, fmt.Sprintf("%d of %d connectors eligible", p.Eligible, len(p.Members)))
	}
	e := a.log.info("ready").Dict("listeners", listeners).Dict("pools", pools)
	if addr := a.AdminAddr(); addr != nil {
		e.Str("admin", addr.String())
	}
	e.Send()
}

// drain lets what runs come to its end, as far as it may take.
func (a *App) drain(cause error) {
	a.withdraw()
	why, grace := "asked to", a.config().ShutdownGrace
	select {
	case <-a.ready:
	default:
		grace = 0 // nobody has ever been told that weir is here
	}
	if cause != nil {
		why, grace = cause.Error(), 0
	}
	a.log.info("stopping").Str("why", why).Send()
	if grace > 0 {
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-a.abort:
		}
	}
	a.sockets.closeSMTP()
	ctx, cancel := context.WithTimeout(context.Background(), a.config().ShutdownTimeout)
	defer cancel()
	go a.cancelOnAbort(ctx, cancel)
	if err := a.balancer.Shutdown(ctx); err != nil {
		a.log.warn("stopping").Str("why", "sessions were still open and have been cut: "+err.Error()).Send()
	}
}

// withdraw asks for no more senders, and nothing takes that back.
func (a *App) withdraw() {
	a.standing.Lock()
	defer a.standing.Unlock()
	a.stopping = true
	a.dashboard.SetReady(false)
	a.cluster.Standby(true)
}

func (a *App) cancelOnAbort(ctx context.Context, cancel context.CancelFunc) {
	select {
	case <-a.abort:
		cancel()
	case <-ctx.Done():
	}
}
