package consul

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/hashicorp/consul/api"

	"weir/internal/backend"
)

// check is one of an instance's checks; those of its node are among them.
type check struct {
	CheckID string
	Name    string
	Status  string
	Output  string
	Notes   string
}

// metaUndrain is the key of a spec's Meta that says how to end a maintenance.
const metaUndrain = "undrain"

// setStatus passes on what Consul's checks say. Both facts may hold at once;
// warnings are passed over: weir's own probes look deeper than any of them.
func (e *entry) setStatus(spec *backend.Spec) {
	var reasons, commands []string
	checks := slices.Clone(e.Checks) // servers and streams differ in their order
	slices.SortFunc(checks, func(a, b check) int { return cmp.Compare(a.CheckID, b.CheckID) })
	for i := range checks {
		c := &checks[i]
		switch {
		case c.CheckID == api.NodeMaint:
			reasons = append(reasons, c.reason("node "+e.Node.Node))
			commands = append(commands, "consul maint -disable")
		case strings.HasPrefix(c.CheckID, api.ServiceMaintPrefix):
			reasons = append(reasons, c.reason("service "+e.Service.ID))
			commands = append(commands, "consul maint -disable -service="+shellWord(e.Service.ID))
		case c.Status == api.HealthCritical && spec.Critical == "":
			spec.Critical = c.failure()
		}
	}
	if len(reasons) > 0 {
		spec.Maintenance = strings.Join(reasons, "; ")
		spec.Meta[metaUndrain] = fmt.Sprintf("on node %s: %s", e.Node.Node, strings.Join(commands, " && "))
	}
}

// reason returns why there is maintenance. Consul puts a sentence of its own
// where the operator gave no reason, which says nothing.
func (c *check) reason(what string) string {
	why := firstLine(cmp.Or(c.Notes, c.Output))
	if why == "" || strings.HasPrefix(why, "Maintenance mode is enabled for this") {
		return "maintenance of " + what + ", without a reason given"
	}
	return "maintenance of " + what + ": " + why
}

func (c *check) failure() string {
	name := cmp.Or(firstLine(c.Name), firstLine(c.CheckID), "a check")
	if out := firstLine(c.Output); out != "" {
		return name + ": " + out
	}
	return name + ": has not passed yet" // nothing to show means that it has not run
}

// firstLine returns the first line that says something, made fit for a log.
func firstLine(text string) string {
	const longest = 200
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	line = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, line)
	if runes := []rune(line); len(runes) > longest {
		line = string(runes[:longest-1]) + "…"
	}
	return strings.TrimSpace(line)
}

// shellWord quotes an ID that a shell would read as more than one word: the
// command is there to be copied.
func shellWord(s string) string {
	if s != "" && cleanWord(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func cleanWord(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._:/-", r))
	})
}
