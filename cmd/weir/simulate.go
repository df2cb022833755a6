package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"weir/internal/sim"
)

// maxScenario bounds a scenario's file, in octets.
const maxScenario = 1 << 20

type simulateFlags struct {
	list     bool
	show     string
	output   string
	policies []string
	messages int64
	seed     uint64
}

func newSimulate() *cobra.Command {
	var f simulateFlags
	cmd := &cobra.Command{
		Use:   "simulate SCENARIO",
		Short: "Policies against a described load, at sizes no test bench holds",
		Long: `Play a scenario on virtual time, once for each policy, through the code that decides
in weir: policies, probes, the jury and the breakers. SCENARIO is a YAML file, or the
name of one that comes with weir (--list). The same scenario and seed give the same
figures.`,
		Args: upToOne("SCENARIO"),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return sim.ShippedNames(), cobra.ShellCompDirectiveDefault
		},
	}
	cmd.Flags().BoolVar(&f.list, "list", false, "list the scenarios that come with weir")
	cmd.Flags().StringVar(&f.show, "show", "", "print the `scenario` of that name that comes with weir")
	cmd.Flags().StringSliceVar(&f.policies, "policy", nil, "only this `policy`; may be given several times")
	cmd.Flags().Int64Var(&f.messages, "messages", 0, "another `number` of messages than the scenario's")
	cmd.Flags().Uint64Var(&f.seed, "seed", 0, "another `seed` than the scenario's")
	addOutput(cmd, &f.output)
	return cmd
}

func (f *simulateFlags) run(cmd *cobra.Command, args []string) error {
	if why := badOutput(f.output); why != "" {
		return usageError{errors.New(why), hintOf(cmd)}
	}
	switch {
	case f.list && len(args) == 0 && f.show == "":
		return listScenarios(cmd.OutOrStdout())
	case f.show != "" && len(args) == 0 && !f.list:
		return showScenario(cmd.OutOrStdout(), f.show)
	case f.list || f.show != "":
		return usageError{errors.New("--list and --show go with nothing else"), hintOf(cmd)}
	case len(args) == 0:
		return usageError{errors.New("simulate takes one SCENARIO: a file, or a name of --list"), hintOf(cmd)}
	}
	scenario, err := readScenario(args[0])
	if err != nil {
		return err
	}
	if err := f.change(cmd, scenario); err != nil {
		return err
	}
	began := time.Now()
	result, err := sim.Run(cmd.Context(), scenario)
	if err != nil {
		return err
	}
	if f.output == "json" {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(result)
	}
	if _, err := io.WriteString(cmd.OutOrStdout(), result.Table()); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "simulated in %.1f s\n", time.Since(began).Seconds())
	return nil
}

// change lays the flags over the scenario.
func (f *simulateFlags) change(cmd *cobra.Command, s *sim.Scenario) error {
	if cmd.Flags().Changed("seed") {
		s.Seed = f.seed
	}
	if len(f.policies) > 0 {
		s.Policies = f.policies
	}
	if cmd.Flags().Changed("messages") {
		s.Messages = f.messages
	}
	if err := s.Check(); err != nil {
		return usageError{err, hintOf(cmd)}
	}
	return nil
}

// readScenario reads a file, or else a scenario that comes with weir: a file of its
// name goes first.
func readScenario(name string) (*sim.Scenario, error) {
	data, err := readSmall(name)
	if errors.Is(err, fs.ErrNotExist) && slices.Contains(sim.ShippedNames(), name) {
		data, err = sim.Shipped(name)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no file %s, and no scenario of that name comes with weir; weir simulate --list names those that do", name)
	case err != nil:
		return nil, fmt.Errorf("reading the scenario: %w", err)
	}
	return sim.Parse(name, data)
}

func readSmall(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxScenario+1))
	if err == nil && len(data) > maxScenario {
		err = fmt.Errorf("%s is larger than 1 MiB", name)
	}
	return data, err
}

func listScenarios(out io.Writer) error {
	for _, name := range sim.ShippedNames() {
		scenario, err := shippedScenario(name)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(out, "%s\n%s\n", name, indented(scenario.About)); err != nil {
			return err
		}
	}
	return nil
}

func shippedScenario(name string) (*sim.Scenario, error) {
	data, err := sim.Shipped(name)
	if err != nil {
		return nil, err
	}
	return sim.Parse(name, data)
}

func indented(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ")
}

func showScenario(out io.Writer, name string) error {
	data, err := sim.Shipped(name)
	if err != nil {
		return err
	}
	_, err = out.Write(data)
	return err
}
