// Command weir spreads mail over pools of connector servers.
//
// It owns the command line and the signals and nothing else: each subcommand is
// a short file that turns flags into a call of a room below. Exit codes: 0 done,
// 1 refused or failed, 2 used wrongly; status --check has those of monitoring plugins.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"
)

const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() { os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// run is main without the process: it returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	var coded codedError
	if errors.As(err, &coded) {
		return coded.code
	}
	var said saidError
	if errors.As(err, &said) {
		return exitFailed
	}
	_, _ = fmt.Fprintf(stderr, "weir: %v\n", err)
	var usage usageError
	if errors.As(err, &usage) {
		_, _ = fmt.Fprintln(stderr, usage.hint)
		return exitUsage
	}
	return exitFailed
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "weir",
		Short:         "An SMTP-aware balancer: a connector for every message, not for every connection",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          knownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usageError{errors.New("a command is missing"), hintOf(cmd)}
		},
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usageError{err, hintOf(cmd)} })
	root.AddCommand(
		newServe(), newCheck(), newDemo(), newStatus(), newDrain(), newUndrain(), newDisable(), newEnable(), newStandby(),
		newProbe(), newRoute(), newFind(), newEvents(), newDNS(), newRegister(), newDeregister(), newReload(), newConfig(), newImport(), newSimulate(), newVersion(), newCompletion(),
	)
	return root
}

// knownCommand refuses a word that is no command, and says which was meant.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("unknown command %q", args[0])
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		text += fmt.Sprintf("; did you mean %q?", near[0])
	}
	return usageError{errors.New(text), hintOf(cmd)}
}

// noArgs is for commands that take flags only.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usageError{fmt.Errorf("%s takes no argument, and %q is one", cmd.CommandPath(), args[0]), hintOf(cmd)}
}

// atLeastOne is for commands that want something named.
func atLeastOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 && !slices.Contains(args, "") {
			return nil
		}
		return usageError{fmt.Errorf("%s takes at least one %s", cmd.CommandPath(), what), hintOf(cmd)}
	}
}

// exactlyOne is for commands that are about one thing.
func exactlyOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 && args[0] != "" {
			return nil
		}
		return usageError{fmt.Errorf("%s takes one %s", cmd.CommandPath(), what), hintOf(cmd)}
	}
}

// upToOne is for commands that can be about one thing.
func upToOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < 2 {
			return nil
		}
		return usageError{fmt.Errorf("%s takes one %s at the most", cmd.CommandPath(), what), hintOf(cmd)}
	}
}

// addOutput adds the choice between text for people and JSON for programs.
func addOutput(cmd *cobra.Command, output *string) {
	cmd.Flags().StringVarP(output, "output", "o", "text", "text or json")
	// It fails for a flag that does not exist only.
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
}

// badOutput says what is wrong with such a choice, if anything is.
func badOutput(output string) string {
	if output == "text" || output == "json" {
		return ""
	}
	return fmt.Sprintf("there is no --output %q; use text or json", output)
}

// usageError is a command line that says nothing weir could do.
type usageError struct {
	error
	hint string
}

func hintOf(cmd *cobra.Command) string {
	return fmt.Sprintf("Run '%s --help' for what there is.", cmd.CommandPath())
}

// saidError is a failure that has been told in full already.
type saidError struct{ error }

// codedError is a failure that has been told in full, with an exit code of its
// own.
type codedError struct {
	error
	code int
}
