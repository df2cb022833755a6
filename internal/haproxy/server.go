package haproxy

import (
	"strconv"
	"strings"
	"time"
)

// server is one server line.
type server struct {
	line     int
	name     string
	address  string
	weight   int // 0: none given
	cost     int
	backup   bool
	maxConns int // 0: no limit
	peer     peer
	comments []string
	off      string // why it is commented out
}

// server translates one server line. It begins with what default-server says;
// port is for an address without one.
func (t *translation) server(p *pool, l line, defaults server, port int) {
	s := &defaults
	s.line, s.name, s.address = l.number, clean(l.arg(1)), serverAddress(l.arg(2), port)
	taken := map[string]bool{}
	for _, other := range p.servers {
		taken[other.name] = true
	}
	s.name = unique(s.name, taken)
	t.params(p, &s.comments, l, tail(l.words, 3), s)
	if s.off == "" {
		s.off = p.place(s, l, port)
	}
	if s.address == "" {
		s.address = l.arg(2)
	}
	if s.off != "" {
		s.comments = append(s.comments, t.comment(l.number, "server "+l.arg(1)+" "+l.arg(2), "commented out, because "+s.off))
	}
	p.servers = append(p.servers, s)
}

// place says why a server cannot stand in the pool's list. One with a host name
// becomes the pool's name in DNS instead.
func (p *pool) place(s *server, l line, port int) string {
	if s.address != "" {
		for _, other := range p.servers {
			if other.off == "" && other.address == s.address {
				return "its address is that of " + other.name + " too"
			}
		}
		return ""
	}
	host, service := splitAddress(l.arg(2))
	d := &dnsName{line: l.number, name: strings.TrimSuffix(host, "."), port: portNumber(service)}
	if service == "" {
		d.port = port
	}
	switch {
	case !isDomain(d.name):
		return "it has no IP address and no host name that weir can use"
	case d.port == 0:
		return "it has no port that weir can use"
	case p.dns != nil:
		return "it is a host name, and a pool takes one: write its IP address"
	}
	p.dns = d
	return "it is a host name: the pool's dns finds its addresses"
}

// params takes the words behind a server's address.
func (t *translation) params(p *pool, comments *[]string, l line, params []string, s *server) {
	h := &p.health
	for i := 0; i < len(params); i++ {
		word, next := params[i], ""
		if i+1 < len(params) {
			next = params[i+1]
		}
		if took := t.peerParam(s, comments, l, word, next); took > 0 {
			i += took - 1
			continue
		}
		switch word {
		case "check", "no-check", "stick", "non-stick":
		case "enabled":
			s.off = ""
		case "resolvers", "init-addr", "resolve-prefer", "resolve-net", "resolve-opts":
			i++ // of names, which weir resolves all the time
		case "backup":
			s.backup = true
		case "disabled":
			s.off = "it is disabled"
		case "weight":
			s.weigh(next)
			i++
		case "maxconn":
			s.maxConns = atMost(next)
			i++
		case "inter":
			t.time(&h.interval, comments, l, word, next)
			i++
		case "fastinter":
			t.time(&h.fast, comments, l, word, next)
			i++
		case "slowstart":
			t.time(&p.slowStart, comments, l, word, next)
			i++
		case "rise":
			t.number(&h.rise, comments, l, word, next)
			i++
		case "fall":
			t.number(&h.fall, comments, l, word, next)
			i++
		default:
			if takesValue(word) {
				i++
				word = strings.TrimSpace(word + " " + next)
			}
			*comments = append(*comments, t.comment(l.number, word, paramReason(word)))
		}
	}
}

// weigh takes a weight. HAProxy's 0 sends nothing new there, and its largest is 256.
func (s *server) weigh(text string) {
	switch n, err := strconv.ParseUint(text, 10, 16); {
	case err != nil || n > 256:
		s.off = "its weight is not a number from 0 to 256"
	case n == 0:
		s.off = "with weight 0 it gets no mail; here that is a drain"
	default:
		s.weight = int(n)
	}
}

// time takes a duration for the whole pool: the first one given.
func (t *translation) time(dst *time.Duration, comments *[]string, l line, word, text string) {
	d, ok := duration(text)
	switch {
	case !ok:
		*comments = append(*comments, t.comment(l.number, word+" "+text, "not translated, because it is not a duration that weir takes"))
	case *dst != 0 && *dst != d:
		t.differs(comments, l, word, dst.String(), text)
	default:
		*dst = d
	}
}

// number takes a count for the whole pool: the first one given.
func (t *translation) number(dst *int, comments *[]string, l line, word, text string) {
	n := atMost(text)
	switch {
	case n == 0:
		*comments = append(*comments, t.comment(l.number, word+" "+text, "not translated, because it is not a number above 0"))
	case *dst != 0 && *dst != n:
		t.differs(comments, l, word, strconv.Itoa(*dst), text)
	default:
		*dst = n
	}
}

// takesValue reports whether a word behind a server's address has another one
// behind it.
func takesValue(word string) bool {
	switch word {
	case "downinter", "minconn", "maxqueue", "port", "addr", "source", "cookie", "id", "track", "observe", "on-error", "on-marked-down",
		"on-marked-up", "error-limit", "crl-file", "crt", "alpn", "check-alpn", "ciphers",
		"ciphersuites", "namespace", "agent-addr", "agent-port", "agent-inter", "agent-send", "ssl-min-ver", "ssl-max-ver", "pool-max-conn",
		"pool-purge-delay", "pool-low-conn", "proto", "check-proto", "redir", "interface", "tcp-ut", "socks4", "ws", "max-reuse", "log-proto",
		"proxy-v2-options", "set-proxy-v2-tlv-fmt", "shard", "guid", "curves", "sigalgs", "client-sigalgs", "max-send-idle":
		return true
	}
	return false
}

// paramReason says why a word behind a server's address has no equivalent.
func paramReason(word string) string {
	first, _, _ := strings.Cut(word, " ")
	switch first {
	case "crl-file", "crt", "alpn", "check-alpn", "ciphers", "ciphersuites", "ssl-min-ver", "ssl-max-ver":
		return "not translated, because weir has no such setting for TLS with connectors: it speaks 1.2 or later, and shows no certificate"
	case "port", "addr", "check-via-socks4", "check-proto", "track":
		return "not translated, because weir probes a connector where its mail goes"
	case "downinter":
		return "not translated, because weir probes a connector that is down as often as one that is up"
	case "observe", "on-error", "error-limit", "on-marked-down", "on-marked-up":
		return "not translated, because weir judges connectors by live mail anyway: breaker and ejection"
	case "minconn", "maxqueue":
		return "not translated, because limits of connectors do not change with the load: max_connections and queue_timeout"
	case "id", "cookie", "guid":
		return "not translated, because a connector is known by its name"
	}
	return "not translated, because weir has no such setting"
}
