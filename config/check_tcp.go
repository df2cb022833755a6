package config

import (
	"slices"

	"weir/balancer"
	"weir/internal/connector"
)

// taken are the keys of a listener that mean something in tcp mode: SMTP is the
// connector's matter there.
func taken() []string {
	return []string{
		"name", "address", "mode", "pool", "proxy_protocol.trust", "exempt",
		"limits.connections", "limits.per_ip", "limits.rate_per_ip", "limits.session", "limits.allow", "limits.deny",
		"timeouts.command", "timeouts.data", "timeouts.greeting",
	}
}

// checkTCP finds what a listener cannot do for connections that it passes through.
// Without a word of the file's there is no TLS here.
func (d *decoder) checkTCP(w *draft, l *listener) {
	if l.Mode != balancer.ModeTCP {
		return
	}
	if !d.has(l.path + ".tls.mode") {
		l.TLS = balancer.TLSOff
	}
	fresh := newListener()
	fresh.TLS = balancer.TLSOff
	fresh.routes = l.routes // checkPool tells of them
	changed := showKeys(listenerFields(l), true).without(showKeys(listenerFields(&fresh), true))
	for _, key := range changed.leaves("") {
		if path := l.path + "." + key; !slices.Contains(taken(), key) && d.has(path) && !d.faulty(path) {
			d.report(d.where(path), path, faultf("leave it out, or write mode: smtp",
				"in tcp mode connections are passed through as they are: beside pool a listener takes proxy_protocol, exempt, timeouts, and limits of connections, rates and session"))
		}
	}
	i := slices.IndexFunc(w.pools, func(p *pool) bool { return p.facts.Name == l.Pool })
	if i < 0 {
		return
	}
	if id := w.pools[i].relay.Identity; id == connector.IdentityXCLIENT || id == connector.IdentityXFORWARD {
		p := w.pools[i]
		d.report(d.inPool(p, "client_identity"), p.path+".client_identity", faultf("write proxy-v1, proxy-v2 or none, or give the listener another pool",
			"%s is a command of weir's, and nobody can say one in the connections that %s passes through (mode: tcp)", identityWord(id), l.path))
	}
}

// leaves are the paths of a mapping's values.
func (n *node) leaves(prefix string) (all []string) {
	for _, k := range n.keys {
		if k.node.mapping {
			all = append(all, k.node.leaves(prefix+k.key+".")...)
		} else {
			all = append(all, prefix+k.key)
		}
	}
	return all
}

func identityWord(id connector.IdentityMode) string {
	for _, c := range identities() {
		if c.value == id {
			return c.word
		}
	}
	return ""
}
