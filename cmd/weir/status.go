package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// watchEvery is how often --watch looks.
const watchEvery = 2 * time.Second

type statusFlags struct {
	admin        adminFlags
	output       string
	watch, check bool
}

func newStatus() *cobra.Command {
	var flags statusFlags
	cmd := &cobra.Command{
		Use:   "status [POOL | BACKEND]",
		Short: "Show how the pools and their connectors stand",
		Long: `Show how the pools and their connectors stand: the verdict first, then the
pools, the worst first.

On a terminal it is a table; behind a pipe, fields separated by tabs, a line for
each pool, connector, source and replica, that begins with what it is about.

--check prints one line for a monitoring system, and ends with its exit codes:
0 OK; 1 WARNING: mail flows, and somebody should look; 2 CRITICAL: a pool has no
eligible connector; 3 UNKNOWN: weir cannot be asked.`,
		Args:              upToOne("POOL or BACKEND"),
		ValidArgsFunction: completeNames(&flags.admin, true),
	}
	flags.admin.add(cmd)
	addOutput(cmd, &flags.output)
	cmd.Flags().BoolVarP(&flags.watch, "watch", "w", false, "look again every 2 seconds, until Ctrl-C")
	cmd.Flags().BoolVar(&flags.check, "check", false, "one line and an exit code, as monitoring plugins have them")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case flags.check && (flags.watch || flags.output == "json"):
			return usageError{errors.New("--check is one line: it goes with neither --watch nor --output json"), hintOf(cmd)}
		case badOutput(flags.output) != "":
			return usageError{errors.New(badOutput(flags.output)), hintOf(cmd)}
		}
		return runStatus(cmd, &flags, strings.Join(args, ""))
	}
	return cmd
}

func runStatus(cmd *cobra.Command, flags *statusFlags, wanted string) error {
	c, err := flags.admin.client(cmd)
	if err != nil {
		return err
	}
	switch {
	case flags.check:
		return checkStatus(cmd.Context(), c, wanted, cmd.OutOrStdout())
	case flags.watch:
		ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		return watchStatus(ctx, c, wanted, flags.output, screenOf(cmd.OutOrStdout()))
	default:
		text, err := statusText(cmd.Context(), c, wanted, flags.output, screenOf(cmd.OutOrStdout()))
		if err != nil {
			return err
		}
		_, err = io.WriteString(cmd.OutOrStdout(), text)
		return err
	}
}

// statusText is one look, in the form that is wanted.
func statusText(ctx context.Context, c *client, wanted, output string, s screen) (string, error) {
	v, raw, err := c.status(ctx)
	if err != nil {
		return "", err
	}
	pool, one, err := v.choose(wanted)
	if err != nil {
		return "", err
	}
	switch {
	case output != "json":
		return s.status(v, pool, one, time.Now()), nil
	case one != nil:
		raw = one.raw
	case pool != nil:
		raw = pool.raw
	}
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		return "", fmt.Errorf("reading the answer of %s: %w", c.where, err)
	}
	return strings.TrimSpace(b.String()) + "\n", nil
}

// choose finds what a word means: a pool, a connector, or all when it is empty.
func (v *view) choose(wanted string) (*poolView, *connectorView, error) {
	if wanted == "" {
		return nil, nil, nil
	}
	var pools []string
	for i := range v.Pools {
		if v.Pools[i].Name == wanted {
			return &v.Pools[i], nil, nil
		}
		pools = append(pools, v.Pools[i].Name)
	}
	switch found := v.called(wanted); len(found) {
	case 1:
		return nil, found[0], nil
	case 0:
		return nil, nil, fmt.Errorf("there is no pool or connector %q%s", wanted, instead(wanted, append(pools, v.names()...), pools))
	default:
		return nil, nil, fmt.Errorf("the name %q is not unique: say which of %s", wanted, listed(ids(found)))
	}
}

// watchStatus looks again and again. A weir that cannot be asked is shown as
// that: it may be on its way back.
func watchStatus(ctx context.Context, c *client, wanted, output string, s screen) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for first := true; ; first = false {
		text, err := statusText(ctx, c, wanted, output, s)
		var away unreachableError
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && (first || !errors.As(err, &away)):
			return err
		case err != nil:
			text = s.in(red, err.Error()) + "\n"
		}
		if output != "json" && s.tty {
			text = "\x1b[H\x1b[2J" + text // home, and erase the display (ECMA-48)
		} else if output != "json" && !first {
			text = "\n" + text
		}
		if _, err := io.WriteString(s.w, text); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
