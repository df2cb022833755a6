package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"weir/integration/bench/front"
	"weir/integration/bench/load"
	"weir/integration/bench/table"
)

// idleTarget is what an idle session may cost, in octets of resident memory.
const idleTarget = 8 << 10

// idleAfter is how long sessions are idle before they are looked at: longer than weir keeps connections to connectors that
// nobody needs (`reuse: {idle: 5s}`).
const idleAfter = 8 * time.Second

// idleRow is one measurement of sessions that wait.
type idleRow struct {
	front    string
	sessions int
	messages int   // delivered on each before
	before   int64 // resident memory, in octets: without sessions
	with     int64
	held     int64 // connections to the sinks; the least of a second, as probes come and go
}

// each is the memory of a session.
func (r *idleRow) each() float64 { return float64(r.with-r.before) / float64(r.sessions) }

// idleSessions measures what sessions cost while nothing is said on them, each time in a fresh process.
func idleSessions(ctx context.Context, o *partOptions) error {
	var rows []idleRow
	o.rounds = 1 // memory does not depend on who else is busy
	for _, sessions := range []int{5000, 15_000} {
		for _, messages := range []int{0, 1} {
			for _, name := range []string{table.Weir, table.HAProxy} {
				r := idleRow{front: name, sessions: sessions, messages: messages}
				if !fits(name, sessions) || !o.only.MatchString(name) {
					continue
				}
				if err := r.measure(ctx, o); err != nil {
					return fmt.Errorf("measuring %d idle sessions of %s: %w", sessions, name, err)
				}
				o.say("idle: %s, %d sessions, %d messages each: %.1f KiB a session, %d connections held", name, sessions, messages, r.each()/1024, r.held)
				rows = append(rows, r)
			}
		}
	}
	if len(rows) > 0 {
		o.out.WriteString(idleMarkdown(rows) + "\n")
	}
	return nil
}

func (r *idleRow) measure(ctx context.Context, o *partOptions) (err error) {
	y, err := sinksOnly(ctx, 4)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, y.stop()) }()
	if r.front == table.HAProxy {
		err = y.addHAProxy(ctx)
	} else {
		_, err = y.addWeir(ctx, o, r.front, front.WeirConfig(y.sinks.Addrs))
	}
	if err != nil {
		return err
	}
	return r.hold(ctx, y)
}

// hold opens the sessions, looks at them, and lets them say QUIT.
func (r *idleRow) hold(ctx context.Context, y *yard) (err error) {
	l := y.lanes[0]
	if r.before, err = front.Memory(l.pid); err != nil {
		return err
	}
	addr, err := netip.ParseAddrPort(l.addr)
	if err != nil {
		return fmt.Errorf("reading the address of %s: %w", l.name, err)
	}
	hold, release := context.WithCancel(ctx)
	defer release()
	waiting, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		_, err := load.Run(hold, load.Options{
			Addr: addr, Conns: r.sessions, Each: r.messages, Size: 4096, Sources: 8, Hold: true, Held: func() { close(waiting) },
		})
		ended <- err
	}()
	select {
	case err := <-ended:
		return errors.Join(err, ctx.Err())
	case <-waiting:
	}
	err = r.look(ctx, y)
	release()
	return errors.Join(err, <-ended)
}

func (r *idleRow) look(ctx context.Context, y *yard) (err error) {
	if err := pause(ctx, idleAfter); err != nil {
		return err
	}
	if r.with, err = front.Memory(y.lanes[0].pid); err != nil {
		return err
	}
	for i := range 20 {
		c, err := y.sinks.Counts()
		if err != nil {
			return err
		}
		if i == 0 || c.Open < r.held {
			r.held = c.Open
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// pause waits, unless ctx ends before.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func idleMarkdown(rows []idleRow) string {
	var b strings.Builder
	fmt.Fprintf(&b, "### Idle sessions\n\nResident memory %s after the last of them fell silent; the kernel's own for sockets is not in it.\n\n", idleAfter)
	b.WriteString("| front end | sessions | each has | memory without, MiB | with, MiB | a session, KiB | connections held to connectors | target |\n|---|---|---|---|---|---|---|---|\n")
	for _, r := range rows {
		said := "said EHLO"
		if r.messages > 0 {
			said = "delivered a message"
		}
		verdict := "–"
		if r.front == table.Weir {
			verdict = "≤ 8 KiB, none held: met"
			if r.each() > idleTarget || r.held > 0 {
				verdict = "≤ 8 KiB, none held: **missed**"
			}
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %.1f | %.1f | %.1f | %d | %s |\n", r.front, grouped(float64(r.sessions)), said,
			mebi(r.before), mebi(r.with), r.each()/1024, r.held, verdict)
	}
	return b.String()
}

func mebi(octets int64) float64 { return float64(octets) / (1 << 20) }
