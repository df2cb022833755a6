package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Exit codes of monitoring plugins
// (https://www.monitoring-plugins.org/doc/guidelines.html).
const (
	monitorOK = iota
	monitorWarning
	monitorCritical
	monitorUnknown
)

// longDrain is how long a connector may be out before somebody should be
// reminded of it.
const longDrain = 24 * time.Hour

// checkStatus prints the line for a monitoring system.
func checkStatus(ctx context.Context, c *client, wanted string, w io.Writer) error {
	code, text := monitorUnknown, ""
	v, _, err := c.status(ctx)
	if err == nil {
		code, text, err = v.monitor(wanted, time.Now())
	}
	if err != nil {
		text = strings.ReplaceAll(err.Error(), "|", "/")
	}
	word := [...]string{"OK", "WARNING", "CRITICAL", "UNKNOWN"}[code]
	if _, err := fmt.Fprintf(w, "%s - %s\n", word, oneLine(text)); err != nil {
		return err
	}
	if code == monitorOK {
		return nil
	}
	return codedError{errors.New(word), code}
}

// monitor judges everything, a pool, or a connector: the code, and the text with
// its metrics.
func (v *view) monitor(wanted string, now time.Time) (code int, text string, err error) {
	pool, one, err := v.choose(wanted)
	if err != nil {
		return monitorUnknown, "", err
	}
	var j judgement
	switch {
	case one != nil:
		j.connector(one)
		j.metric("%s_inflight=%d;;;0", one.Name, one.InFlight)
	case pool != nil:
		j.pool(pool, now)
	default:
		j.instance(v)
		for _, p := range v.worstFirst() {
			j.pool(p, now)
		}
		j.sources(v, now)
	}
	if j.code == monitorOK && len(j.good) > 0 {
		j.words = j.good
	}
	if len(j.words) == 0 {
		j.words = []string{"there are no pools"}
	}
	text = strings.ReplaceAll(strings.Join(j.words, "; "), "|", "/") // it begins the metrics
	if len(j.metrics) > 0 {
		text += "|" + strings.Join(j.metrics, " ")
	}
	return j.code, text, nil
}

// judgement is what a look has come to so far.
type judgement struct {
	code        int
	words, good []string
	metrics     []string
}

func (j *judgement) bad(code int, format string, args ...any) {
	j.code = max(j.code, code)
	j.words = append(j.words, fmt.Sprintf(format, args...))
}

func (j *judgement) metric(format string, args ...any) {
	j.metrics = append(j.metrics, fmt.Sprintf(format, args...))
}

func (j *judgement) instance(v *view) {
	switch {
	case v.Standby:
		j.bad(monitorWarning, "on standby")
	case !v.Ready:
		j.bad(monitorWarning, "starting or stopping")
	}
}

func (j *judgement) pool(p *poolView, now time.Time) {
	switch p.rank() {
	case nobody:
		j.bad(monitorCritical, "pool %s: none of %s eligible", p.Name, count(p.Total, "connector"))
	case inPanic:
		j.bad(monitorWarning, "pool %s: panic, ejected connectors are used", p.Name)
	case thin:
		j.bad(monitorWarning, "pool %s: %d of %d eligible, min_redundancy is %d", p.Name, p.Eligible, p.Total, p.MinRedundancy)
	default:
		j.good = append(j.good, fmt.Sprintf("pool %s: %d of %d eligible", p.Name, p.Eligible, p.Total))
	}
	if p.Deferring != nil {
		j.bad(monitorWarning, "pool %s: %s", p.Name, p.deferred(now))
	}
	inFlight := int64(0)
	for i := range p.Backends {
		c := &p.Backends[i]
		inFlight += c.InFlight
		if c.takenOut() && now.Sub(c.Since) > longDrain {
			j.bad(monitorWarning, "%s: %s for %s", c.ID, c.State, age(now.Sub(c.Since)))
		}
	}
	// Thresholds as ranges: an alarm below them.
	j.metric("%s_eligible=%d;%d:;1:;0;%d %s_inflight=%d;;;0", p.Name, p.Eligible, max(p.MinRedundancy, 1), p.Total, p.Name, inFlight)
}

func (j *judgement) connector(c *connectorView) {
	words := strings.TrimSuffix(c.ID+": "+c.State+", "+c.Reason, ", ")
	switch {
	case c.Eligible:
		j.good = append(j.good, words)
	case c.takenOut():
		j.bad(monitorWarning, "%s", words)
	default:
		j.bad(monitorCritical, "%s", words)
	}
}

func (j *judgement) sources(v *view, now time.Time) {
	for _, d := range v.Discovery {
		if d.State == "stale" || d.State == "holding" {
			j.bad(monitorWarning, "%s", strings.TrimSuffix(fmt.Sprintf("source %s of pool %s is %s: %s", d.Source, d.Pool, d.State, d.Why), ": "))
		}
	}
	if c := &v.Consul; c.Address != "" && !c.Reachable {
		j.bad(monitorWarning, "%s", strings.TrimSuffix("consul is not reachable: "+c.Error, ": "))
	}
	for i := range v.DNS {
		if words, well := zoneWords(&v.DNS[i], now); !well {
			j.bad(monitorWarning, "zone %s: %s", v.DNS[i].Zone, words)
		}
	}
	if v.Unkept != "" {
		j.bad(monitorWarning, "drain flags are not kept on disk: %s", v.Unkept)
	}
	for i := range v.Replicas {
		switch r := &v.Replicas[i]; {
		case r.Self:
		case !r.Live:
			j.bad(monitorWarning, "replica %s is silent for %s", r.Name, age(now.Sub(r.Seen)))
		case !r.Agrees:
			j.bad(monitorWarning, "replica %s sees other connectors eligible", r.Name)
		}
	}
}

// takenOut reports whether somebody took the connector out on purpose.
func (c *connectorView) takenOut() bool { return c.State == "drain" || c.State == "disabled" }
