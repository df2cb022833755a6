package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"weir/config"
)

func newCheck() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Say whether a config file is right, and everything that is wrong with it",
		Args:  noArgs,
	}
	path := configFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, warnings, err := load(*path, cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		for _, w := range warnings {
			_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s\n", w)
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: ok (%s)\n", *path, summary(cfg, len(warnings)))
		return err
	}
	return cmd
}

func summary(cfg *config.Config, warnings int) string {
	connectors := 0
	for _, p := range cfg.Pools {
		connectors += len(p.Static)
	}
	text := fmt.Sprintf("%s, %s, %s", count(len(cfg.Balancer.Listeners), "listener"), count(len(cfg.Pools), "pool"), count(connectors, "connector"))
	if warnings > 0 {
		text += ", " + count(warnings, "warning")
	}
	return text
}
