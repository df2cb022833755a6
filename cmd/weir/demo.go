package main

import (
	"errors"
	"time"

	"github.com/spf13/cobra"

	"weir/internal/demo"
)

func newDemo() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show weir at work: four connectors that misbehave now and then, and a stream of mail",
		Long: `Show weir at work, without a config file, root or any other server: four
connectors that misbehave now and then, a stream of sample mail through weir,
and a line a second that shows where it goes. Ctrl-C ends it with a summary.`,
		Args: noArgs,
	}
	limit := cmd.Flags().Duration("for", 0, "end after this `time`, such as 30s; 0: never")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *limit < 0 {
			return usageError{errors.New("--for wants a time above 0"), hintOf(cmd)}
		}
		return runDemo(cmd, *limit)
	}
	return cmd
}

func runDemo(cmd *cobra.Command, limit time.Duration) error {
	d, err := demo.New(demo.Options{Out: cmd.OutOrStdout(), Version: version()})
	if err != nil {
		return err
	}
	ctx, stop := untilSignal(cmd.Context(), d.Abort)
	defer stop()
	return d.Run(ctx, limit)
}
