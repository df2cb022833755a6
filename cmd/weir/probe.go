package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"weir/dashboard"
	"weir/health"
	"weir/internal/app"
	"weir/internal/connector"
)

// probeLongest is by when a pool's own probe has surely ended.
const probeLongest = 10 * time.Minute

// probeFlags is what a probe is asked for.
type probeFlags struct {
	admin                   adminFlags
	depth, from, to, output string
	starttls                bool
	timeout                 time.Duration
}

func newProbe() *cobra.Command {
	var flags probeFlags
	cmd := &cobra.Command{
		Use:   "probe BACKEND | HOST:PORT",
		Short: "Probe a connector, and show the dialogue with a time for each step",
		Long: `Probe a connector, and show the dialogue with a time for each step.

HOST:PORT is probed from here, whatever it is. Anything else is a connector of
the running weir (--admin), which probes it as its pool says: POOL/NAME, or a
NAME that only one pool has. A connector that is called by its address is meant
by POOL/HOST:PORT.

Exit 0: it passed; 1: it failed; 2: the command line is wrong.`,
		Args:              exactlyOne("BACKEND or HOST:PORT"),
		ValidArgsFunction: completeNames(&flags.admin, false),
	}
	f := cmd.Flags()
	f.StringVar(&flags.depth, "depth", "", "how far to go: "+strings.Join(health.DepthNames(), ", ")+" (default: the pool's, or envelope)")
	f.BoolVar(&flags.starttls, "starttls", false, "the same as --depth starttls: a TLS handshake, and what the certificate says")
	f.StringVar(&flags.from, "from", "", "the `sender` of envelope and message; only with HOST:PORT (default: the null sender)")
	f.StringVar(&flags.to, "to", "", "their `recipient`; only with HOST:PORT (default \"postmaster\", but message needs one)")
	f.DurationVar(&flags.timeout, "timeout", 0, "the longest that the probe may take (default: the pool's, or 15s)")
	flags.admin.add(cmd)
	addOutput(cmd, &flags.output)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		direct := isAddress(args[0])
		if why := flags.check(cmd, direct); why != "" {
			return usageError{errors.New(why), hintOf(cmd)}
		}
		return runProbe(cmd, args[0], direct, &flags)
	}
	return cmd
}

// isAddress tells HOST:PORT from the name of a connector.
func isAddress(target string) bool {
	host, port, err := net.SplitHostPort(target)
	if err != nil || host == "" || strings.Contains(target, "/") {
		return false
	}
	n, err := strconv.Atoi(port)
	return err == nil && n >= 1 && n <= 65535
}

// check says what is wrong with the flags, and settles the depth.
func (f *probeFlags) check(cmd *cobra.Command, direct bool) string {
	if f.starttls {
		if f.depth != "" && f.depth != health.DepthStartTLS.String() {
			return "--starttls and --depth " + f.depth + " contradict each other"
		}
		f.depth = health.DepthStartTLS.String()
	}
	if _, ok := health.ParseDepth(f.depth); f.depth != "" && !ok {
		return fmt.Sprintf("there is no --depth %q; use %s", f.depth, strings.Join(health.DepthNames(), ", "))
	}
	given := cmd.Flags().Changed
	switch {
	case badOutput(f.output) != "":
		return badOutput(f.output)
	case given("timeout") && f.timeout <= 0:
		return "--timeout wants a time above 0"
	case !direct && (given("from") || given("to")):
		return "--from and --to are for HOST:PORT; a connector is probed as its pool says"
	case direct && f.depth == health.DepthMessage.String() && f.to == "":
		return "a probe \"message\" delivers a message: say --to whom"
	case !mailbox(f.from), !mailbox(f.to):
		return "--from and --to want a mail address without brackets"
	default:
		return ""
	}
}

// mailbox refuses what would break out of the brackets of a command.
func mailbox(s string) bool {
	return len(s) <= 254 && strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '<' || r == '>' }) < 0
}

func runProbe(cmd *cobra.Command, target string, direct bool, f *probeFlags) error {
	var answer dashboard.ProbeAnswer
	var err error
	if direct {
		answer, err = probeHost(cmd.Context(), target, f)
	} else {
		answer, err = askForProbe(cmd, target, f)
	}
	if err != nil {
		return err
	}
	if f.output == "json" {
		encoder := json.NewEncoder(cmd.OutOrStdout())
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(answer)
	} else {
		err = showProbe(cmd.OutOrStdout(), &answer)
	}
	if err == nil && !answer.OK {
		return saidError{errors.New(answer.Error)}
	}
	return err
}

// askForProbe has the running weir probe one of its connectors.
func askForProbe(cmd *cobra.Command, target string, f *probeFlags) (answer dashboard.ProbeAnswer, err error) {
	c, err := f.admin.client(cmd)
	if err != nil {
		return answer, err
	}
	request, longest := dashboard.ProbeRequest{Depth: f.depth}, probeLongest
	if f.timeout > 0 {
		request.Timeout, longest = f.timeout.String(), f.timeout+lookLongest
	}
	err = c.post(cmd.Context(), backendPath(target)+"/probe", request, &answer, longest)
	return answer, err
}

// probeHost probes from this process, under this machine's name.
func probeHost(ctx context.Context, address string, f *probeFlags) (dashboard.ProbeAnswer, error) {
	hostname, err := os.Hostname()
	if err != nil {
		return dashboard.ProbeAnswer{}, fmt.Errorf("asking for the machine's name: %w", err)
	}
	cfg := health.Config{Probe: health.DepthEnvelope, From: f.from, To: "postmaster", Timeout: 15 * time.Second}
	if f.depth != "" {
		cfg.Probe, _ = health.ParseDepth(f.depth)
	}
	if f.to != "" {
		cfg.To = f.to
	}
	if f.timeout > 0 {
		cfg.Timeout = f.timeout
	}
	return app.ProbeAddress(ctx, connector.Dialer{Hostname: hostname}, address, cfg), nil
}

// showProbe prints a probe for people.
func showProbe(w io.Writer, a *dashboard.ProbeAnswer) error {
	var b strings.Builder
	who := a.Address
	if a.Backend != "" {
		who = a.Backend + " at " + a.Address
	}
	fmt.Fprintf(&b, "probing %s, %s\n", who, a.Depth)
	for _, line := range a.Dialogue {
		mark := map[string]string{"weir": ">", "connector": "<"}[line.From]
		if mark == "" {
			mark = "*"
		}
		fmt.Fprintf(&b, "%10.1f ms %s %s\n", line.AtMS, mark, line.Text)
	}
	if a.OK {
		fmt.Fprintf(&b, "passed in %.1f ms\n", a.TookMS)
	} else {
		fmt.Fprintf(&b, "failed after %.1f ms: %s\n", a.TookMS, a.Error)
	}
	if a.Remark != "" {
		fmt.Fprintf(&b, "note: %s\n", a.Remark)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
