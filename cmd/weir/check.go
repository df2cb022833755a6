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
		Long: `Say whether a config file is right, and everything that is wrong with it.

--live asks the servers that a right file names, too, and prints a line for each:
every connector under backends and in the lists that file names, as far as EHLO, with
the TLS that its pool asks for;
Consul, whether it knows the token, and the service of each pool; and the name servers
whose zones weir would write. Run it where weir will run. It changes nothing and delivers
nothing.`,
		Args: noArgs,
	}
	path := configFlag(cmd)
	live := cmd.Flags().Bool("live", false, "ask connectors, Consul and name servers too")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, warnings, err := load(*path, cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		for _, w := range warnings {
			_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s\n", w)
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: ok (%s)\n", *path, summary(cfg, len(warnings)))
		if err != nil || !*live {
			return err
		}
		return checkLive(cmd.Context(), cfg, cmd.OutOrStdout())
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
