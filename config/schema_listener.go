package config

import (
	"crypto/tls"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"weir/balancer"
	"weir/balancer/gate"
	"weir/internal/certs"
)

// listenerList is the rule for the list of listeners.
func (w *draft) listenerList() rule {
	read := func(d *decoder, v value) {
		items, ok := d.list(v)
		if ok && len(items) == 0 {
			d.report(v.at, v.path, noListeners())
		}
		for _, item := range items {
			l := newListener()
			d.section(item, listenerFields(&l))
			l.path = item.path
			w.listeners = append(w.listeners, l)
		}
	}
	show := func(whole bool) *node {
		return showList(w.listeners, whole, listenerFields, newListener(), func(l *listener) string { return l.Name })
	}
	return rule{keys: listenerFields(new(listener)), each: "[]", read: read, show: show}
}

func listenerFields(l *listener) []field {
	return []field{
		{"name", scalar(&l.Name, name)},
		{"address", scalar(&l.Address, listenAddress)},
		{"mode", oneOf(&l.Mode, []choice[balancer.Mode]{{"smtp", balancer.ModeSMTP}, {"tcp", balancer.ModeTCP}})},
		{"pool", scalar(&l.Pool, text)},
		{"routes", scalar(&l.routes, flag)},
		{"accept_domains", domainList(&l.accept)},
		{"greeting_delay", scalar(&l.GreetingDelay, durationOrZero)},
		{"tls", section(edgeFields(l)...)},
		{"proxy_protocol", section(field{"trust", scalars(&l.Proxy, network)})},
		{"exempt", scalars(&l.Exempt, network)},
		{"xclient", section(field{"trust", scalars(&l.XClient, network)})},
		{"limits", section(limitFields(&l.Limits)...)},
		{"timeouts", section(
			field{"command", scalar(&l.Timeouts.Command, duration)},
			field{"data", scalar(&l.Timeouts.Data, duration)},
			field{"greeting", scalar(&l.Timeouts.Greeting, duration)},
		)},
		{"bare_newlines", oneOf(&l.RejectBare, []choice[bool]{{"normalize", false}, {"reject", true}})},
		{"received_header", oneOf(&l.Received, []choice[balancer.ReceivedHeader]{
			{"auto", balancer.ReceivedAuto}, {"always", balancer.ReceivedAlways}, {"never", balancer.ReceivedNever},
		})},
		{"max_hops", scalar(&l.MaxHops, atLeast(1))},
		{"auth_pool", scalar(&l.AuthPool, text)},
	}
}

func limitFields(l *balancer.Limits) []field {
	return []field{
		{"connections", scalar(&l.Connections, atLeast(0))},
		{"per_ip", scalar(&l.PerIP, atLeast(0))},
		{"rate_per_ip", scalar(&l.Rate, rate)},
		{"messages_per_connection", scalar(&l.MessagesPerConnection, atLeast(0))},
		{"recipients", scalar(&l.Recipients, atLeast(0))},
		{"message_size", scalar(&l.MessageSize, sizeOrZero)},
		{"errors", scalar(&l.Errors, atLeast(0))},
		{"session", scalar(&l.Session, durationOrZero)},
		{"allow", scalars(&l.Allow, network)},
		{"deny", scalars(&l.Deny, network)},
		{"tarpit", scalar(&l.Tarpit, tarpit)},
	}
}

// edgeFields is the table of TLS with senders.
func edgeFields(l *listener) []field {
	return []field{
		{"mode", oneOf(&l.TLS, []choice[balancer.TLSMode]{
			{"off", balancer.TLSOff}, {"starttls", balancer.TLSStartTLS}, {"required", balancer.TLSRequired}, {"implicit", balancer.TLSImplicit},
		})},
		{"certificates", pairs(&l.edge.Certificates)},
		{"min_version", minVersion(&l.edge.MinVersion)},
		{"client_ca", file(&l.edge.ClientCA)},
		{"ticket_keys", file(&l.edge.TicketKeys)},
	}
}

// minVersion is the rule for the oldest version of TLS.
func minVersion(dst *uint16) rule {
	r := oneOf(dst, []choice[uint16]{{"1.2", tls.VersionTLS12}, {"1.3", tls.VersionTLS13}})
	read := r.read
	r.read = func(d *decoder, v value) {
		if old, _ := v.node.(ast.ScalarNode); old != nil && (rawText(v.node) == "1.0" || rawText(v.node) == "1.1") {
			d.reject(v, `use "1.2" or "1.3"`, "TLS %s is broken and given up (RFC 8996)", rawText(v.node))
			return
		}
		read(d, v)
	}
	return r
}

// pairs is the rule for a list of certificates and their keys. Their files are
// read once the whole listener is known; see [decoder.checkEdge].
func pairs(dst *[]certs.Pair) rule {
	read := func(d *decoder, v value) {
		items, ok := d.list(v)
		if !ok {
			return
		}
		*dst = nil
		for _, item := range items {
			var p certs.Pair
			if d.section(item, pairFields(&p)) {
				for _, half := range []struct{ key, path string }{{"cert", p.Cert}, {"key", p.Key}} {
					if half.path == "" && !d.faulty(item.path+"."+half.key) {
						d.reject(item, "for example {cert: mx.pem, key: mx.key}; both may be one file", "the certificate has no %s", half.key)
					}
				}
			}
			*dst = append(*dst, p)
		}
	}
	show := func(bool) *node {
		return showList(*dst, true, pairFields, certs.Pair{}, func(p *certs.Pair) string { return p.Cert })
	}
	return rule{keys: pairFields(new(certs.Pair)), each: "[]", read: read, show: show}
}

func pairFields(p *certs.Pair) []field {
	return []field{
		{"cert", file(&p.Cert)},
		{"key", file(&p.Key)},
	}
}

// units are those of a rate.
func units() []choice[time.Duration] {
	return []choice[time.Duration]{{"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}}
}

// rate accepts a number of events in a second, a minute or an hour; 0 is no limit.
func rate(s string) (gate.Rate, *fault) {
	const remedy = "for example 100/s, 1000/m or 5000/h, or 0 for no limit"
	events, unit, hasUnit := strings.Cut(s, "/")
	n, err := strconv.Atoi(events)
	switch {
	case !digits(events) || err != nil:
		return gate.Rate{}, faultf(remedy, "%q is not a rate", s)
	case n == 0:
		return gate.Rate{}, nil
	case n > maxRate:
		return gate.Rate{}, faultf(remedy, "%d is more than %d", n, maxRate)
	case !hasUnit:
		return gate.Rate{}, faultf("for example "+events+"/s or "+events+"/m", "%q has no unit", s)
	}
	for _, u := range units() {
		if u.word == unit {
			return gate.Rate{Events: n, Per: u.value}, nil
		}
	}
	return gate.Rate{}, faultf(remedy, "%q is not a rate", s)
}

// maxRate is the highest rate, in events a unit.
const maxRate = 1_000_000

// rateText is a rate as a file writes it.
func rateText(r gate.Rate) string {
	for _, u := range units() {
		if r.Events > 0 && r.Per == u.value {
			return strconv.Itoa(r.Events) + "/" + u.word
		}
	}
	return "0"
}
