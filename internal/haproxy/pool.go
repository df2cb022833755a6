package haproxy

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// pool is what becomes of a section with servers.
type pool struct {
	name      string
	comments  []string
	peer      peer // what the servers have in common
	choice    choice
	connect   time.Duration
	queue     time.Duration
	slowStart time.Duration
	maxConns  int
	health    health
	dns       *dnsName
	template  *peer // what a server-template says of its servers; nil: there is none
	servers   []*server
}

// health is what HAProxy was told of its checks. Zero is nothing.
type health struct {
	probe          string
	interval, fast time.Duration
	rise, fall     int
}

// dnsName is a name whose addresses are the servers.
type dnsName struct {
	line     int
	srv      bool
	name     string
	port     int
	resolver string
}

// usable reports whether the pool has a source of connectors.
func (p *pool) usable() bool {
	return p.dns != nil || slices.ContainsFunc(p.servers, func(s *server) bool { return s.off == "" })
}

// pool translates a section's lines. Port is for servers that name none.
func (t *translation) pool(s *section, name string, port int) *pool {
	p := &pool{name: name}
	defaults := &server{} // what default-server says of each
	backup := 0
	for _, l := range s.lines {
		switch l.words[0] {
		case "server":
			t.server(p, l, *defaults, port)
		case "server-template":
			t.template(p, l, port)
		case "default-server":
			t.params(p, &p.comments, l, l.words[1:], defaults)
		case "option", "no":
			if !l.is("option", "smtpchk") && !l.is("no", "option", "smtpchk") {
				p.comments = t.tell(p.comments, l, poolReason)
			}
		case "timeout":
			if !p.timeout(l) {
				p.comments = t.tell(p.comments, l, poolReason)
			}
		case "balance": // the last one counts
		case "stick", "stick-table":
			if s.kind == "listen" && l.is("stick-table") && counts(s) {
				continue // taken with the listener
			}
			if !p.sticks(l) {
				p.comments = t.tell(p.comments, l, poolReason)
			}
		default:
			if s.kind == "listen" && frontOnly(l) {
				continue // told of with the listener
			}
			p.comments = t.tell(p.comments, l, poolReason)
		}
	}
	if checksMail(s) {
		p.health.probe = "ehlo"
	}
	_, together := s.last("option", "allbackups")
	for _, one := range p.servers {
		if one.backup {
			one.cost = 10 + backup
			if !together {
				backup++ // HAProxy uses the next only when the one before is down
			}
		}
	}
	if l, ok := s.last("balance"); ok {
		p.balance(t, l)
	}
	p.settle(t)
	p.agree(t)
	p.weigh()
	t.limit(p)
	return p
}

// weigh writes HAProxy's default weight where others of the pool have theirs.
func (p *pool) weigh() {
	if !slices.ContainsFunc(p.servers, func(s *server) bool { return s.weight > 0 }) {
		return
	}
	for _, s := range p.servers {
		s.weight = max(s.weight, 1)
	}
}

// limit takes the lowest limit of the servers: weir has one for the pool.
func (t *translation) limit(p *pool) {
	for _, s := range p.servers {
		if s.off == "" && s.maxConns > 0 && (p.maxConns == 0 || s.maxConns < p.maxConns) {
			p.maxConns = s.maxConns
		}
	}
	for _, s := range p.servers {
		if s.off == "" && s.maxConns != p.maxConns {
			s.comments = append(s.comments, t.comment(s.line, fmt.Sprintf("maxconn %d", s.maxConns),
				fmt.Sprintf("weir has one for the whole pool, the lowest: max_connections: %d", p.maxConns)))
		}
	}
}

// timeout takes the timeouts that mean the same here.
func (p *pool) timeout(l line) bool {
	d, ok := duration(l.arg(2))
	switch {
	case !ok:
		return false
	case l.arg(1) == "connect":
		p.connect = d
	case l.arg(1) == "queue":
		p.queue = d
	default:
		return false
	}
	return true
}

// poolReason says why a line about servers has no equivalent.
func poolReason(l line) string {
	switch l.words[0] {
	case "bind", "mode", "default_backend", "enabled", "maxconn", "server":
		return ""
	case "stick":
		return "not translated, because weir binds senders to a connector by their address or network only, each pool for itself: affinity"
	case "hash-type":
		if l.arg(1) == "consistent" {
			return "" // as policy: maglev is
		}
		return "not translated, because the hash of policy: maglev is always consistent"
	case "fullconn":
		return "not translated, because limits of connectors do not change with the load: max_connections"
	case "timeout":
		switch l.arg(1) {
		case "client":
			return "" // told of with the listener
		case "server":
			return "not translated, because weir's patience with a connector is by stage: timeouts: {banner, ehlo, mail, rcpt, data, body, final_dot}"
		case "check":
			return "not translated, because weir's probes go deeper and take longer than HAProxy's checks: health: {timeout: 15s}"
		case "connect", "queue":
			return "not translated, because it is not a duration that weir takes"
		}
	case "tcp-check", "external-check":
		return "not translated, because weir's probes speak SMTP themselves: health: {probe: envelope}"
	case "source":
		return "not translated, because weir lets the system choose its own address"
	case "use-server":
		return "not translated, because weir has no rules for single connectors"
	case "option":
		switch l.arg(1) {
		case "tcp-check", "external-check", "httpchk", "ssl-hello-chk":
			return "not translated, because weir's probes speak SMTP themselves: health: {probe: envelope}"
		case "allbackups":
			return ""
		}
	}
	return commonReason(l)
}

// template takes a server-template, and its name's addresses, for the pool's.
func (t *translation) template(p *pool, l line, port int) {
	host, service := splitAddress(l.arg(3))
	d := &dnsName{line: l.number, srv: strings.HasPrefix(host, "_"), name: strings.TrimSuffix(host, "."), port: portNumber(service)}
	if d.port == 0 {
		d.port = port
	}
	for i, word := range l.words {
		if word == "resolvers" {
			d.resolver = t.resolvers[l.arg(i+1)]
		}
	}
	switch {
	case !isDomain(d.name) || d.port == 0 && !d.srv:
		p.comments = append(p.comments, t.comment(l.number, l.text(), "commented out, because it has no host name and port that weir can ask for"))
	case p.dns != nil:
		p.comments = append(p.comments, t.comment(l.number, l.text(), "commented out, because a pool takes one name in DNS, and this one has it from line "+strconv.Itoa(p.dns.line)))
	default:
		p.dns = d
		all := &server{}
		t.params(p, &p.comments, l, tail(l.words, 4), all)
		p.maxConns, p.template = all.maxConns, &all.peer
		p.comments = append(p.comments, t.comment(l.number, l.text(), "all addresses of the name are used, however many: dns"))
	}
}

// duration reads HAProxy's: a number with a unit, without one in milliseconds.
// It is false for what weir does not take.
func duration(s string) (time.Duration, bool) {
	const year = 365 * 24 * time.Hour
	number := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyz")
	unit, known := map[string]time.Duration{
		"": time.Millisecond, "us": time.Microsecond, "ms": time.Millisecond, "s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour,
	}[s[len(number):]]
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || !known || n <= 0 || n > int64(year/unit) {
		return 0, false
	}
	return time.Duration(n) * unit, true
}

// serverAddress is an IP address and a port as weir writes them; "" for others.
func serverAddress(s string, port int) string {
	host, service := splitAddress(s)
	if offset, ok := strings.CutPrefix(service, "+"); ok && port > 0 {
		port += portNumber(offset)
	} else if service != "" {
		port = portNumber(service)
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || ip.Zone() != "" || ip.IsUnspecified() || port < 1 || port > 65535 {
		return ""
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(port)).String()
}

func tail(words []string, from int) []string { return words[min(from, len(words)):] }

// differs notes a setting of one server that the pool has otherwise already.
func (t *translation) differs(comments *[]string, l line, key, had, got string) {
	*comments = append(*comments, t.comment(l.number, key+" "+got, fmt.Sprintf("not translated, because weir has one value for the whole pool, and %s is taken already", had)))
}
