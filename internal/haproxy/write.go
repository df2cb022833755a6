package haproxy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// page is a file that is being written. Lines may be written as comments.
type page struct {
	strings.Builder
	off bool
}

// line writes one line, indented by blanks.
func (p *page) line(indent int, format string, args ...any) {
	if p.off {
		p.WriteString(strings.Repeat(" ", indent) + "# " + fmt.Sprintf(format, args...) + "\n")
		return
	}
	p.WriteString(strings.Repeat(" ", indent) + fmt.Sprintf(format, args...) + "\n")
}

// comments writes comments, one a line.
func (p *page) comments(indent int, all []string) {
	for _, c := range all {
		p.WriteString(strings.Repeat(" ", indent) + "# " + c + "\n")
	}
}

// write writes the translation as a config file.
func (t *translation) write() []byte {
	p := &page{}
	p.comments(0, []string{
		"Made from " + printable(t.name) + ". Lines that begin with \"haproxy line\" tell what became",
		"of a line there that is not the same here. Before use: weir check -c FILE",
		"HAProxy passed SMTP through, with STARTTLS and AUTH. Weir ends the session itself",
		"and chooses a connector for each message: it offers STARTTLS by certificates of its own, and",
		"AUTH where it reaches the connectors by required TLS. mode: tcp passes through as HAProxy did.",
	})
	slices.SortStableFunc(t.head, func(a, b note) int { return a.line - b.line })
	for _, n := range t.head {
		p.comments(0, []string{n.text})
	}
	p.line(0, "listeners:")
	for _, l := range t.listeners {
		l.write(p)
	}
	p.line(0, "pools:")
	for _, one := range t.pools {
		one.write(p)
	}
	return []byte(p.String())
}

func (l *listener) write(p *page) {
	p.comments(2, l.comments)
	p.off = l.off != ""
	defer func() { p.off = false }()
	p.line(2, "- name: %s", plain(l.name))
	p.line(2, "  address: %q", l.address)
	if l.pool != "" {
		p.line(2, "  pool: %s", plain(l.pool))
	}
	switch {
	case l.ssl && l.tls13:
		p.line(2, "  tls: {mode: implicit, min_version: %q}", "1.3")
	case l.ssl:
		p.line(2, "  tls: {mode: implicit}")
	}
	l.limits.write(p)
}

func (one *pool) write(p *page) {
	off := !one.usable()
	p.off = off
	p.line(2, "%s:", plain(one.name))
	p.comments(4, one.comments)
	one.peer.write(p)
	one.choice.write(p)
	if one.connect > 0 {
		p.line(4, "timeouts: {connect: %s}", short(one.connect))
	}
	if one.queue > 0 {
		p.line(4, "queue_timeout: %s", short(one.queue))
	}
	if one.maxConns > 0 {
		p.line(4, "max_connections: %d", one.maxConns)
	}
	if one.slowStart > 0 {
		p.line(4, "slow_start: %s", short(one.slowStart))
	}
	if keys := one.health.keys(); len(keys) > 0 {
		p.line(4, "health: {%s}", strings.Join(keys, ", "))
	}
	if one.dns != nil {
		p.line(4, "dns: {%s}", one.dns.keys())
	}
	one.writeServers(p)
	p.off = false
}

func (one *pool) writeServers(p *page) {
	usable := false
	for _, s := range one.servers {
		usable = usable || s.off == ""
	}
	off := p.off
	p.off = !usable
	if len(one.servers) > 0 {
		p.line(4, "backends:")
	}
	for _, s := range one.servers {
		p.comments(6, s.comments)
		p.off = s.off != ""
		keys := []string{fmt.Sprintf("address: %q", printable(s.address)), "name: " + plain(s.name)}
		if s.weight > 0 {
			keys = append(keys, "weight: "+strconv.Itoa(s.weight))
		}
		if s.cost > 0 {
			keys = append(keys, "cost: "+strconv.Itoa(s.cost))
		}
		p.line(6, "- {%s}", strings.Join(keys, ", "))
	}
	p.off = off
}

func (h health) keys() []string {
	var keys []string
	if h.probe != "" {
		keys = append(keys, "probe: "+h.probe)
	}
	for _, d := range []struct {
		key   string
		value time.Duration
	}{{"interval", h.interval}, {"fast_interval", h.fast}} {
		if d.value > 0 {
			keys = append(keys, d.key+": "+short(d.value))
		}
	}
	for _, n := range []struct {
		key   string
		value int
	}{{"rise", h.rise}, {"fall", h.fall}} {
		if n.value > 0 {
			keys = append(keys, n.key+": "+strconv.Itoa(n.value))
		}
	}
	return keys
}

func (d *dnsName) keys() string {
	text := fmt.Sprintf("host: %s, port: %d", plain(d.name), d.port)
	if d.srv {
		text = fmt.Sprintf("srv: %q", d.name)
	}
	if d.resolver != "" {
		text += fmt.Sprintf(", resolver: %q", d.resolver)
	}
	return text
}

// plain is a name, in quotes where YAML could take it for something else.
func plain(s string) string {
	switch strings.ToLower(s) {
	case "true", "false", "null", "yes", "no", "on", "off", "y", "n":
		return strconv.Quote(s)
	}
	odd := strings.IndexFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._-", r)
	})
	if first := s[0] | 0x20; odd >= 0 || first < 'a' || first > 'z' {
		return strconv.Quote(s)
	}
	return s
}

// short is a duration as people write it: 10m, not 10m0s.
func short(d time.Duration) string {
	s := d.String()
	for _, tail := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, tail) {
			s = s[:len(s)-2]
		}
	}
	return s
}
