package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"weir/dashboard"
)

func newReload() *cobra.Command {
	var admin adminFlags
	var previous bool
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Have the running weir read its config file again",
		Long: `Have the running weir read its config file again: the whole of it, or nothing of
it when it has a mistake. What has not changed keeps its sessions, connections and
counters; what has changed is printed.`,
		Args: noArgs,
	}
	admin.add(cmd)
	cmd.Flags().BoolVar(&previous, "previous", false, "go back to the config that was in force before the present one, each time one further; the file stays as it is")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := admin.client(cmd)
		if err != nil {
			return err
		}
		var answer dashboard.ReloadAnswer
		err = c.post(cmd.Context(), "/v1/reload", dashboard.ReloadRequest{Previous: previous}, &answer, orderLongest)
		if r, ok := refusedWith(err, http.StatusBadRequest); ok && json.Unmarshal(r.body, &answer) == nil && answer.Error != "" {
			err = nil
		}
		switch {
		case err != nil:
			return err
		case answer.Error != "":
			return wrongFile(cmd, answer.Error)
		case len(answer.Changes) == 0:
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "reloaded: nothing has changed")
		default:
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "reloaded: %s\n  %s\n", count(len(answer.Changes), "change"), strings.Join(answer.Changes, "\n  "))
		}
		return err
	}
	return cmd
}

// wrongFile tells all mistakes, a line each, as weir check does.
func wrongFile(cmd *cobra.Command, words string) error {
	words = strings.TrimSpace(words)
	_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "%s\nweir: not reloaded: everything stays as it was\n", words)
	return saidError{errors.New(words)}
}
