package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"weir/dashboard"
)

// waitDefault is how long --wait waits at the most.
const waitDefault = 10 * time.Minute

type drainFlags struct {
	orderFlags
	host        string
	wait, force bool
	timeout     time.Duration
	limit       time.Duration
}

func newDrain() *cobra.Command {
	var flags drainFlags
	cmd := &cobra.Command{
		Use:   "drain BACKEND… | --host ADDRESS",
		Short: "Give connectors no new mail, and let what runs there end",
		Long: `Give connectors no new mail, and let what runs there end. Senders stay
connected: their next message goes to another connector.

It is refused only where it would leave a pool without an eligible connector, and
not even then with --force. Names are checked before anything is done.

--wait ends with "safe to reboot" and exit code 0 only when every replica of weir
has shown that nothing is in flight there. Ctrl-C ends the waiting, not the drain.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("host") {
				return noArgsBeside(cmd, args)
			}
			return atLeastOne("BACKEND, or --host ADDRESS")(cmd, args)
		},
	}
	flags.add(cmd)
	f := cmd.Flags()
	f.StringVar(&flags.host, "host", "", "every connector, of any pool, on the host with this `address` or name")
	f.BoolVar(&flags.wait, "wait", false, "wait until nothing is in flight there in any replica: safe to reboot")
	f.DurationVar(&flags.timeout, "timeout", waitDefault, "how long to wait at the most")
	f.DurationVar(&flags.limit, "for", 0, "it ends by itself after this `time`, such as 2h")
	f.BoolVar(&flags.force, "force", false, "even if that leaves a pool without an eligible connector")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return runDrain(cmd, &flags, args) }
	return cmd
}

func noArgsBeside(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usageError{fmt.Errorf("%s takes BACKENDs or --host, not both", cmd.CommandPath()), hintOf(cmd)}
}

func runDrain(cmd *cobra.Command, flags *drainFlags, words []string) error {
	given := cmd.Flags().Changed
	switch {
	case given("host") && flags.host == "":
		return usageError{errors.New("--host wants an address or a name"), hintOf(cmd)}
	case given("timeout") && !flags.wait:
		return usageError{errors.New("--timeout is for --wait"), hintOf(cmd)}
	case flags.timeout <= 0:
		return usageError{errors.New("--timeout wants a time above 0, such as 10m"), hintOf(cmd)}
	}
	request, err := orderFor(cmd, flags.limit, flags.force)
	if err != nil {
		return err
	}
	o, err := flags.orders(cmd, dashboard.Drain, request)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	found, err := flags.find(ctx, o, words)
	if err != nil {
		return err
	}
	if err := o.give(ctx, found); err != nil {
		return err
	}
	if !flags.wait {
		return nil
	}
	w := &waiter{look: o.look, out: cmd.OutOrStdout(), errs: cmd.ErrOrStderr(), json: o.json}
	return w.wait(ctx, ids(found), flags.timeout)
}

// find returns the connectors that the command line means.
func (f *drainFlags) find(ctx context.Context, o *orders, words []string) ([]*connectorView, error) {
	if f.host == "" {
		return o.find(ctx, words)
	}
	v, _, err := o.client.status(ctx)
	if err != nil {
		return nil, err
	}
	return v.onHost(f.host)
}

// look asks how a connector stands.
func (o *orders) look(ctx context.Context, id string) (answer dashboard.OrderAnswer, err error) {
	err = o.client.get(ctx, backendPath(id), &answer)
	return answer, err
}
