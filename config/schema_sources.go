package config

import (
	"slices"
	"time"
)

func newConsul() Consul { return Consul{Register: true, EmptyHold: time.Minute} }

// consulFields is the table of the section that is the agent.
func consulFields(c *Consul) []field {
	return []field{
		{"address", scalar(&c.Address, consulAddress)},
		{"token_file", file(&c.TokenFile, private(groupMayRead))},
		{"tls", section(
			field{"ca", file(&c.TLS.CA, readable)},
			field{"cert", file(&c.TLS.Cert, readable)},
			field{"key", file(&c.TLS.Key, readable)},
		)},
		{"register", scalar(&c.Register, flag)},
		{"empty_hold", scalar(&c.EmptyHold, duration)},
	}
}

// poolConsulFields is the table of a pool's service in Consul.
func poolConsulFields(c *PoolConsul) []field {
	return []field{
		{"service", scalar(&c.Service, serviceWord)},
		{"tag", scalar(&c.Tag, anyWord)},
		{"datacenter", scalar(&c.Datacenter, anyWord)},
	}
}

// poolDNSFields is the table of a pool's name in DNS.
func poolDNSFields(c *PoolDNS) []field {
	return []field{
		{"srv", ifSet(&c.SRV, scalar(&c.SRV, domain))},
		{"host", ifSet(&c.Host, scalar(&c.Host, domain))},
		{"port", ifSet(&c.Port, scalar(&c.Port, count(1, 65535)))},
		{"resolver", scalar(&c.Resolver, resolverAddress)},
		{"refresh", scalar(&c.Refresh, duration)},
	}
}

// defaultPort is that of connectors whose source names none (RFC 5321 section 4.5.4.2).
const defaultPort = 25

// checkSources finds a pool without connectors, and sources that say too much
// or too little.
func (d *decoder) checkSources(w *draft, p *pool) {
	if len(p.backends) == 0 && p.consul == nil && p.dns == nil && p.file == "" && !d.doubtful(p, "backends", "file") && !d.faulty(p.path) {
		d.reportNoSource(p)
	}
	if p.consul != nil {
		d.checkPoolConsul(w, p)
	}
	if p.dns != nil {
		d.checkPoolDNS(p)
	}
}

// reportNoSource says that a pool has no connectors, unless it has a key that was
// reported already and probably was meant to name some.
func (d *decoder) reportNoSource(p *pool) {
	at, path := d.where(p.path), p.path
	for _, key := range []string{"file", "dns", "consul", "backends"} {
		if d.given(p, key) {
			at, path = d.inPool(p, key), p.path+"."+key
		}
	}
	if !slices.ContainsFunc(d.problems, func(b Problem) bool { return path != p.path && b.Line == at.line && b.Column == at.column }) {
		d.report(at, path, noBackends())
	}
}

func (d *decoder) checkPoolConsul(w *draft, p *pool) {
	doubtful := d.doubtful(p, "consul", "consul.service")
	if w.Consul == nil && !doubtful {
		d.report(d.inPool(p, "consul"), p.path+".consul", faultf(`add "consul: {address: 127.0.0.1:8500}" at the top level`,
			"the file does not say where Consul is"))
	}
	if p.consul.Service == "" && !doubtful {
		d.report(d.inPool(p, "consul"), p.path+".consul", &fault{"it names no service", "for example consul: {service: connector-internet}"})
	}
}

func (d *decoder) checkPoolDNS(p *pool) {
	c := *p.dns // the one of pool_defaults is shared
	switch {
	case d.doubtful(p, "dns", "dns.srv", "dns.host", "dns.port"):
	case c.SRV == "" && c.Host == "":
		d.report(d.inPool(p, "dns"), p.path+".dns", faultf("for example dns: {host: connectors.example.com, port: 25}, or {srv: _smtp._tcp.example.com}",
			"it names neither srv nor host"))
	case c.SRV != "" && c.Host != "":
		d.report(d.inPool(p, "dns.host"), p.path+".dns.host", faultf("keep one of them", "srv is given too"))
	case c.SRV != "" && c.Port != 0:
		d.report(d.inPool(p, "dns.port"), p.path+".dns.port", faultf("leave it out", "SRV records tell the port themselves"))
	case c.Host != "" && c.Port == 0:
		c.Port = defaultPort
	}
	p.dns = &c
}

// doubtful reports whether something is wrong with one of a pool's values
// already, wherever it comes from.
func (d *decoder) doubtful(p *pool, keys ...string) bool {
	for _, key := range keys {
		if d.faulty(p.path+"."+key) || d.faulty("pool_defaults."+key) {
			return true
		}
	}
	return false
}

// checkConsul finds half a client certificate.
func (d *decoder) checkConsul(c *Consul) {
	const cert, key = "consul.tls.cert", "consul.tls.key"
	if c == nil || d.faulty(cert) || d.faulty(key) {
		return
	}
	switch tls := c.TLS; {
	case tls.Cert != "" && tls.Key == "":
		d.report(d.where(cert), cert, faultf("add key:, or leave both out", "a certificate without its key"))
	case tls.Cert == "" && tls.Key != "":
		d.report(d.where(key), key, faultf("add cert:, or leave both out", "a key without its certificate"))
	}
}
