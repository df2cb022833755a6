// Command bench measures weir beside its peers: `make bench`, or
//
//	go run ./integration/bench            the whole comparison, as a Markdown table
//	go run ./integration/bench growth …   how costs grow with sessions, connectors, routes and size
//	go run ./integration/bench halfload … the time of a message at half of the greatest rate
//	go run ./integration/bench idle …     the memory of sessions that wait
//	go run ./integration/bench sink …     only the connectors
//	go run ./integration/bench load …     only the senders
//
// It owns no code of weir's and imports none: weir is built and run as a user would, with a config file. Its parts are
// packages below: poll (sockets without the Go scheduler), load and sink (which run as processes of their own), front (the
// front ends that are compared) and table (arithmetic and Markdown).
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "load":
			return runLoad(ctx, args[1:])
		case "sink":
			return runSink(ctx, args[1:])
		case "growth":
			return runPart(ctx, args[0], args[1:], growth)
		case "halfload":
			return runPart(ctx, args[0], args[1:], halfLoad)
		case "idle":
			return runPart(ctx, args[0], args[1:], idleSessions)
		}
	}
	return runComparison(ctx, args)
}
