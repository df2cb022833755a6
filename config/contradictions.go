package config

import (
	"time"

	"weir/health"
	"weir/internal/backend"
	"weir/internal/connector"
)

// checkHealth finds what contradicts itself in how a pool is judged.
func (d *decoder) checkHealth(p *pool) {
	h := &p.health
	if b := &h.Breaker; b.OpenMax < b.OpenFor {
		d.contradiction(p, []string{"breaker.open_max", "breaker.open_for"}, faultf("make it "+short(b.OpenFor)+" or more",
			"%s is less than open_for, %s: the time out only grows", short(b.OpenMax), short(b.OpenFor)))
	}
	if e := &h.Ejection; e.MaxPercent == 0 && e.OutlierRatio > 0 {
		d.contradiction(p, []string{"ejection.max_percent", "ejection.outlier_ratio"}, faultf("make it more than 0, or write outlier_ratio: 0",
			"0 contradicts outlier_ratio, %g: outliers are looked for, and none may be ejected", e.OutlierRatio))
	}
	if h.Probe == health.DepthMessage && !d.given(p, "health.probe_to") {
		d.contradiction(p, []string{"health.probe"}, faultf("add probe_to: with an address whose mail may be thrown away",
			"a probe \"message\" delivers a message each time, and there is no probe_to to take them"))
	}
	if len(h.Expect.Capabilities) > 0 && h.Probe < health.DepthEHLO {
		d.contradiction(p, []string{"health.expect.capabilities"}, faultf(`make it probe: ehlo or deeper`,
			"a probe %q ends before EHLO tells the capabilities", h.Probe))
	}
}

// contradiction reports what two values of a pool make of each other: under the
// path of the first, at the place of the first that the file gives.
func (d *decoder) contradiction(p *pool, keys []string, bad *fault) {
	for _, key := range keys {
		if d.faulty(p.path+"."+key) || d.faulty("pool_defaults."+key) {
			return // what the file meant is not known
		}
	}
	at, path := d.where(p.path), p.path+"."+keys[0]
	for _, place := range []string{p.path, "pool_defaults"} {
		for _, key := range keys {
			if d.has(place + "." + key) {
				d.report(d.where(place+"."+key), path, bad)
				return
			}
		}
	}
	d.report(at, path, bad)
}

// given reports whether the file itself gives a pool's value.
func (d *decoder) given(p *pool, key string) bool {
	return d.has(p.path+"."+key) || d.has("pool_defaults."+key)
}

// warnHealth finds what keeps the judgement of a pool from working as the file
// seems to mean it.
func (d *decoder) warnHealth(p *pool) {
	h := &p.health
	spaced := time.Duration(h.Breaker.ConsecutiveFailures+1) * h.Interval
	if w := h.Breaker.Window; w < spaced && (d.given(p, "breaker.window") || d.given(p, "breaker.consecutive_failures")) {
		d.caution(d.inPool(p, "breaker.window"), p.path+".breaker.window", faultf("make it "+short(spaced)+" or more",
			"%s is shorter than %d probes take (consecutive_failures and one more): failures that come one a probe are forgotten before they count",
			short(w), h.Breaker.ConsecutiveFailures+1))
	}
	for stage := range backend.Stages {
		key := "breaker.stuck_after." + stage.String()
		floor, timeout := h.Breaker.StuckAfter[stage], p.relay.Timeouts[stage]
		if floor > timeout && d.given(p, key) {
			d.caution(d.inPool(p, key), p.path+"."+key, faultf("make it less than "+short(timeout),
				"%s has no effect: it is more than the stage's timeout, %s", short(floor), short(timeout)))
		}
	}
	if key := "health.expect.certificate_days"; h.Expect.CertificateDays > 0 && !p.seesCertificates() {
		d.caution(d.inPool(p, key), p.path+"."+key, faultf("make it probe: starttls",
			"%d has no effect: a probe %q sees no certificate here", h.Expect.CertificateDays, h.Probe))
	}
}

// seesCertificates reports whether probes of the pool get to a TLS handshake.
func (p *pool) seesCertificates() bool {
	switch p.tls.Mode {
	case connector.TLSImplicit:
		return p.health.Probe > health.DepthTCP
	case connector.TLSOff:
		return p.health.Probe == health.DepthStartTLS
	default:
		return p.health.Probe >= health.DepthEHLO
	}
}
