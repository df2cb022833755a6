package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"

	"weir/integration/bench/front"
)

// partOptions is what the parts beside the comparison have in common: growth, idle sessions, half load.
type partOptions struct {
	weir   string // the binary
	rounds int
	quick  bool
	only   *regexp.Regexp
	charts string           // a directory for them; empty: none are written
	out    *strings.Builder // Markdown
	log    io.Writer        // what goes on
}

// parsePart reads the flags of a part; out is where its Markdown is to go besides standard output, empty: nowhere.
func parsePart(name string, args []string) (o *partOptions, out string, err error) {
	o = &partOptions{log: os.Stderr}
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.StringVar(&o.weir, "weir", "", "the binary; empty: one is built")
	flags.IntVar(&o.rounds, "rounds", 7, "how often everything is measured, by turns")
	flags.BoolVar(&o.quick, "quick", false, "short: what comes out is a test of the benchmark")
	only := flags.String("only", "", "a regular expression for what is measured at all")
	flags.StringVar(&o.charts, "charts", "", "a directory for the charts as JSON, which tools/plot draws")
	flags.StringVar(&out, "out", "", "write the Markdown to this file, too")
	if err := flags.Parse(args); err != nil {
		return nil, "", err
	}
	if o.only, err = regexp.Compile(*only); err != nil {
		return nil, "", fmt.Errorf("reading -only: %w", err)
	}
	switch {
	case flags.NArg() > 0:
		return nil, "", fmt.Errorf("%s takes no arguments but flags, and %q is none", name, flags.Arg(0))
	case o.rounds < 1:
		return nil, "", errors.New("-rounds: there must be at least one round")
	case o.quick:
		o.rounds = 1
	}
	return o, out, nil
}

// runPart builds weir unless one is named, measures a part, and prints its Markdown.
func runPart(ctx context.Context, name string, args []string, part func(context.Context, *partOptions) error) error {
	o, out, err := parsePart(name, args)
	if err != nil {
		return err
	}
	if o.weir == "" {
		dir, err := os.MkdirTemp("", "wb-")
		if err != nil {
			return fmt.Errorf("making a directory: %w", err)
		}
		defer func() { _ = os.RemoveAll(dir) }()
		if o.weir, err = front.BuildWeir(ctx, dir); err != nil {
			return err
		}
	}
	quietRuntime()
	var text, measured strings.Builder
	o.out = &measured
	busy := busyness()
	if err = part(ctx, o); err == nil && measured.Len() == 0 {
		err = fmt.Errorf("nothing in %s matches -only", name)
	}
	if measured.Len() == 0 {
		return err
	}
	fmt.Fprintf(&text, "%sThe machine's load average was %.1f before and %.1f behind it.\n\n%s", describe(ctx, o.weir, o.rounds), busy, busyness(), measured.String())
	if out != "" {
		if failed := os.WriteFile(out, []byte(text.String()), 0o644); failed != nil {
			err = errors.Join(err, fmt.Errorf("writing the table: %w", failed))
		}
	}
	_, printed := fmt.Print(text.String()) // what was measured before an error, too
	return errors.Join(err, printed)
}

// time is a number of seconds, or a fifth of it if the run is to be short.
func (o *partOptions) time(seconds float64) time.Duration {
	if o.quick {
		seconds /= 5
	}
	return time.Duration(seconds * float64(time.Second))
}

func (o *partOptions) say(format string, args ...any) {
	_, _ = fmt.Fprintf(o.log, format+"\n", args...)
}

// growth measures how the cost of a message grows with sessions, connectors, routes and its size.
func growth(ctx context.Context, o *partOptions) error {
	for _, part := range []struct {
		name    string
		measure func(context.Context, *partOptions) (*study, string, error)
	}{
		{"sessions", growthOfSessions},
		{"connectors", growthOfConnectors},
		{"routes", growthOfRoutes},
		{"size", growthOfSize},
	} {
		if !o.only.MatchString(part.name) {
			continue
		}
		s, verdict, err := part.measure(ctx, o)
		if err != nil {
			return fmt.Errorf("measuring the growth with %s: %w", part.name, err)
		}
		o.out.WriteString(s.markdown() + "\n" + verdict + "\n")
		if o.charts != "" {
			if err := s.save(o.charts); err != nil {
				return err
			}
		}
	}
	return nil
}
