package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"weir/integration/bench/load"
	"weir/integration/bench/sink"
)

// runLoad is `bench load`: it prints the result as JSON.
func runLoad(ctx context.Context, args []string) error {
	var o load.Options
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	addr := flags.String("addr", "127.0.0.1:2525", "where to send to")
	flags.IntVar(&o.Conns, "conns", 20, "connections at once")
	flags.IntVar(&o.Each, "each", 100, "messages on a connection; then QUIT, and a new one")
	flags.IntVar(&o.Size, "size", 4096, "octets of a message")
	flags.BoolVar(&o.Pipeline, "pipeline", false, "MAIL, RCPT and DATA in one write")
	flags.BoolVar(&o.Group, "group", false, "with -pipeline: the next group in one write with the content")
	flags.IntVar(&o.Chunk, "chunk", 0, "octets of content a write; 0: all that fits")
	flags.IntVar(&o.Sources, "sources", 0, "connect from so many addresses, 127.0.0.1 and up")
	flags.IntVar(&o.Messages, "messages", 0, "end after so many messages")
	flags.DurationVar(&o.Duration, "duration", 0, "or count the messages of this time")
	flags.DurationVar(&o.Warmup, "warmup", 200*time.Millisecond, "with -duration: which begins so late")
	flags.Float64Var(&o.Pace, "pace", 0, "messages a second, evenly; 0: as fast as they are answered")
	flags.BoolVar(&o.Gather, "gather", false, "open all connections before the first message; -warmup begins then")
	flags.BoolVar(&o.Hold, "hold", false, "keep the connections open after -each messages (0: after EHLO) until a signal; prints \"held\" when all wait")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var err error
	if o.Addr, err = netip.ParseAddrPort(*addr); err != nil {
		return fmt.Errorf("reading -addr: %w", err)
	}
	if o.Messages == 0 && o.Duration == 0 && !o.Hold {
		o.Duration = 2 * time.Second
	}
	o.Held = func() { _, _ = fmt.Println("held") }
	quietRuntime()
	r, err := load.Run(ctx, o)
	if err != nil {
		return fmt.Errorf("sending to %s: %w", o.Addr, err)
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// runSink is `bench sink`: it prints what it has seen as a line of JSON when it ends, and for each line on its input.
func runSink(ctx context.Context, args []string) error {
	o := sink.Options{Delays: map[sink.Stage]time.Duration{}}
	flags := flag.NewFlagSet("sink", flag.ContinueOnError)
	addrs := flags.String("addrs", "127.0.0.1:2601,127.0.0.1:2602,127.0.0.1:2603,127.0.0.1:2604", "where to listen, a connector at each")
	flags.BoolVar(&o.NoPipelining, "no-pipelining", false, "do not offer PIPELINING")
	flags.Func("delay", "STAGE=TIME, again for more: how long the reply takes; stages are banner, ehlo, mail, rcpt, data, final_dot", func(s string) error {
		name, text, _ := strings.Cut(s, "=")
		stage, err := sink.StageNamed(name)
		if err != nil {
			return err
		}
		o.Delays[stage], err = time.ParseDuration(text)
		return err
	})
	if err := flags.Parse(args); err != nil {
		return err
	}
	for a := range strings.SplitSeq(*addrs, ",") {
		addr, err := netip.ParseAddrPort(a)
		if err != nil {
			return fmt.Errorf("reading -addrs: %w", err)
		}
		o.Addrs = append(o.Addrs, addr)
	}
	s, err := sink.New(o)
	if err != nil {
		return err
	}
	quietRuntime()
	go answerLines(os.Stdin, s)
	if err := s.Run(ctx); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(s.Counts())
}

// answerLines ends with the process: a read of standard input cannot be interrupted.
func answerLines(in io.Reader, s *sink.Server) {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		_ = json.NewEncoder(os.Stdout).Encode(s.Counts())
	}
}

// quietRuntime keeps the collector from the two cores: load and sink allocate when they begin, and then next to nothing.
func quietRuntime() { debug.SetGCPercent(1000) }
