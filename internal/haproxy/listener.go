package haproxy

import (
	"net"
	"strconv"
)

// listener is one address to listen on.
type listener struct {
	line     int
	name     string
	address  string
	pool     string
	ssl      bool // from the first octet
	tls13    bool // and no older version
	limits   limits
	comments []string
	off      string // why it is no listener yet; it is written as a comment
}

// adminAddress is where weir's own admin server is by default.
const adminAddress = "127.0.0.1:8025"

// listen makes listeners of a section's addresses.
func (t *translation) listen(s *section, known map[string]*pool, names map[string]bool) {
	target := s.name
	l, given := s.last("default_backend")
	if given {
		target = l.arg(1)
	}
	var comments []string
	var lim limits
	for _, l := range s.lines {
		if l.is("maxconn") && atMost(l.arg(1)) > 0 {
			lim.connections = atMost(l.arg(1))
			continue
		}
		if lim.take(l, s) {
			continue
		}
		if s.kind == "listen" && known[s.name] != nil && !frontOnly(l) {
			continue // told of with the pool
		}
		comments = t.tell(comments, l, frontReason)
	}
	p := known[target]
	for i, b := range binds(s) {
		one := &listener{line: b.number, name: unique(clean(s.name), names), limits: lim}
		if i == 0 {
			one.comments = comments
		}
		switch {
		case p == nil && given:
			one.off = "there is no backend " + printable(target)
		case p == nil:
			one.off = "it has no default_backend: which connectors would get its mail is decided by rules"
		case !p.usable():
			one.off = "no server of " + printable(target) + " can be used"
		default:
			one.pool = p.name
		}
		t.bind(one, b)
		t.listeners = append(t.listeners, one)
	}
}

// bind gives a listener its address, or the reason why it has none.
func (t *translation) bind(l *listener, b bind) {
	host, port := splitAddress(b.address)
	where, ok := listenHost(host)
	n := portNumber(port)
	l.address = net.JoinHostPort(where, strconv.Itoa(n))
	for i := 0; i < len(b.params); i++ {
		if took := t.bindParam(l, b, b.params[i], b.param(i+1)); took > 0 {
			i += took - 1
			continue
		}
		switch word := b.params[i]; word {
		case "v4v6", "transparent":
		case "interface", "maxconn", "mss", "id", "backlog", "user", "group", "mode", "uid", "gid", "tcp-ut", "nice", "process", "thread", "shards":
			i++
			fallthrough
		default:
			l.comments = append(l.comments, t.comment(b.number, word, "not translated, because weir has no such setting for an address"))
		}
	}
	switch {
	case l.off != "":
	case !ok:
		l.off = "it is not an IP address"
	case n == 0:
		l.off = "it names no port, or several"
	case n == 465 && !l.ssl:
		l.off = "port 465 is TLS from the first octet, which the servers answered: write tls: {mode: implicit} for weir to end it, or mode: tcp with a pool of its own that has tls: {mode: implicit}"
	case overlap(l.address, adminAddress):
		l.off = "weir's own admin server is at " + adminAddress
	}
	for _, other := range t.listeners {
		if l.off == "" && other.off == "" && overlap(l.address, other.address) {
			l.off = "it overlaps with " + other.address + " of line " + strconv.Itoa(other.line)
		}
	}
	if l.off != "" {
		l.comments = append(l.comments, t.comment(b.number, "bind "+b.address, "commented out, because "+l.off))
	}
}

// frontOnly reports whether a line of a listen section is about senders.
func frontOnly(l line) bool {
	switch l.words[0] {
	case "tcp-request", "acl", "use_backend", "maxconn", "monitor-uri", "monitor-net", "rate-limit":
		return true
	}
	return l.is("timeout", "client")
}

// poolOnly reports whether a line of defaults says nothing of senders.
func poolOnly(l line) bool {
	switch l.words[0] {
	case "balance", "default-server", "retries", "fullconn", "hash-type", "source":
		return true
	case "timeout":
		return l.arg(1) != "client"
	case "option":
		switch l.arg(1) {
		case "smtpchk", "redispatch", "allbackups", "tcp-check", "httpchk", "srvtcpka":
			return true
		}
	}
	return false
}

// frontReason says why a line about senders has no equivalent; "" for a line
// that is translated elsewhere, or says nothing.
func frontReason(l line) string {
	if l.inherited && poolOnly(l) {
		return ""
	}
	switch l.words[0] {
	case "bind", "mode", "default_backend", "server", "enabled":
		return ""
	case "use_backend", "acl":
		return "not translated, because weir chooses a pool by recipient and sender, not by rules on the connection: routes"
	case "tcp-request", "rate-limit", "stick-table":
		return "not translated, because weir bounds senders by their addresses alone: limits: {per_ip, rate_per_ip, allow, deny, tarpit}"
	case "timeout":
		if l.arg(1) == "client" {
			return "not translated, because weir's patience with senders is by stage, and long enough for RFC 5321 section 4.5.3.2: timeouts: {command, data, greeting}"
		}
	case "maxconn":
		return "not translated, because it is not a number"
	}
	return commonReason(l)
}

// commonReason is for lines that may stand anywhere.
func commonReason(l line) string {
	const logs = "not translated, because weir logs a line for every transaction by itself"
	switch l.words[0] {
	case "log", "log-format", "log-tag", "capture", "unique-id-format", "error-log-format":
		return logs
	case "stats", "http-request", "http-response", "monitor-uri", "monitor-net", "errorfile", "compression", "cookie", "http-reuse", "rspadd", "reqadd":
		return "not translated, because it is about HTTP"
	case "option":
		switch l.arg(1) {
		case "tcplog", "dontlognull", "log-health-checks", "log-separate-errors", "logasap", "dontlog-normal", "httplog":
			return logs
		case "tcpka", "clitcpka", "srvtcpka":
			return "not translated, because weir has timeouts for each stage of SMTP"
		case "redispatch":
			return "not translated, because weir always tries the next connector, up to the end of the message"
		}
	case "retries":
		return "not translated, because weir tries each eligible connector once for a message"
	case "timeout":
		return "not translated, because weir's timeouts are by stage of SMTP: timeouts"
	case "maxconn":
		return "not translated, because it bounds all senders of this section: limits: {connections: N} of a listener"
	case "description", "id":
		return "not translated, because it is for people only"
	}
	return "not translated, because weir has no such setting"
}

// tell adds a comment on a line that has no equivalent. A line of defaults is
// told of once, at the head.
func (t *translation) tell(comments []string, l line, reason func(line) string) []string {
	why := reason(l)
	switch {
	case why == "" || l.inherited && t.told[l.number]:
	case l.inherited:
		t.told[l.number] = true
		t.head = append(t.head, note{l.number, t.comment(l.number, l.text(), why)})
	default:
		comments = append(comments, t.comment(l.number, l.text(), why))
	}
	return comments
}

// atMost is a number from 1 to a hundred million, or 0.
func atMost(s string) int {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n > 100_000_000 {
		return 0
	}
	return int(n)
}
