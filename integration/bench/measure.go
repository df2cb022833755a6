package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"time"

	"weir/integration/bench/front"
	"weir/integration/bench/table"

	"golang.org/x/sys/unix"
)

// measure is one run through one front end: the connectors must have exactly what the senders had acknowledged.
func (b *bench) measure(ctx context.Context, c contender, s *shape) (table.Sample, error) {
	had, err := b.reading(c)
	if err != nil {
		return table.Sample{}, err
	}
	send := b.sendLoad
	if b.postfix != nil {
		send = b.sendSource
	}
	r, err := send(ctx, c, s)
	if err != nil {
		return table.Sample{}, err
	}
	if b.postfix != nil {
		if err := b.postfix.Settle(ctx, had.messages+r.Acknowledged); err != nil {
			return table.Sample{}, err
		}
	}
	have, err := b.reading(c)
	if err != nil {
		return table.Sample{}, err
	}
	n := float64(max(1, r.Acknowledged))
	micros := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 / n }
	return table.Sample{
		Rate: r.Rate, CPU: micros(have.front - had.front), P50: r.Latency.P50, P99: r.Latency.P99,
		BehindCPU: micros(have.behind - had.behind), BehindConns: float64(have.conns-had.conns) / n,
		Others: have.others(had),
	}, audit(r.Acknowledged, have.messages-had.messages)
}

// reading is where all that is counted stands.
type reading struct {
	front, behind   time.Duration // CPU
	messages, conns uint64        // at the connectors

	at            time.Time
	machine, ours time.Duration // CPU of all processes, and of those that the benchmark started
}

// others is the share of the machine's CPU that went to processes which are no part of the benchmark.
func (r reading) others(before reading) float64 {
	whole := float64(r.at.Sub(before.at)) * float64(runtime.NumCPU())
	theirs := float64(r.machine - before.machine - r.ours + before.ours)
	return max(0, theirs/whole)
}

func (b *bench) reading(c contender) (r reading, err error) {
	if c.pid != 0 {
		if r.front, err = front.CPU(c.pid); err != nil {
			return r, err
		}
	}
	if err = r.machines(); err != nil {
		return r, err
	}
	if b.postfix != nil {
		if r.behind, err = b.postfix.CPU(); err != nil {
			return r, err
		}
		r.ours += r.behind // it runs by itself
		r.messages, r.conns, err = b.postfix.Counts()
		return r, err
	}
	if r.behind, err = front.CPU(b.sinks.PID()); err != nil {
		return r, err
	}
	counts, err := b.sinks.Counts()
	if err == nil && counts.Unknown > 0 {
		err = fmt.Errorf("the sinks got %d commands that they do not know", counts.Unknown)
	}
	r.messages, r.conns = counts.Messages, counts.Connections
	return r, err
}

// machines reads what the whole machine spent, and our part of it: running processes, and senders that have ended.
func (r *reading) machines() (err error) {
	var ended unix.Rusage
	if err = unix.Getrusage(unix.RUSAGE_CHILDREN, &ended); err != nil {
		return fmt.Errorf("reading what the senders spent: %w", err)
	}
	running, err := front.CPU(os.Getpid())
	if err != nil {
		return err
	}
	r.ours = running + time.Duration(ended.Utime.Nano()+ended.Stime.Nano())
	r.at = time.Now()
	r.machine, err = front.MachineCPU()
	return err
}

// audit compares what senders were told with what the connectors have.
func audit(acknowledged, stored uint64) error {
	switch {
	case stored < acknowledged:
		return fmt.Errorf("%d of %d messages were acknowledged and are not at any connector", acknowledged-stored, acknowledged)
	case stored > acknowledged:
		return fmt.Errorf("the connectors have %d messages more than the %d that were acknowledged", stored-acknowledged, acknowledged)
	}
	return nil
}
