package config

import (
	"crypto/x509"
	"fmt"
	"slices"

	"weir/balancer"
	"weir/health"
	"weir/internal/connector"
)

// checkPeer finds what contradicts itself in how connectors are spoken to, and
// reads the file of their authority.
func (d *decoder) checkPeer(p *pool) {
	t := &p.tls
	report := func(key string, bad *fault) { d.report(d.inPool(p, "tls."+key), p.path+".tls."+key, bad) }
	if t.CA != "" {
		authority, bad := readAuthority(t.CA)
		if bad != nil {
			report("ca", bad)
		}
		t.authority = authority
	}
	switch {
	case t.Mode == connector.TLSOff && t.Verify:
		report("verify", faultf("write mode: required, or leave verify out", "there is no TLS with these connectors (mode: off), so nothing is verified"))
	case t.Mode == connector.TLSOpportunistic && t.Verify:
		report("verify", faultf("write mode: required, or leave verify out",
			"with mode: opportunistic weir goes on in plaintext where TLS fails: verifying protects nothing there"))
	case t.Verify && t.ServerName == "" && t.CA == "":
		report("verify", faultf("add server_name: with the name in the connectors' certificates, or ca: with who issued them",
			"the certificates would have to be for the connectors' IP addresses, from an authority that this machine trusts"))
	}
}

// readAuthority reads a PEM file of certificates.
func readAuthority(path string) (string, *fault) {
	f, _, bad := open(path)
	if bad != nil {
		return "", bad
	}
	_ = f.Close()
	data, err := read(path)
	if err != nil {
		return "", faultf("", "%s cannot be read: %s", path, err)
	}
	if !x509.NewCertPool().AppendCertsFromPEM(data) {
		return "", faultf("certificates of authorities, each from BEGIN CERTIFICATE to END CERTIFICATE", "%s holds no certificate in PEM", path)
	}
	return string(data), nil
}

// warnPeer finds what has no effect in how connectors are spoken to.
func (d *decoder) warnPeer(w *draft, p *pool) {
	t := &p.tls
	if !t.Verify && t.CA != "" {
		d.caution(d.inPool(p, "tls.ca"), p.path+".tls.ca", faultf("add verify: true, and mode: required", "it has no effect: certificates are not verified"))
	}
	if t.Mode == connector.TLSOff && t.ServerName != "" {
		d.caution(d.inPool(p, "tls.server_name"), p.path+".tls.server_name", faultf("write mode: required", "it has no effect: there is no TLS with these connectors (mode: off)"))
	}
	if t.Mode == connector.TLSOff && p.health.Probe == health.DepthStartTLS {
		d.caution(d.inPool(p, "health.probe"), p.path+".health.probe", faultf("write tls: {mode: opportunistic}, or probe: envelope",
			"probes want TLS, and mail is sent without it (tls.mode: off)"))
	}
	if p.facts.Protocol == lmtp {
		d.warnLMTP(w, p)
	}
}

// warnLMTP finds listeners whose senders offer many recipients to connectors of
// which each answers once per recipient (P35).
func (d *decoder) warnLMTP(w *draft, p *pool) {
	for i := range w.listeners {
		if l := &w.listeners[i]; l.Mode == balancer.ModeSMTP && l.Limits.Recipients != 1 && w.reaches(l, p.facts.Name) {
			d.caution(d.inPool(p, "protocol"), p.path+".protocol", faultf("feed it from an MTA with recipient limit 1, or write limits: {recipients: 1} in "+l.path,
				"connectors that speak LMTP take one recipient a message from senders of %s: they bring the others again by rounds (452), which delays mail", l.path))
			return
		}
	}
}

// reaches reports whether mail of the listener can get to the pool.
func (w *draft) reaches(l *listener, pool string) bool {
	if !l.routes {
		return l.Pool == pool
	}
	for i := range w.routes {
		r := &w.routes[i]
		if len(r.listeners) > 0 && !slices.Contains(r.listeners, l.Name) {
			continue
		}
		for _, t := range r.to {
			if t.Pool == pool {
				return true
			}
		}
	}
	return false
}

// hidesClients reports whether the connectors see weir where they should see who
// sends: XFORWARD is for their logs only.
func (p *pool) hidesClients() bool {
	id := p.relay.Identity
	return p.facts.Protocol != lmtp && (id == connector.IdentityNone || id == connector.IdentityXFORWARD)
}

// warnRelay finds listeners by which strangers could send anything anywhere, if
// connectors trust weir's address (P39).
func (d *decoder) warnRelay(w *draft, l *listener) {
	if !isPublic(l.Address) || len(l.AcceptDomains) > 0 {
		return
	}
	remedy := "add accept_domains:, or give the pool client_identity: xclient"
	if l.Mode == balancer.ModeTCP {
		remedy = "give the pool client_identity: proxy-v2"
	}
	for _, p := range w.pools {
		if p.open || !p.hidesClients() || !w.reaches(l, p.facts.Name) {
			continue
		}
		d.caution(d.where(l.path+".accept_domains", l.path), l.path, faultf(remedy+"; if relaying for anyone is meant, give it relay: true",
			"the listener is public and pool %s hides who sends: an open relay if its connectors trust this host", p.facts.Name))
		return
	}
}

// warnTrust finds trust in everybody.
func (d *decoder) warnTrust(l *listener) {
	for _, list := range []struct {
		key string
		all int
	}{
		{"proxy_protocol", slices.IndexFunc(l.Proxy, everybody)},
		{"xclient", slices.IndexFunc(l.XClient, everybody)},
	} {
		if list.all < 0 {
			continue
		}
		path := fmt.Sprintf("%s.%s.trust", l.path, list.key)
		d.caution(d.where(fmt.Sprintf("%s[%d]", path, list.all), path), path, faultf("name the networks of the proxies alone",
			"whoever gets here may say that he is somebody else: his address means nothing then, nor do limits and lists that go by it"))
	}
}
