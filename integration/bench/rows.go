package main

import (
	"strconv"
	"time"

	"weir/integration/bench/table"
)

// stand is what is behind the front ends.
type stand string

const (
	sinks        stand = "sinks"
	plainSinks   stand = "sinks without PIPELINING"
	realPostfix  stand = "real Postfix"
	relayPostfix stand = "real Postfix that passes mail on"
	connectors         = 4
	senders            = 20
	largeSenders       = 4 // of 5 MB: more would only fill memory
)

// shape is a load, sent through each front end by turns in each round.
type shape struct {
	stand    stand
	size     int
	each     int
	pipeline bool
	conns    int
	duration time.Duration // of a run
	messages int           // of a run of smtp-source, which knows no duration
	rows     []rowOf
}

// rowOf is a row of the table that a shape gives.
type rowOf struct {
	name            string
	weir            string // the front end that is judged
	minRate, maxCPU float64
}

// shapes are all loads with their targets, against HAProxy in the same run.
func shapes() []shape {
	const run = 1500 * time.Millisecond
	return []shape{
		{sinks, 4096, 1, false, senders, run, 0, both("4 KB, one message a connection", 1.4, 0.8)},
		{sinks, 4096, 100, false, senders, run, 0, both("4 KB, 100 a connection", 1.1, 1.0)},
		{sinks, 4096, 100, true, senders, run, 0, both("4 KB, 100 a connection, pipelined", 1.0, 1.1)},
		{sinks, 60_000, 20, true, senders, run, 0, both("60 KB, 20 a connection, pipelined", 1.0, 1.2)},
		{sinks, 5_000_000, 50, true, largeSenders, 2 * run, 0, both("5 MB, 50 a connection, pipelined", 1.0, 1.3)},
		{plainSinks, 4096, 1, false, senders, run, 0, adverse("connectors without PIPELINING: 4 KB, one message a connection")},
		{plainSinks, 4096, 100, false, senders, run, 0, adverse("connectors without PIPELINING: 4 KB, 100 a connection")},
		{realPostfix, 4096, 1, false, senders, 0, 1000, []rowOf{{"real Postfix: 4 KB, one message a connection", table.Weir, 1.6, 0}}},
		{relayPostfix, 4096, 1, false, senders, 0, 1000, adverse("real Postfix that passes mail on: 4 KB, one message a connection")},
	}
}

// both is a load that is judged in smtp mode and in tcp mode.
func both(name string, minRate, maxCPU float64) []rowOf {
	return []rowOf{{name, table.Weir, minRate, maxCPU}, {"tcp mode: " + name, table.WeirTCP, 1.0, 1.2}}
}

// adverse is a load that is shown without a target.
func adverse(name string) []rowOf { return []rowOf{{name, table.Weir, 0, 0}} }

// args are the flags of `bench load`.
func (s *shape) args(addr string) []string {
	args := []string{
		"load", "-addr", addr, "-conns", strconv.Itoa(s.conns), "-each", strconv.Itoa(s.each), "-size", strconv.Itoa(s.size),
		"-duration", s.duration.String(),
	}
	if s.pipeline {
		args = append(args, "-pipeline")
	}
	return args
}

// wants says whether a front end runs: those of the rows that were picked, and those that they are compared with. In
// tcp mode only HAProxy's trade is compared.
func (s *shape) wants(front string) bool {
	var smtp, tcp bool
	for _, r := range s.rows {
		smtp = smtp || r.weir == table.Weir
		tcp = tcp || r.weir == table.WeirTCP
	}
	switch front {
	case table.WeirTCP, table.OldTCP:
		return tcp
	case table.Weir, table.Old:
		return smtp
	case table.Nginx:
		// It stalls at every message, and before Postfix it would measure only that.
		return smtp && s.stand != realPostfix && s.stand != relayPostfix
	}
	return true
}
