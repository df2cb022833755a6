package config

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"weir/balancer"
	"weir/internal/certs"
	"weir/internal/connector"
)

// checkEdge finds what a listener's TLS cannot be made of. Files are read here,
// once it is known whether they are wanted.
func (d *decoder) checkEdge(l *listener) {
	tls := l.path + ".tls"
	if l.TLS == balancer.TLSOff {
		for _, key := range []struct {
			name string
			set  bool
		}{{"certificates", len(l.edge.Certificates) > 0}, {"client_ca", l.edge.ClientCA != ""}, {"ticket_keys", l.edge.TicketKeys != ""}} {
			if key.set {
				d.report(d.where(tls+"."+key.name), tls+"."+key.name, faultf("write mode: starttls, or leave it out",
					"there is no TLS at this listener (mode: off), so nobody is shown it"))
			}
		}
		return
	}
	for i, p := range l.edge.Certificates {
		path := tls + ".certificates[" + strconv.Itoa(i) + "]"
		if p.Cert != "" && p.Key != "" {
			d.tryCertificates(path, certs.Config{Certificates: []certs.Pair{p}}, p.Cert, p.Key)
		}
	}
	if l.edge.ClientCA != "" {
		d.tryCertificates(tls+".client_ca", certs.Config{ClientCA: l.edge.ClientCA}, l.edge.ClientCA)
	}
	if l.edge.TicketKeys != "" {
		d.tryCertificates(tls+".ticket_keys", certs.Config{TicketKeys: l.edge.TicketKeys}, l.edge.TicketKeys)
	}
}

// tryCertificates reports what is wrong with the files of cfg; weir would not start
// with it.
func (d *decoder) tryCertificates(path string, cfg certs.Config, files ...string) {
	there := true
	for _, file := range slices.Compact(files) {
		if bad := readable(file); bad != nil {
			d.report(d.where(path), path, bad)
			there = false
		}
	}
	if !there {
		return
	}
	if _, err := certs.New(cfg); err != nil {
		d.report(d.where(path), path, &fault{what: strings.ReplaceAll(err.Error(), "\n", "; ")})
	}
}

// endsSoon is how long before its end a certificate is worth a warning.
const endsSoon = 30 * 24 * time.Hour

// warnEdge finds certificates that senders may refuse, and keys that others can read.
func (d *decoder) warnEdge(l *listener) {
	tls := l.path + ".tls"
	if l.TLS == balancer.TLSOff {
		return
	}
	if len(l.edge.Certificates) == 0 && !onLoopback(l.Address) {
		d.caution(d.where(tls+".certificates", tls, l.path), tls, faultf("add certificates: [{cert: FILE, key: FILE}]",
			"senders are shown a certificate that weir has signed itself: those that verify refuse it"))
	}
	for i, p := range l.edge.Certificates {
		path := tls + ".certificates[" + strconv.Itoa(i) + "]"
		d.warnCertificate(path, p)
		if bad := private(groupMayRead)(p.Key); bad != nil {
			d.caution(d.where(path), path+".key", bad)
		}
	}
	if bad := private(groupMayRead)(l.edge.TicketKeys); bad != nil {
		d.caution(d.where(tls+".ticket_keys"), tls+".ticket_keys", bad)
	}
}

// warnCertificate looks at a certificate's time.
func (d *decoder) warnCertificate(path string, p certs.Pair) {
	told := false
	store, err := certs.New(certs.Config{Certificates: []certs.Pair{p}, Tell: func(e certs.Event) {
		told = true
		d.caution(d.where(path), path, faultf("", "%s", e.Text))
	}})
	if err != nil || told {
		return
	}
	for _, e := range store.Expiry() {
		if left := time.Until(e.NotAfter); left < endsSoon {
			d.caution(d.where(path), path, faultf("renew it", "the certificate for %s ends on %s, in %d days",
				e.Name, e.NotAfter.UTC().Format(time.DateOnly), left/(24*time.Hour)))
		}
	}
}

// checkAuth finds a pool for AUTH that passwords must not be, or cannot be, sent to (P34).
func (d *decoder) checkAuth(w *draft, l *listener) {
	path := l.path + ".auth_pool"
	if l.AuthPool == "" || d.faulty(path) {
		return
	}
	at := d.where(path)
	i := slices.IndexFunc(w.pools, func(p *pool) bool { return p.facts.Name == l.AuthPool })
	switch {
	case len(w.pools) == 0:
	case i < 0:
		d.report(at, path, noSuchPool(l.AuthPool, w.poolNames()))
	case l.Pool != "" && l.Pool != l.AuthPool:
		d.report(at, path, faultf("leave auth_pool out", "the listener has a pool of its own, %q: AUTH is relayed there", l.Pool))
	case w.pools[i].facts.Protocol == lmtp:
		d.report(at, path, faultf("name a pool with protocol: smtp", "the connectors of pool %q speak LMTP: nobody authenticates there", l.AuthPool))
	case w.pools[i].tls.Mode < connector.TLSRequired:
		d.report(at, path, faultf("give that pool tls: {mode: required}, or mode: implicit",
			"passwords are not sent to pool %q: its connections need not be encrypted", l.AuthPool))
	case l.TLS == balancer.TLSOff:
		d.report(at, path, faultf("write tls: {mode: starttls}", "passwords are taken only under TLS, and there is none at this listener (mode: off)"))
	}
}
