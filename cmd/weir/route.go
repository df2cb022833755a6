package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"weir/dashboard"
)

// routeFlags is the transaction that is asked about.
type routeFlags struct {
	admin                                adminFlags
	from, size, listener, client, output string
	to                                   []string
	smtputf8, eightBit                   bool
}

func newRoute() *cobra.Command {
	var flags routeFlags
	cmd := &cobra.Command{
		Use:   "route --to RECIPIENT",
		Short: "Explain which connector a message would get, and why",
		Long: `Explain which connector a message would get: the route, its pools in the order in
which they are asked, and of each connector why it would be tried or not. The running
weir (--admin) is asked, and nothing changes by asking.

Recipients of several --to are put together as they could share a transaction: in one,
all go to the same pools. A sender that names others too is told 452 4.5.3 for them, and
brings them in its next transaction.

Exit 0: a connector is chosen; 1: none is, for one of the recipients; 2: the command
line is wrong.`,
		Example: `  weir route --from alice@example.org --to bob@example.com
  weir route --to 4930123456@fax.example.com --size 10MiB
  weir route --to bob@example.com --client 192.0.2.7 --listener submission`,
		Args:              noArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	f := cmd.Flags()
	f.StringVar(&flags.from, "from", "", "the sender: an `address` (default: the null sender)")
	f.StringArrayVar(&flags.to, "to", nil, "a recipient: an `address`; may be given more than once")
	f.StringVar(&flags.size, "size", "", "the `size` that the sender declares, in octets, or such as 10MiB")
	f.StringVar(&flags.listener, "listener", "", "the `listener` that it comes in by (default: the only one, or the first that goes by routes)")
	f.StringVar(&flags.client, "client", "", "the sender's IP `address`, for affinity and maglev")
	f.BoolVar(&flags.smtputf8, "smtputf8", false, "the transaction is SMTPUTF8")
	f.BoolVar(&flags.eightBit, "8bit", false, "the content is 8BITMIME")
	flags.admin.add(cmd)
	addOutput(cmd, &flags.output)
	for _, name := range []string{"from", "to", "size", "client"} {
		// It fails for a flag that does not exist only; so below.
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
	_ = cmd.RegisterFlagCompletionFunc("listener", completeListeners(&flags.admin))
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if why := flags.check(); why != "" {
			return usageError{errors.New(why), hintOf(cmd)}
		}
		return runRoute(cmd, &flags)
	}
	return cmd
}

// check says what is wrong with the flags; what they hold is judged by the weir
// that is asked.
func (f *routeFlags) check() string {
	if len(f.to) == 0 {
		return "--to is missing: the recipient, such as bob@example.com"
	}
	return badOutput(f.output)
}

// completeListeners completes the names of listeners, as the running weir has them.
func completeListeners(flags *adminFlags) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, typed string) (out []cobra.Completion, _ cobra.ShellCompDirective) {
		if v := quietStatus(cmd.Context(), flags); v != nil {
			for _, l := range v.Listeners {
				if strings.HasPrefix(l.Name, typed) {
					out = append(out, cobra.CompletionWithDesc(l.Name, l.Address))
				}
			}
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

func runRoute(cmd *cobra.Command, f *routeFlags) error {
	c, err := f.admin.client(cmd)
	if err != nil {
		return err
	}
	var answers []dashboard.RouteAnswer
	for _, to := range f.to {
		answer, err := c.route(cmd.Context(), f.query(to))
		if refused, ok := refusedWith(err, http.StatusBadRequest); ok {
			return usageError{refused, hintOf(cmd)}
		}
		if err != nil {
			return err
		}
		answers = together(answers, answer)
	}
	if f.output == "json" {
		encoder := json.NewEncoder(cmd.OutOrStdout())
		encoder.SetEscapeHTML(false)
		for i := range answers {
			if err := encoder.Encode(&answers[i]); err != nil {
				return err
			}
		}
	} else if _, err = fmt.Fprint(cmd.OutOrStdout(), screenOf(cmd.OutOrStdout()).routes(answers)); err != nil {
		return err
	}
	for i := range answers {
		if a := &answers[i]; a.Backend == "" {
			return saidError{errors.New(a.Reply)}
		}
	}
	return nil
}

// query is what is asked of the admin interface about one recipient.
func (f *routeFlags) query(to string) url.Values {
	query := url.Values{"to": {to}}
	for key, text := range map[string]string{"from": f.from, "size": f.size, "listener": f.listener, "client": f.client} {
		if text != "" {
			query.Set(key, text)
		}
	}
	for key, wanted := range map[string]bool{"smtputf8": f.smtputf8, "8bit": f.eightBit} {
		if wanted {
			query.Set(key, "true")
		}
	}
	return query
}

func (c *client) route(ctx context.Context, query url.Values) (answer dashboard.RouteAnswer, err error) {
	err = c.get(ctx, "/v1/route?"+query.Encode(), &answer)
	return answer, err
}

// together adds the answer about one more recipient: to that of others with whom
// it can share a transaction, if there are such.
func together(answers []dashboard.RouteAnswer, one dashboard.RouteAnswer) []dashboard.RouteAnswer {
	for i := range answers {
		if sameWay(&answers[i], &one) {
			answers[i].To = append(answers[i].To, one.To...)
			return answers
		}
	}
	return append(answers, one)
}

// sameWay reports whether mail to both goes to the same pools with the same costs;
// by which route does not matter to the transaction, nor who of them is asked first
// just now. Those that have no route get the same answer, each for itself.
func sameWay(a, b *dashboard.RouteAnswer) bool {
	if a.Listener != b.Listener || len(a.Pools) == 0 && a.Reply != b.Reply {
		return false
	}
	return slices.Equal(wayOf(a), wayOf(b))
}

func wayOf(a *dashboard.RouteAnswer) []string {
	var way []string
	for i := range a.Pools {
		way = append(way, fmt.Sprintf("%d %s", a.Pools[i].Cost, a.Pools[i].Pool))
	}
	slices.Sort(way)
	return way
}
