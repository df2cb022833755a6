package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// completionLongest is how long somebody who pressed the tab key waits.
const completionLongest = time.Second

func newCompletion() *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:   "completion bash | zsh | fish | powershell",
		Short: "Print a script that completes weir's command lines in a shell",
		Long: `Print a script that completes weir's command lines in a shell; the names of
connectors too, as the running weir (--admin, WEIR_ADMIN) has them.

  bash:  weir completion bash > /etc/bash_completion.d/weir
  zsh:   weir completion zsh > "${fpath[1]}/_weir"
  fish:  weir completion fish > ~/.config/fish/completions/weir.fish`,
		Args:      oneOf("SHELL", shells),
		ValidArgs: shells,
		RunE: func(cmd *cobra.Command, args []string) error {
			out, root := cmd.OutOrStdout(), cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(out, true)
			case "zsh":
				return root.GenZshCompletion(out)
			case "fish":
				return root.GenFishCompletion(out, true)
			default:
				return root.GenPowerShellCompletionWithDesc(out)
			}
		},
	}
}

// completeNames completes the names of connectors, and with pools those too. It
// is silent when weir cannot be asked: a message would spoil the command line.
func completeNames(flags *adminFlags, pools bool) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		const nothing = cobra.ShellCompDirectiveNoFileComp
		if pools && len(args) > 0 {
			return nil, nothing
		}
		v := quietStatus(cmd.Context(), flags)
		if v == nil {
			return nil, nothing
		}
		return v.completions(args, typed, pools), nothing
	}
}

// quietStatus is the status for completing names, or nil: a message would spoil the
// command line.
func quietStatus(ctx context.Context, flags *adminFlags) *view {
	quiet := &cobra.Command{}
	quiet.SetErr(nowhere{})
	c, err := flags.client(quiet)
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, completionLongest)
	defer cancel()
	v, _, err := c.status(ctx)
	if err != nil {
		return nil
	}
	return v
}

// nowhere takes what nobody shall read.
type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

// completions are the names that begin as typed and have not been given yet,
// each with what its connector does.
func (v *view) completions(given []string, typed string, pools bool) []cobra.Completion {
	seen := map[string]bool{}
	for _, word := range given {
		for _, c := range v.called(word) {
			seen[c.ID] = true
		}
	}
	var out []cobra.Completion
	for i := range v.Pools {
		if name := v.Pools[i].Name; pools && strings.HasPrefix(name, typed) {
			out = append(out, cobra.CompletionWithDesc(name, "pool"))
		}
	}
	for _, name := range v.names() {
		c := v.called(name)[0]
		// Both forms at once would only be in each other's way.
		full := strings.Contains(name, "/")
		bareToo := full && len(v.called(c.Name)) == 1 && !strings.Contains(typed, "/")
		if strings.HasPrefix(name, typed) && !seen[c.ID] && !bareToo {
			out = append(out, cobra.CompletionWithDesc(name, c.State))
		}
	}
	return out
}

// oneOf is for commands that take one of a few words.
func oneOf(what string, words []string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 && slices.Contains(words, args[0]) {
			return nil
		}
		return usageError{fmt.Errorf("%s takes one %s: %s", cmd.CommandPath(), what, strings.Join(words, ", ")), hintOf(cmd)}
	}
}
