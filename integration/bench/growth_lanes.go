package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"weir/integration/bench/front"
	"weir/integration/bench/load"
	"weir/integration/bench/table"
)

// lane is one way from the senders to the connectors.
type lane struct {
	name string
	addr string
	pid  int // of the front end; 0: there is none
}

// run sends a load along a lane; the sinks must have exactly what was acknowledged to the senders.
func (y *yard) run(ctx context.Context, l *lane, o load.Options) (table.Sample, error) {
	before, err := y.sinks.Counts()
	if err != nil {
		return table.Sample{}, err
	}
	s, acknowledged, err := l.run(ctx, o)
	if err != nil {
		return s, fmt.Errorf("measuring %s: %w", l.name, err)
	}
	after, err := y.sinks.Counts()
	if err == nil && after.Messages-before.Messages != acknowledged {
		err = fmt.Errorf("measuring %s: %d messages were acknowledged, and the sinks have %d", l.name, acknowledged, after.Messages-before.Messages)
	}
	return s, err
}

// run sends a load. CPU is that of the time that counts, so that opening connections is not in it.
func (l *lane) run(ctx context.Context, o load.Options) (s table.Sample, acknowledged uint64, err error) {
	if o.Addr, err = netip.ParseAddrPort(l.addr); err != nil {
		return s, 0, fmt.Errorf("reading its address: %w", err)
	}
	var spent []time.Duration
	var failed error
	if l.pid != 0 {
		o.Mark = func() {
			cpu, err := front.CPU(l.pid)
			spent, failed = append(spent, cpu), errors.Join(failed, err)
		}
	}
	r, err := load.Run(ctx, o)
	if err := errors.Join(err, failed, ctx.Err()); err != nil {
		return s, 0, err
	}
	s = table.Sample{Rate: r.Rate, P50: r.Latency.P50, P99: r.Latency.P99}
	if len(spent) == 2 && r.Messages > 0 {
		s.CPU = float64((spent[1] - spent[0]).Nanoseconds()) / 1000 / float64(r.Messages)
	}
	return s, r.Acknowledged, nil
}

// places bounds what weir opens towards each connector, as docs/capacity.md advises for so many senders: more than these
// connectors can work on at once is of no use to anybody, and 10 000 senders who all have a message under way would have a
// connection each there. Who comes later waits for a place. Below 400 senders it bounds nothing.
const places = "max_connections: 100"

// yard is front ends before the same sinks.
type yard struct {
	sinks *front.Sinks
	lanes []lane
	stops []func() error
}

// newYard starts four sinks, and weir and HAProxy before them, and makes a lane of each and one of none.
func newYard(ctx context.Context, o *partOptions) (*yard, error) {
	y, err := sinksOnly(ctx, 4)
	if err != nil {
		return nil, err
	}
	if err := y.addAll(ctx, o); err != nil {
		return nil, errors.Join(err, y.stop())
	}
	return y, nil
}

// sinksOnly starts n sinks.
func sinksOnly(ctx context.Context, n int) (*yard, error) {
	s, err := front.StartSinks(ctx, n)
	if err != nil {
		return nil, err
	}
	return &yard{sinks: s, stops: []func() error{s.Stop}}, nil
}

func (y *yard) addAll(ctx context.Context, o *partOptions) error {
	config := strings.Replace(front.WeirConfig(y.sinks.Addrs), "relay: true", "relay: true\n    "+places, 1)
	if _, err := y.addWeir(ctx, o, table.Weir, config); err != nil {
		return err
	}
	if err := y.addHAProxy(ctx); err != nil {
		return err
	}
	y.lanes = append(y.lanes, lane{name: table.None, addr: y.sinks.Addrs[0]})
	return nil
}

func (y *yard) addHAProxy(ctx context.Context) error {
	h, err := front.StartHAProxy(ctx, y.sinks.Addrs)
	if err != nil {
		return err
	}
	y.stops = append(y.stops, h.Stop)
	y.lanes = append(y.lanes, lane{table.HAProxy, h.Addr, h.PID()})
	return nil
}

// addWeir starts a weir with a config of its own and makes a lane of its listener in smtp mode.
func (y *yard) addWeir(ctx context.Context, o *partOptions, name, config string) (*front.Weir, error) {
	w, err := front.StartWeir(ctx, o.weir, config)
	if err != nil {
		return nil, err
	}
	y.stops = append(y.stops, w.Stop)
	y.lanes = append(y.lanes, lane{name, w.SMTP, w.PID()})
	return w, nil
}

// stop ends everything, the sinks last.
func (y *yard) stop() error {
	var errs []error
	for i := len(y.stops) - 1; i >= 0; i-- {
		errs = append(errs, y.stops[i]())
	}
	return errors.Join(errs...)
}

// fits says whether a front end may have so many sessions here: HAProxy needs two descriptors for each, and what weir needs
// beyond one its config bounds. Where the kernel does not say what it allows, the run will show it.
func fits(name string, sessions int) bool {
	limit := syscall.Rlimit{Max: 1 << 20}
	_ = syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	return name != table.HAProxy || uint64(2*sessions+500) <= limit.Max
}

// turned is the lanes in the order of a round: who goes first changes.
func turned(lanes []lane, round int) []lane {
	n := round % len(lanes)
	return append(append([]lane(nil), lanes[n:]...), lanes[:n]...)
}
