package balancer_test

import (
	"cmp"
	"crypto/tls"

	"weir/internal/backend"
	"weir/internal/connector"
)

// What dialogue scripts can do about extensions of connectors, their TLS, and how
// they are told of clients.

// introduce sets how a pool's connectors are spoken to.
func (p *player) introduce(key, value string) error {
	switch pool := p.pool(); key {
	case "identity":
		pool.Identity = map[string]connector.IdentityMode{
			"proxy-v1": connector.IdentityProxyV1, "proxy-v2": connector.IdentityProxyV2,
			"xclient": connector.IdentityXCLIENT, "xforward": connector.IdentityXFORWARD,
		}[value]
	case "lmtp":
		for i := range p.cfg.Pools {
			if name := p.cfg.Pools[i].Name; name == cmp.Or(value, pool.Name) {
				p.cfg.Pools[i].LMTP = true
			}
		}
	default:
		return p.secure(value)
	}
	return nil
}

// want has a connector want something of who connects, before it listens.
func (p *player) want(name, what string) error {
	kit, err := edgeKit()
	if err != nil {
		return err
	}
	b := p.wants[name]
	switch what {
	case "lmtp":
		b.LMTP = true
	case "proxy":
		b.Proxy = true
	case "broken-tls":
		b.TLS = &tls.Config{}
	default:
		b.TLS, b.ImplicitTLS = kit.server, what == "implicit-tls"
	}
	p.wants[name] = b
	p.set(name)
	return nil
}

// set puts in force what a connector offers and wants.
func (p *player) set(name string) {
	b := p.wants[name]
	b.Capabilities = p.offers(name)
	p.connectors[name].Set(b)
}

// secure has connectors talked to under TLS.
func (p *player) secure(mode string) error {
	kit, err := edgeKit()
	if err != nil {
		return err
	}
	modes := map[string]connector.TLSMode{
		"opportunistic": connector.TLSOpportunistic, "required": connector.TLSRequired,
		"verified": connector.TLSRequired, "implicit": connector.TLSImplicit,
	}
	p.dialer.TLS = connector.Security{Mode: modes[mode], Verify: mode == "verified", ServerName: "mx.test", Roots: kit.roots}
	return nil
}

// offer adds lines to a connector's EHLO, or to what probes believe that it says.
func (p *player) offer(name string, lines []string, claimed bool) {
	p.change(name, func(c *backend.Capabilities) {
		for _, line := range lines {
			c.Announce(line)
		}
	})
	if claimed {
		return
	}
	caps := p.offers(name)
	caps.Extra = append(caps.Extra, lines...)
	p.offered[name] = caps
	p.set(name)
}
