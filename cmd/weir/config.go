package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"weir/config"
)

// defaultConfig is where packages put the file.
const defaultConfig = "/etc/weir/weir.yaml"

func configFlag(cmd *cobra.Command) *string {
	return cmd.Flags().StringP("config", "c", defaultConfig, "the config `file`")
}

// load reads the config, or tells everything that is wrong with it.
func load(path string, stderr io.Writer) (*config.Config, []config.Problem, error) {
	cfg, warnings, err := config.Load(path)
	var list *config.Errors
	if !errors.As(err, &list) {
		return cfg, warnings, err
	}
	for _, p := range list.Problems {
		_, _ = fmt.Fprintln(stderr, p)
	}
	_, _ = fmt.Fprintf(stderr, "weir: %s: %s\n", path, count(len(list.Problems), "error"))
	return nil, nil, saidError{err}
}

// count puts a number before a word.
func count(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
