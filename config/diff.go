package config

import (
	"fmt"
	"slices"
	"strings"
)

// change is one key of which two configs differ.
type change struct{ path, text string }

// Diff says in what two configs differ, one line a key, for the log:
//
//	pools.internet.max_connections: 0 → 20
//	pools.fax: new
func Diff(before, after *Config) []string {
	var lines []string
	for _, c := range changes(before, after) {
		lines = append(lines, c.path+": "+c.text)
	}
	return lines
}

// NeedsRestart lists the keys in which two configs differ and which a process
// that runs cannot change: who it is, where its state and its Consul are, which
// zones it keeps, and where it is asked.
func NeedsRestart(before, after *Config) []string {
	var paths []string
	for _, c := range changes(before, after) {
		for _, fixed := range []string{"hostname", "cluster", "state_dir", "consul", "dns", "admin.address", "admin.socket", "admin.base_path", "admin.tls"} {
			if rest, ok := strings.CutPrefix(c.path, fixed); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
				paths = append(paths, c.path)
			}
		}
	}
	return paths
}

func changes(before, after *Config) []change {
	a, b := showKeys(draftOf(before).fields(), true), showKeys(draftOf(after).fields(), true)
	all := compare("", a, b)
	for _, now := range after.Admin.Tokens {
		for _, then := range before.Admin.Tokens {
			if then.Name == now.Name && then.Secret != now.Secret {
				all = append(all, change{join("admin.tokens", now.Name), "another secret"})
			}
		}
	}
	if before.Webhook.SecretFile == after.Webhook.SecretFile && before.Webhook.Secret != after.Webhook.Secret {
		all = append(all, change{"webhook.secret_file", "another secret"})
	}
	return slices.Concat(all, changedKeys(before, after), changedPatterns(before, after), changedFiles(before, after))
}

// changedKeys are the keys of zones that are others, from files of the same name.
func changedKeys(before, after *Config) (all []change) {
	for i := range after.zones {
		now := &after.zones[i]
		for j := range before.zones {
			then := &before.zones[j]
			if then.name != now.name {
				continue
			}
			if a, b := then.update, now.update; a != nil && b != nil && a.keyFile == b.keyFile && a.key != b.key && secretFile(a) == secretFile(b) {
				all = append(all, change{join("dns", now.name) + ".update", "another key"})
			}
			if a, b := then.serve, now.serve; a != nil && b != nil && a.keyFile == b.keyFile && a.key != nil && *a.key != *b.key {
				all = append(all, change{join("dns", now.name) + ".serve", "another key"})
			}
		}
	}
	return all
}

// changedPatterns are the patterns of routes that are others, in files of the
// same name.
func changedPatterns(before, after *Config) (all []change) {
	then := map[string]*route{}
	for i := range before.routes {
		then[before.routes[i].label()] = &before.routes[i]
	}
	for i := range after.routes {
		now := &after.routes[i]
		old := then[now.label()]
		if old == nil || old.matchFile != now.matchFile {
			continue
		}
		more, less := missing(now.fromFile, old.fromFile), missing(old.fromFile, now.fromFile)
		if more+less > 0 {
			all = append(all, change{join("routes", now.label()) + ".match_file", fmt.Sprintf("%d patterns new, %d removed", more, less)})
		}
	}
	return all
}

// changedFiles are what other files of the same name say: domains that listeners
// accept, authorities that connectors' certificates are from.
func changedFiles(before, after *Config) (all []change) {
	for i := range after.Balancer.Listeners {
		now := &after.Balancer.Listeners[i]
		for j := range before.Balancer.Listeners {
			then := &before.Balancer.Listeners[j]
			if then.Name != now.Name || !slices.Equal(before.accepted[j], after.accepted[i]) {
				continue
			}
			more, less := missing(now.AcceptDomains, then.AcceptDomains), missing(then.AcceptDomains, now.AcceptDomains)
			if more+less > 0 {
				all = append(all, change{join("listeners", now.Name) + ".accept_domains", fmt.Sprintf("%d domains new, %d removed", more, less)})
			}
		}
	}
	for i := range after.Pools {
		now := &after.Pools[i]
		for j := range before.Pools {
			if then := &before.Pools[j]; then.Name == now.Name && then.TLS.CA == now.TLS.CA && then.TLS.authority != now.TLS.authority {
				all = append(all, change{join("pools", now.Name) + ".tls.ca", "other certificates"})
			}
		}
	}
	return all
}

// missing counts the words of all that are not in others.
func missing(all, others []string) (n int) {
	known := make(map[string]bool, len(others))
	for _, w := range others {
		known[w] = true
	}
	for _, w := range all {
		if !known[w] {
			n++
		}
	}
	return n
}

func secretFile(u *zoneUpdate) string {
	if u.tsig == nil {
		return ""
	}
	return u.tsig.secretFile
}

// compare lists what is new, gone or otherwise in b.
func compare(path string, a, b *node) []change {
	switch {
	case a == nil && b.mapping:
		return []change{{path, "new"}}
	case a == nil:
		return []change{{path, "not set → " + b.text}}
	case b == nil && a.mapping:
		return []change{{path, "removed"}}
	case b == nil:
		return []change{{path, a.text + " → not set"}}
	case !a.mapping && !a.list:
		if a.text != b.text {
			return []change{{path, a.text + " → " + b.text}}
		}
		return nil
	}
	a, b = a.named(), b.named()
	then, now := a.byKey(), b.byKey()
	var all []change
	for _, k := range a.keys {
		all = append(all, compare(join(path, k.key), k.node, now[k.key])...)
	}
	for _, k := range b.keys {
		if then[k.key] == nil {
			all = append(all, compare(join(path, k.key), nil, k.node)...)
		}
	}
	return all
}

// byKey is a mapping's values: a pool may have very many backends.
func (n *node) byKey() map[string]*node {
	all := make(map[string]*node, len(n.keys))
	for _, k := range n.keys {
		all[k.key] = k.node
	}
	return all
}

// named is a list of mappings as a mapping of their names: what people call
// them, not where they stand, makes two of them the same.
func (n *node) named() *node {
	if !n.list {
		return n
	}
	all := &node{mapping: true}
	for _, item := range n.items {
		all.keys = append(all.keys, shownKey{item.name, item})
	}
	return all
}
