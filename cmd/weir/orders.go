package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"weir/dashboard"
)

// orderFlags are those that all orders about connectors have.
type orderFlags struct {
	admin  adminFlags
	output string
	reason string
}

func (f *orderFlags) add(cmd *cobra.Command) {
	f.admin.add(cmd)
	addOutput(cmd, &f.output)
	cmd.Flags().StringVar(&f.reason, "reason", "", "why, for the log and for colleagues")
	cmd.ValidArgsFunction = completeNames(&f.admin, false)
}

// orders carries one verb out on several connectors.
type orders struct {
	client  *client
	verb    dashboard.Verb
	request dashboard.OrderRequest
	json    bool
	out     io.Writer
	errs    io.Writer
}

func (f *orderFlags) orders(cmd *cobra.Command, verb dashboard.Verb, request dashboard.OrderRequest) (*orders, error) {
	if why := badOutput(f.output); why != "" {
		return nil, usageError{errors.New(why), hintOf(cmd)}
	}
	if why := badReason(f.reason); why != "" {
		return nil, usageError{errors.New(why), hintOf(cmd)}
	}
	c, err := f.admin.client(cmd)
	if err != nil {
		return nil, err
	}
	request.Reason = f.reason
	return &orders{client: c, verb: verb, request: request, json: f.output == "json", out: cmd.OutOrStdout(), errs: cmd.ErrOrStderr()}, nil
}

// badReason says what is wrong with a reason.
func badReason(reason string) string {
	if len(reason) > dashboard.MaxReason {
		return fmt.Sprintf("--reason is too long: a sentence is enough, of at most %d bytes", dashboard.MaxReason)
	}
	return ""
}

// find returns the connectors that are meant: all of them, or none and an error.
// One that no source knows any more may still have a flag to lift: of that the
// running weir knows.
func (o *orders) find(ctx context.Context, words []string) ([]*connectorView, error) {
	v, _, err := o.client.status(ctx)
	if err != nil {
		return nil, err
	}
	found, err := v.resolve(words, o.verb == dashboard.Undrain || o.verb == dashboard.Enable)
	if err != nil && len(words) > 1 {
		return nil, fmt.Errorf("%w\nnothing was done", err)
	}
	return found, err
}

// give gives the order for one after the other. It stops at the first that is
// refused: what comes next may have been meant to follow it. What is done, but not
// with all the effect that was wanted, goes on, and is an error at the end.
func (o *orders) give(ctx context.Context, connectors []*connectorView) error {
	partly := false
	for i, c := range connectors {
		answer, err := o.one(ctx, c.ID)
		if errors.As(err, new(partlyError)) {
			partly = true
		} else if err != nil {
			return notAll(err, o.verb, ids(connectors), i)
		}
		if err := o.show(&answer); err != nil {
			return err
		}
	}
	if partly {
		return saidError{errors.New("partly done")}
	}
	return nil
}

// notAll adds to an error what was done before it and what was not.
func notAll(err error, verb dashboard.Verb, all []string, done int) error {
	if len(all) == 1 {
		return err
	}
	if done == 0 {
		return fmt.Errorf("%s: %w\nnothing was done", all[done], err)
	}
	return fmt.Errorf("%s: %w\n%s is in force for %s; not for %s",
		all[done], err, verb, strings.Join(all[:done], ", "), strings.Join(all[done:], ", "))
}

// partlyError is an order that is in force here, and either not known to all others
// or of no effect yet, because Consul's maintenance holds the connector.
type partlyError struct{ error }

// one gives the order for a connector. The answer is valid with a partlyError too.
func (o *orders) one(ctx context.Context, id string) (answer dashboard.OrderAnswer, err error) {
	err = o.client.post(ctx, backendPath(id)+"/"+string(o.verb), o.request, &answer, orderLongest)
	for _, status := range []int{http.StatusBadGateway, http.StatusConflict} {
		if r, ok := refusedWith(err, status); ok && json.Unmarshal(r.body, &answer) == nil && answer.State != "" {
			return answer, partlyError{err}
		}
	}
	takesOut := o.verb == dashboard.Drain || o.verb == dashboard.Disable
	if r, ok := refusedWith(err, http.StatusConflict); ok && takesOut && !o.request.Force && strings.HasPrefix(r.words, dashboard.ErrEmpties.Error()) {
		err = fmt.Errorf("%w; --force does it all the same", err)
	}
	return answer, err
}

// show tells how a connector stands after the order.
func (o *orders) show(a *dashboard.OrderAnswer) error {
	if o.json {
		encoder := json.NewEncoder(o.out)
		encoder.SetEscapeHTML(false)
		return encoder.Encode(a)
	}
	if a.Warning != "" {
		_, _ = fmt.Fprintf(o.errs, "warning: %s\n", a.Warning)
	}
	if a.Error != "" {
		_, _ = fmt.Fprintf(o.errs, "weir: %s: %s\n", a.ID, oneLine(strings.ReplaceAll(a.Error, "\n", "; ")))
	}
	_, err := fmt.Fprintf(o.out, "%s: %s, %s\n", a.ID, a.State, inFlight(a.InFlight))
	return err
}

func inFlight(n int64) string {
	if n == 0 {
		return "nothing in flight"
	}
	return fmt.Sprintf("%d in flight", n)
}

func newUndrain() *cobra.Command {
	return newReturn(dashboard.Undrain, &cobra.Command{
		Use: "undrain BACKEND…", Aliases: []string{"ready"},
		Short: "Give drained connectors new mail again",
		Long: `Give drained connectors new mail again. What Consul has in maintenance stays
out: weir's own flag is lifted, and the message says by which command Consul's is;
the exit code is 1. As POOL/NAME also one that no source knows any more.`,
	})
}

func newEnable() *cobra.Command {
	return newReturn(dashboard.Enable, &cobra.Command{
		Use:   "enable BACKEND…",
		Short: "Give disabled connectors new mail again",
	})
}

// newReturn completes a command that puts connectors back.
func newReturn(verb dashboard.Verb, cmd *cobra.Command) *cobra.Command {
	var flags orderFlags
	cmd.Args = atLeastOne("BACKEND")
	flags.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o, err := flags.orders(cmd, verb, dashboard.OrderRequest{})
		if err != nil {
			return err
		}
		found, err := o.find(cmd.Context(), args)
		if err != nil {
			return err
		}
		return o.give(cmd.Context(), found)
	}
	return cmd
}

func newDisable() *cobra.Command {
	var flags orderFlags
	var yes, force bool
	var limit time.Duration
	cmd := &cobra.Command{
		Use:   "disable BACKEND…",
		Short: "Take connectors out at once, and cut what runs there",
		Long: `Take connectors out at once. Messages that are not yet wholly handed over move
to other connectors; those that wait for the connector's last answer are cut, and
their senders try again, so that such a message may arrive twice. To take a
connector out without cutting anything: weir drain.`,
		Args: atLeastOne("BACKEND"),
	}
	flags.add(cmd)
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&force, "force", false, "even if that leaves a pool without an eligible connector")
	cmd.Flags().DurationVar(&limit, "for", 0, "it ends by itself after this `time`, such as 2h")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		request, err := orderFor(cmd, limit, force)
		if err != nil {
			return err
		}
		o, err := flags.orders(cmd, dashboard.Disable, request)
		if err != nil {
			return err
		}
		found, err := o.find(cmd.Context(), args)
		if err != nil {
			return err
		}
		if !yes {
			if err := confirm(cmd, found); err != nil {
				return err
			}
		}
		return o.give(cmd.Context(), found)
	}
	return cmd
}

// orderFor is the request of an order that may end by itself.
func orderFor(cmd *cobra.Command, limit time.Duration, force bool) (dashboard.OrderRequest, error) {
	request := dashboard.OrderRequest{Force: force}
	switch {
	case limit > 0:
		request.For = limit.String()
	case cmd.Flags().Changed("for"):
		return request, usageError{errors.New("--for wants a time above 0, such as 2h"), hintOf(cmd)}
	}
	return request, nil
}

// confirm asks whether it is meant, where there is somebody to ask.
func confirm(cmd *cobra.Command, connectors []*connectorView) error {
	running := int64(0)
	for _, c := range connectors {
		running += c.InFlight
	}
	return agree(cmd, fmt.Sprintf("disable %s, with %s", strings.Join(ids(connectors), ", "), inFlight(running)),
		"disable cuts what runs there, and nobody can be asked here: say --yes if it is meant, or use weir drain")
}

// agree asks whether something is meant; where nobody can be asked it says why not.
func agree(cmd *cobra.Command, what, nobody string) error {
	if !isTerminal(cmd.InOrStdin()) {
		return errors.New(nobody)
	}
	_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "%s? [y/N] ", what)
	answer, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading the answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	default:
		return errors.New("nothing was done")
	}
}
