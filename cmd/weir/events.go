package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"weir/internal/events"
)

// beforeFollowing is how many past events --follow begins with.
const beforeFollowing = 10

type eventFlags struct {
	admin  adminFlags
	output string
	follow bool
	since  time.Duration
}

func newEvents() *cobra.Command {
	var flags eventFlags
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Tell what changed, when, why and by whom",
		Long: `Tell what changed, when, why and by whom; the oldest first, as far back as the
running weir keeps it. With -o json, and behind a pipe, a line is one event.`,
		Args: noArgs,
	}
	flags.admin.add(cmd)
	addOutput(cmd, &flags.output)
	cmd.Flags().BoolVarP(&flags.follow, "follow", "f", false, "go on with what happens, until Ctrl-C; begins with the last 10, or with --since")
	cmd.Flags().DurationVar(&flags.since, "since", 0, "only what is not older than this `time`, such as 1h")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		switch {
		case cmd.Flags().Changed("since") && flags.since <= 0:
			return usageError{errors.New("--since wants a time above 0, such as 1h"), hintOf(cmd)}
		case badOutput(flags.output) != "":
			return usageError{errors.New(badOutput(flags.output)), hintOf(cmd)}
		}
		return runEvents(cmd, &flags)
	}
	return cmd
}

func runEvents(cmd *cobra.Command, flags *eventFlags) error {
	c, err := flags.admin.client(cmd)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	past, last, err := c.pastEvents(ctx, flags.since)
	if err != nil {
		return err
	}
	if flags.follow && flags.since == 0 && len(past) > beforeFollowing {
		past = past[len(past)-beforeFollowing:]
	}
	p := eventPrinter{screen: screenOf(cmd.OutOrStdout()), json: flags.output == "json"}
	for i := range past {
		if err := p.print(&past[i]); err != nil {
			return err
		}
	}
	if !flags.follow {
		return nil
	}
	f := follower{client: c, last: strconv.FormatUint(last, 10), print: p.print, errs: cmd.ErrOrStderr()}
	return f.follow(ctx)
}

// pastEvents returns the events of that long ago and since, 0 for all that are
// kept, and the id of the last one there is.
func (c *client) pastEvents(ctx context.Context, since time.Duration) (found []events.Event, last uint64, err error) {
	var answer struct {
		Events []events.Event `json:"events"`
	}
	if err := c.get(ctx, "/v1/events", &answer); err != nil {
		return nil, 0, err
	}
	found = answer.Events
	if len(found) > 0 {
		last = found[len(found)-1].ID
	}
	if since > 0 {
		from := time.Now().Add(-since)
		for len(found) > 0 && found[0].Time.Before(from) {
			found = found[1:]
		}
	}
	return found, last, nil
}

// eventPrinter prints events, a line each.
type eventPrinter struct {
	screen
	json bool
}

func (p *eventPrinter) print(e *events.Event) error {
	if p.json {
		encoder := json.NewEncoder(p.w)
		encoder.SetEscapeHTML(false)
		return encoder.Encode(e)
	}
	var b strings.Builder
	what := e.Kind
	if e.Pool != "" {
		what = strings.TrimSuffix(e.Pool+"/"+e.Backend, "/")
	}
	if p.tty {
		p.pretty(&b, what, e)
	} else {
		line(&b, e.Time.UTC().Format(time.RFC3339), e.Kind, what, orDash(e.From), orDash(e.To), orDash(e.Why), orDash(e.By))
	}
	_, err := fmt.Fprint(p.w, b.String())
	return err
}

func (p *eventPrinter) pretty(b *strings.Builder, what string, e *events.Event) {
	change := e.To
	if e.From != "" {
		change = e.From + " → " + e.To
	}
	text := fmt.Sprintf("%s  %-28s  ", e.Time.Local().Format(time.DateTime), oneLine(what))
	if change != "" {
		paint := uncoloured
		if e.Kind == "backend" {
			paint = statePaint(e.To)
		}
		text += p.in(paint, oneLine(change)) + strings.Repeat(" ", max(0, 22-len([]rune(change)))) + "  "
	}
	why := oneLine(e.Why)
	if e.By != "" {
		why = strings.TrimPrefix(why+" ("+oneLine(e.By)+")", " ")
	}
	b.WriteString(strings.TrimRight(text+why, " ") + "\n")
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
