package main

import (
	"errors"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"weir/config"
)

func newConfig() *cobra.Command {
	var admin adminFlags
	var defaults, diff bool
	var path string
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Show the config that is in force, or the defaults",
		Long: `Show, as YAML, the config that is in force in the running weir: with every default
written out, and without secrets. With -c that of a file instead, and with
--defaults what holds when a file says nothing; neither needs a running weir.`,
		Args: noArgs,
	}
	admin.add(cmd)
	cmd.Flags().BoolVar(&defaults, "defaults", false, "the defaults")
	cmd.Flags().BoolVar(&diff, "diff", false, "only what differs from the defaults")
	cmd.Flags().StringVarP(&path, "config", "c", "", "what this `file` would bring into force")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var text string
		var err error
		switch {
		case defaults && (diff || path != ""):
			return usageError{errors.New("--defaults goes with neither --diff nor --config"), hintOf(cmd)}
		case defaults:
			text = config.DefaultsYAML()
		case path != "":
			text, err = renderFile(path, diff, cmd.ErrOrStderr())
		default:
			text, err = configInForce(cmd, &admin, diff)
		}
		if err != nil {
			return err
		}
		_, err = io.WriteString(cmd.OutOrStdout(), text)
		return err
	}
	return cmd
}

func renderFile(path string, diff bool, stderr io.Writer) (string, error) {
	cfg, _, err := load(path, stderr)
	if err != nil {
		return "", err
	}
	if diff {
		return config.RenderChanged(cfg), nil
	}
	return config.Render(cfg), nil
}

func configInForce(cmd *cobra.Command, admin *adminFlags, diff bool) (string, error) {
	c, err := admin.client(cmd)
	if err != nil {
		return "", err
	}
	query := ""
	if diff {
		query = "?diff=1"
	}
	text, err := c.ask(cmd.Context(), http.MethodGet, "/v1/config"+query, nil, lookLongest)
	return string(text), err
}
