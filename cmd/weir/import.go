package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"weir/internal/haproxy"
)

// maxImport bounds a file of another program, in octets.
const maxImport = 4 << 20

func newImport() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import",
		Short: "Make a config file from another balancer's",
		Args:  knownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usageError{errors.New("say from what: weir import haproxy FILE"), hintOf(cmd)}
		},
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "haproxy FILE",
		Short: "Make a config file from the SMTP part of an haproxy.cfg",
		Long: `Print a config file that does what the SMTP part of an haproxy.cfg does; FILE - is
the standard input. What has no equivalent becomes a comment at its place, and what
should be looked at is told on the standard error. The result passes weir check.`,
		Args: exactlyOne("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error { return importHAProxy(cmd, args[0]) },
	})
	return cmd
}

func importHAProxy(cmd *cobra.Command, path string) error {
	data, err := readImport(path, cmd.InOrStdin())
	if err != nil {
		return err
	}
	text, notes, err := haproxy.Import(path, data)
	if err != nil {
		return err
	}
	for _, note := range notes {
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "note: %s\n", note)
	}
	_, err = cmd.OutOrStdout().Write(text)
	return err
}

func readImport(path string, stdin io.Reader) ([]byte, error) {
	in := stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("reading the file: %w", err)
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, maxImport+1))
	if err != nil {
		return nil, fmt.Errorf("reading the file: %w", err)
	}
	if len(data) > maxImport {
		return nil, fmt.Errorf("%s is larger than 4 MiB: this is no haproxy.cfg", path)
	}
	return data, nil
}
