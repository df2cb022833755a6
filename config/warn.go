package config

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"weir/internal/backend"
	"weir/policies"
)

// bounds is how long a sender waits at each stage, whatever the file says: the
// totals of protocol rule P15, which stay inside RFC 5321 section 4.5.3.2.
func bounds() [backend.Stages]time.Duration {
	const rcpt = 4*time.Minute + 30*time.Second
	return [backend.Stages]time.Duration{
		backend.StageConnect:  rcpt,
		backend.StageTLS:      rcpt,
		backend.StageBanner:   rcpt,
		backend.StageEHLO:     rcpt,
		backend.StageMail:     rcpt,
		backend.StageRcpt:     rcpt,
		backend.StageData:     time.Minute + 50*time.Second,
		backend.StageBody:     2*time.Minute + 30*time.Second,
		backend.StageFinalDot: 9*time.Minute + 30*time.Second,
	}
}

// warn finds what is allowed, and yet hardly meant.
func (d *decoder) warn(w *draft) {
	for _, p := range w.pools {
		d.warnTimeouts(p)
		d.warnHealth(p)
		d.warnFile(p)
		d.warnAffinity(p)
		d.warnPeer(w, p)
		if n, want := len(p.backends), p.facts.MinRedundancy; n < want && p.consul == nil && p.dns == nil && p.file == "" {
			d.caution(d.inPool(p, "min_redundancy"), p.path+".min_redundancy", faultf("add backends, or write min_redundancy: 0",
				"%d is more than the number of backends, %d: the pool is never redundant", want, n))
		}
	}
	for i := range w.listeners {
		l := &w.listeners[i]
		d.warnEdge(l)
		d.warnTrust(l)
		d.warnRelay(w, l)
	}
	d.warnRoutes(w)
	d.warnShutdown(w)
	d.warnAdmin(w)
	d.warnConsul(w)
	d.warnDNS(w)
}

// warnFile looks at a list of backends that is read later: until it is right,
// the pool goes without it.
func (d *decoder) warnFile(p *pool) {
	if p.file == "" {
		return
	}
	at, path := d.inPool(p, "file"), p.path+".file"
	if bad := readable(p.file); bad != nil {
		d.caution(at, path, faultf("weir waits for it", "%s", bad.what))
		return
	}
	data, err := read(p.file)
	if err != nil {
		d.caution(at, path, faultf("weir waits for it", "%s cannot be read: %s", p.file, err))
		return
	}
	var all *Errors
	if _, err := ParseBackends(p.file, data); errors.As(err, &all) {
		d.caution(at, path, faultf("weir waits until it is right", "%s", all.Problems[0]))
	}
}

// warnAffinity finds an affinity that does what the policy does anyway.
func (d *decoder) warnAffinity(p *pool) {
	if p.facts.Policy != policies.Maglev || p.relay.Affinity != p.relay.Hash {
		return
	}
	i := slices.IndexFunc(keys(), func(c choice[policies.Key]) bool { return c.value == p.relay.Hash })
	d.caution(d.inPool(p, "affinity"), p.path+".affinity", faultf("write affinity: none, or take another policy",
		"it adds nothing: with hash: %s, maglev sends the same %[1]s to the same connector anyway", keys()[i].word))
}

// warnConsul looks for a Consul that has nothing to do.
func (d *decoder) warnConsul(w *draft) {
	if w.Consul == nil || w.Consul.Register || slices.ContainsFunc(w.pools, func(p *pool) bool { return p.consul != nil }) {
		return
	}
	d.caution(d.where("consul"), "consul", faultf("give a pool consul: {service: NAME}, or leave the section out",
		"no pool is found through it and this replica does not register: only drain flags are shared"))
}

// warnShutdown looks for a connector that may still be thinking of a message
// when the process ends.
func (d *decoder) warnShutdown(w *draft) {
	longest := slices.MaxFunc(w.pools, func(a, b *pool) int { return cmp.Compare(finalDot(a), finalDot(b)) })
	if final := finalDot(longest); w.ShutdownTimeout < final {
		d.caution(d.where("shutdown_timeout", longest.path+".timeouts.final_dot", "pool_defaults.timeouts.final_dot"), "shutdown_timeout",
			faultf("make it "+short(final)+" or more", "%s is less than the longest final_dot, %s of %s: a message may be cut while its answer is awaited",
				short(w.ShutdownTimeout), short(final), longest.path))
	}
}

func finalDot(p *pool) time.Duration {
	return min(p.relay.Timeouts[backend.StageFinalDot], bounds()[backend.StageFinalDot])
}

func (d *decoder) warnTimeouts(p *pool) {
	for stage, bound := range bounds() {
		key := "timeouts." + backend.Stage(stage).String()
		if got := p.relay.Timeouts[stage]; got > bound {
			d.caution(d.inPool(p, key), p.path+"."+key,
				faultf("make it "+short(bound)+" or less", "%s has no effect: senders give up, so weir answers after %s at this stage (RFC 5321 section 4.5.3.2)", short(got), short(bound)))
		}
	}
}

// inPool is where a pool's value comes from: the pool itself or pool_defaults.
func (d *decoder) inPool(p *pool, key string) position {
	return d.where(p.path+"."+key, "pool_defaults."+key, p.path)
}

func (d *decoder) caution(at position, path string, bad *fault) {
	d.warnings = append(d.warnings, Problem{
		File: d.file, Line: at.line, Column: at.column, Path: path, What: bad.what, Remedy: bad.remedy,
	})
}

// short is a duration as people write it: 10m, not 10m0s.
func short(d time.Duration) string {
	s := d.String()
	for _, tail := range []string{"m0s", "h0m"} {
		if len(s) > len(tail) && s[len(s)-len(tail):] == tail {
			s = s[:len(s)-2]
		}
	}
	return s
}
