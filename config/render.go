package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"weir/balancer/gate"
)

// node is a value as a file would write it. The tables of keys make it by the
// show of each rule: of the whole value, or only of what is not as it is when
// the file leaves it out.
type node struct {
	text    string // of a single value or a list of them, as YAML
	mapping bool
	keys    []shownKey // of a mapping
	list    bool
	items   []*node // of a list of mappings
	name    string  // of such an item: what people know it by
}

type shownKey struct {
	key  string
	node *node
}

// Render writes what is in force as a file: every key that weir knows, with its
// default where the file did not give it. Secrets are not in it, only the paths
// of their files. Parsed again it gives an equal Config. A cfg is what [Load] or
// [Parse] returned.
func Render(cfg *Config) string {
	return yamlOf(showKeys(draftOf(cfg).fields(), true))
}

// RenderChanged is [Render] without the keys that have their defaults.
func RenderChanged(cfg *Config) string {
	n := showKeys(draftOf(cfg).fields(), false)
	return yamlOf(n.without(showKeys(newDraft().fields(), false)))
}

// smallest is the smallest useful file.
const smallest = `listeners:
  - address: ":25"
pools:
  internet:
    backends: ["10.0.0.11:25", "10.0.0.12:25"]
`

// DefaultsYAML is the smallest useful file with every default written out.
func DefaultsYAML() string {
	cfg, _, err := Parse("weir.yaml", []byte(smallest))
	if err != nil {
		panic("the smallest file is wrong: " + err.Error()) // a test parses it
	}
	return "# The smallest useful file, with every default written out. The listener's name\n" +
		"# and address, the pool's name and its backends are examples.\n" + Render(cfg)
}

// showKeys is the mapping that a table shows; nil when it shows nothing.
func showKeys(fields []field, whole bool) *node {
	n := &node{mapping: true}
	for _, f := range fields {
		if f.show == nil {
			continue
		}
		if below := f.show(whole); below != nil {
			n.keys = append(n.keys, shownKey{f.key, below})
		}
	}
	if len(n.keys) == 0 {
		return nil
	}
	return n
}

// showList is the list of mappings that items are.
func showList[T any](items []T, whole bool, keys func(*T) []field, fresh T, nameOf func(*T) string) *node {
	all := &node{list: true}
	base := showKeys(keys(&fresh), true)
	for i := range items {
		n := showKeys(keys(&items[i]), true)
		if !whole {
			n = n.without(base)
		}
		n.name = nameOf(&items[i])
		all.items = append(all.items, n)
	}
	return all
}

// without is a mapping without the keys that base has with an equal value.
// What is left of lists stands as it is. The result may be empty, not nil.
func (n *node) without(base *node) *node {
	left := &node{mapping: true}
	for _, k := range n.keys {
		below := base.at(k.key)
		switch {
		case below == nil:
		case k.node.mapping:
			k.node = k.node.without(below)
			if len(k.node.keys) == 0 {
				continue
			}
		case k.node.list && len(k.node.items)+len(below.items) == 0, !k.node.list && k.node.text == below.text:
			continue
		}
		left.keys = append(left.keys, k)
	}
	return left
}

// at is the value of a mapping's key, or nil.
func (n *node) at(key string) *node {
	if n == nil {
		return nil
	}
	i := slices.IndexFunc(n.keys, func(k shownKey) bool { return k.key == key })
	if i < 0 {
		return nil
	}
	return n.keys[i].node
}

func yamlOf(n *node) string {
	var b strings.Builder
	n.write(&b, "")
	return b.String()
}

// write writes a mapping's keys, each on a line of its own.
func (n *node) write(b *strings.Builder, indent string) {
	for _, k := range n.keys {
		b.WriteString(indent + quote(k.key) + ":")
		k.node.writeValue(b, indent)
	}
}

func (n *node) writeValue(b *strings.Builder, indent string) {
	switch {
	case n.mapping && len(n.keys) == 0:
		b.WriteString(" {}\n")
	case n.mapping:
		b.WriteString("\n")
		n.write(b, indent+"  ")
	case n.list && len(n.items) == 0:
		b.WriteString(" []\n")
	case n.list:
		b.WriteString("\n")
		for _, item := range n.items {
			var one strings.Builder
			item.write(&one, indent+"    ")
			b.WriteString(indent + "  - " + strings.TrimLeft(one.String(), " "))
		}
	default:
		b.WriteString(" " + n.text + "\n")
	}
}

// written is a single value as a file writes it.
func written(v any) string {
	switch v := v.(type) {
	case string:
		return quote(v)
	case int64: // sizes are the only ones
		return sizeText(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case time.Duration:
		return short(v)
	case gate.Rate:
		return rateText(v)
	case netip.Addr:
		if !v.IsValid() {
			return `""`
		}
		return quote(v.String())
	case netip.Prefix:
		return quote(v.String())
	default:
		return fmt.Sprint(v)
	}
}

// quote puts a text in quotes unless it is plain without any doubt.
func quote(s string) string {
	odd := strings.IndexFunc(s, func(r rune) bool { return !letter(r) && !digit(r) && !strings.ContainsRune("._/@-", r) })
	if s == "" || odd >= 0 || !letter(rune(s[0])) && s[0] != '/' {
		return strconv.Quote(s)
	}
	switch strings.ToLower(s) {
	case "true", "false", "null", "yes", "no", "on", "off", "y", "n", "inf", "nan":
		return strconv.Quote(s)
	}
	return s
}

// sizeText is a size in the largest unit that divides it.
func sizeText(n int64) string {
	for _, unit := range []struct {
		name  string
		shift int
	}{{"GiB", 30}, {"MiB", 20}, {"KiB", 10}} {
		if n != 0 && n&(1<<unit.shift-1) == 0 {
			return strconv.FormatInt(n>>unit.shift, 10) + unit.name
		}
	}
	return strconv.FormatInt(n, 10)
}
