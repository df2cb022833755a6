package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/consul/api"
	"github.com/spf13/cobra"

	"weir/config"
	"weir/discovery/consul"
	"weir/internal/app"
)

// consulFlags say which Consul agent is meant; the environment's CONSUL_HTTP_*
// hold where they say nothing.
type consulFlags struct{ service, address, tokenFile string }

func (f *consulFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.service, "service", "", "the service's `name` in Consul, as a pool's consul.service has it; required")
	cmd.Flags().StringVar(&f.address, "consul", "", "the agent's `address` (default: CONSUL_HTTP_ADDR, or 127.0.0.1:8500)")
	cmd.Flags().StringVar(&f.tokenFile, "token-file", "", "the `file` with Consul's token (default: CONSUL_HTTP_TOKEN_FILE or CONSUL_HTTP_TOKEN)")
}

func (f *consulFlags) client(cmd *cobra.Command) (*api.Client, error) {
	if f.service == "" {
		return nil, usageError{errors.New("--service is missing: the name that a pool's consul.service has"), hintOf(cmd)}
	}
	if _, err := readToken(f.tokenFile, cmd.ErrOrStderr()); err != nil {
		return nil, err
	}
	return app.ConsulClient(&config.Consul{Address: f.address, TokenFile: f.tokenFile})
}

func consulOptions(ctx context.Context) *api.QueryOptions {
	return (&api.QueryOptions{}).WithContext(ctx)
}

func newRegister() *cobra.Command {
	var flags consulFlags
	var r consul.Registration
	cmd := &cobra.Command{
		Use:   "register --service NAME ADDRESS",
		Short: "Put a connector into the Consul agent of this machine",
		Long: `Put the connector at ADDRESS (IP:port) into a Consul agent, with a check of its
port; weirs whose pools name the service find it there. Run it on the connector's
own machine: only its agent can put it into maintenance, or take it out again.
Registering it once more replaces what was there.`,
		Args: exactlyOne("ADDRESS"),
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&r.Name, "name", "", "its `name` for people (default: the address)")
	cmd.Flags().IntVar(&r.Weight, "weight", 100, "its share of the mail, against the others' (1 … 1000)")
	cmd.Flags().IntVar(&r.Cost, "cost", 0, "its tier: the lowest that has an eligible connector gets the mail")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case r.Weight < 1 || r.Weight > 1000:
			return usageError{errors.New("--weight wants a whole number, 1 … 1000"), hintOf(cmd)}
		case r.Cost < 0:
			return usageError{errors.New("--cost wants a whole number, 0 or above"), hintOf(cmd)}
		}
		client, err := flags.client(cmd)
		if err != nil {
			return err
		}
		r.Service, r.Address = flags.service, args[0]
		if err := consul.Register(cmd.Context(), client, r); err != nil {
			return err
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "registered: %s in service %s, as %s\n", r.Address, r.Service, r.ID())
		return err
	}
	return cmd
}

func newDeregister() *cobra.Command {
	var flags consulFlags
	cmd := &cobra.Command{
		Use:   "deregister --service NAME CONNECTOR",
		Short: "Take a connector out of the Consul agent of this machine",
		Long: `Take a connector, known by its name, service ID or address, out of a Consul agent.
Run it on the machine whose agent has it. Weirs that had it let what runs there
end, and forget it. To stop a connector for a while: weir drain.`,
		Args: exactlyOne("name, service ID or address"),
	}
	flags.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := flags.client(cmd)
		if err != nil {
			return err
		}
		if err := consul.Deregister(cmd.Context(), client, flags.service, args[0]); err != nil {
			return err
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "deregistered: %s of service %s\n", args[0], flags.service)
		return err
	}
	return cmd
}
