package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"weir/internal/app"
)

func newServe() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run weir in the foreground",
		Long: `Run weir in the foreground; the log goes to stderr.

SIGTERM or SIGINT stops it politely: senders are told at their next transaction
boundary, and messages that are under way end. A second one stops it at once.
SIGHUP reads the config file again: the whole of it comes into force, or nothing
changes and the log says why. "weir reload" does the same and tells the result.`,
		Args: noArgs,
	}
	path := configFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return serve(cmd.Context(), *path, cmd.ErrOrStderr())
	}
	return cmd
}

func serve(ctx context.Context, path string, stderr io.Writer) error {
	cfg, warnings, err := load(path, stderr)
	if err != nil {
		return err
	}
	opts := app.Options{Stderr: stderr, Version: version()}
	for _, w := range warnings {
		opts.Warnings = append(opts.Warnings, w.String())
	}
	a, err := app.New(cfg, opts)
	if err != nil {
		return err
	}
	ctx, stop := untilSignal(ctx, a.Abort)
	defer stop()
	defer onHangup(func() { _, _ = a.Reload(false, "SIGHUP") })() // it logs what becomes of it
	return a.Run(ctx)
}

// onHangup has SIGHUP do something, one after the other, until stop is called.
func onHangup(do func()) (stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	stopped, done := make(chan struct{}), make(chan struct{})
	go followHangups(signals, do, stopped, done)
	return func() {
		signal.Stop(signals)
		close(stopped)
		<-done
	}
}

func followHangups(signals <-chan os.Signal, do func(), stopped <-chan struct{}, done chan<- struct{}) {
	defer close(done)
	for {
		select {
		case <-signals:
			do()
		case <-stopped:
			return
		}
	}
}

// untilSignal returns a context that the first SIGTERM or SIGINT ends; each
// further one calls now. The caller stops it when it no longer listens.
func untilSignal(ctx context.Context, now func()) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	stopped, done := make(chan struct{}), make(chan struct{})
	go followSignals(signals, stopped, done, cancel, now)
	return ctx, func() {
		signal.Stop(signals)
		close(stopped)
		<-done
		cancel()
	}
}

func followSignals(signals <-chan os.Signal, stopped <-chan struct{}, done chan<- struct{}, first, further func()) {
	defer close(done)
	for act := first; ; act = further {
		select {
		case <-signals:
			act()
		case <-stopped:
			return
		}
	}
}
