package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"weir/dashboard"
)

func newDNS() *cobra.Command {
	var admin adminFlags
	var output string
	var diff bool
	cmd := &cobra.Command{
		Use:   "dns [ZONE]",
		Short: "Show what DNS says of the connectors, what it should say, and what holds that back",
		Long: `Show what DNS says of the connectors, what it should say, and what holds that back
and until when. Without a ZONE, all that weir keeps. Only the replica that writes a
zone knows its records.

Behind a pipe, fields are separated by tabs; lines begin with zone or record.`,
		Args:              upToOne("ZONE"),
		ValidArgsFunction: completeZones(&admin),
	}
	admin.add(cmd)
	addOutput(cmd, &output)
	cmd.Flags().BoolVar(&diff, "diff", false, "only sets that are not as they should be, or of which something is held back")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if why := badOutput(output); why != "" {
			return usageError{errors.New(why), hintOf(cmd)}
		}
		c, err := admin.client(cmd)
		if err != nil {
			return err
		}
		v, _, err := c.status(cmd.Context())
		if err != nil {
			return err
		}
		found, err := v.zones(args)
		if err != nil {
			return err
		}
		return showZones(cmd.OutOrStdout(), v, found, diff, output == "json")
	}
	cmd.AddCommand(newFreeze(), newThaw(), newRelease())
	return cmd
}

// zones are those that are meant: all of them without a word.
func (v *view) zones(wanted []string) ([]dashboard.DNSStatus, error) {
	if len(wanted) == 0 {
		return v.DNS, nil
	}
	var names []string
	for i := range v.DNS {
		if sameHost(v.DNS[i].Zone, wanted[0]) {
			return v.DNS[i : i+1], nil
		}
		names = append(names, v.DNS[i].Zone)
	}
	return nil, fmt.Errorf("there is no zone %q%s", wanted[0], instead(wanted[0], names, names))
}

func showZones(w io.Writer, v *view, zones []dashboard.DNSStatus, diff, asJSON bool) error {
	zones = slices.Clone(zones)
	for i := range zones {
		if diff {
			zones[i].Sets = slices.DeleteFunc(slices.Clone(zones[i].Sets), settled)
		}
	}
	if asJSON {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		return encoder.Encode(append([]dashboard.DNSStatus{}, zones...))
	}
	s := screenOf(w)
	var b strings.Builder
	if len(zones) == 0 {
		b.WriteString("this weir keeps no zone in DNS\n")
	}
	for i := range zones {
		switch {
		case !s.tty:
			plainZone(&b, &zones[i])
		case i > 0:
			b.WriteString("\n")
			fallthrough
		default:
			s.zone(&b, v, &zones[i], diff, time.Now())
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// settled reports whether nothing is to be done about a set.
func settled(set dashboard.DNSSet) bool {
	return len(set.Held) == 0 && slices.Equal(slices.Sorted(slices.Values(set.Published)), slices.Sorted(slices.Values(set.Desired)))
}

// zoneOrder is an order about zones, and its words for the operator.
type zoneOrder struct {
	verb, done string
	admin      adminFlags
	reason     string
}

// give gives the order for one zone after the other, and stops at the first that is
// refused.
func (o *zoneOrder) give(cmd *cobra.Command, args []string, agreed func(names []string) error) error {
	c, err := o.admin.client(cmd)
	if err != nil {
		return err
	}
	v, _, err := c.status(cmd.Context())
	if err != nil {
		return err
	}
	found, err := v.zones(args)
	switch {
	case err != nil:
		return err
	case len(found) == 0:
		return errors.New("this weir keeps no zone in DNS")
	}
	var names []string
	for i := range found {
		names = append(names, found[i].Zone)
	}
	if agreed != nil {
		if err := agreed(names); err != nil {
			return err
		}
	}
	for i, name := range names {
		var now dashboard.DNSStatus
		path := "/v1/dns/" + url.PathEscape(name) + "/" + o.verb
		if err := c.post(cmd.Context(), path, dashboard.DNSRequest{Reason: o.reason}, &now, orderLongest); err != nil {
			return notAll(err, dashboard.Verb(o.verb), names, i)
		}
		if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", name, o.done); err != nil {
			return err
		}
	}
	return nil
}

func newFreeze() *cobra.Command {
	order := &zoneOrder{verb: "freeze", done: "frozen: nothing is written until weir dns thaw"}
	cmd := &cobra.Command{
		Use:   "freeze --reason R [ZONE]",
		Short: "Stop writing to DNS; what is published stands",
		Long: `Stop writing to DNS: what is published stands until weir dns thaw, whatever
happens to the connectors. Without a ZONE, in all zones that weir keeps.`,
		Args: upToOne("ZONE"),
	}
	order.admin.add(cmd)
	cmd.Flags().StringVar(&order.reason, "reason", "", "why, for the log and for colleagues; required")
	cmd.ValidArgsFunction = completeZones(&order.admin)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if strings.TrimSpace(order.reason) == "" {
			return usageError{errors.New(`--reason is missing: a frozen zone that nobody remembers the reason of stays frozen`), hintOf(cmd)}
		}
		if why := badReason(order.reason); why != "" {
			return usageError{errors.New(why), hintOf(cmd)}
		}
		return order.give(cmd, args, nil)
	}
	return cmd
}

func newThaw() *cobra.Command {
	order := &zoneOrder{verb: "thaw", done: "written again"}
	cmd := &cobra.Command{
		Use:   "thaw [ZONE]",
		Short: "Write to DNS again after a freeze",
		Long: `Write to DNS again after a freeze, beginning with one write of the present truth.
Without a ZONE, in all zones that weir keeps.`,
		Args: upToOne("ZONE"),
	}
	order.admin.add(cmd)
	cmd.ValidArgsFunction = completeZones(&order.admin)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return order.give(cmd, args, nil) }
	return cmd
}

func newRelease() *cobra.Command {
	order := &zoneOrder{verb: "release", done: "released: its records stand as they are, and are no longer weir's"}
	var yes bool
	cmd := &cobra.Command{
		Use:   "release [ZONE]",
		Short: "Leave the records in DNS as they are, and drop weir's ownership of them",
		Long: `Leave the records in DNS as they are, remove the TXT records that say they are
weir's, and freeze the zone: the way back to keeping it by hand. Without a ZONE, for
all zones that weir keeps. To have weir keep it again takes weir dns thaw, and
removing the records or adding the TXT records by hand.`,
		Args: upToOne("ZONE"),
	}
	order.admin.add(cmd)
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cmd.ValidArgsFunction = completeZones(&order.admin)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return order.give(cmd, args, func(names []string) error {
			if yes {
				return nil
			}
			what := "release " + strings.Join(names, ", ") + ": weir will not keep these records any more"
			return agree(cmd, what, "release gives the records away, and nobody can be asked here: say --yes if it is meant, or use weir dns freeze")
		})
	}
	return cmd
}
