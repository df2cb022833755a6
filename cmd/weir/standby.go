package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"weir/dashboard"
)

func newStandby() *cobra.Command {
	var admin adminFlags
	var off bool
	cmd := &cobra.Command{
		Use:   "standby",
		Short: "Take this replica of weir out of DNS, Consul and load balancers, or bring it back",
		Long: `Take this replica of weir out: it leaves DNS and Consul and /readyz answers 503,
so that no new senders are sent here. It goes on serving those who come. Other
replicas are not concerned.`,
		Args: noArgs,
	}
	admin.add(cmd)
	cmd.Flags().BoolVar(&off, "off", false, "bring it back")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := admin.client(cmd)
		if err != nil {
			return err
		}
		var ignored json.RawMessage
		if err := c.post(cmd.Context(), "/v1/standby", dashboard.StandbyRequest{Off: off}, &ignored, orderLongest); err != nil {
			return err
		}
		text := "on standby: out of DNS and Consul, /readyz answers 503, senders who come are served"
		if off {
			text = "standby is over: this replica wants senders again"
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), text)
		return err
	}
	return cmd
}
