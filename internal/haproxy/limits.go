package haproxy

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// limits is what HAProxy was told of who may come in, as far as its rules go by the
// sender's address alone. Zero is nothing.
type limits struct {
	connections int
	perIP       int
	rate        string // such as 20/s
	allow, deny []string
	proxies     []string // from whom a PROXY header is expected
}

// take takes a rule on connections, and reports whether it is one with an equal.
func (m *limits) take(l line, s *section) bool {
	switch {
	case l.is("tcp-request", "connection", "reject"), l.is("tcp-request", "content", "reject"):
		return m.reject(tail(l.words, 3), s)
	case l.is("tcp-request", "connection", "expect-proxy", "layer4"):
		nets, ok := sources(tail(l.words, 5))
		if ok && l.arg(4) == "if" {
			m.proxies = append(m.proxies, nets...)
		}
		return ok && l.arg(4) == "if"
	case l.is("tcp-request", "connection", "track-sc0", "src"), l.is("tcp-request", "content", "track-sc0", "src"), l.is("stick-table"):
		return counts(s) // it serves a rule that is taken
	}
	return false
}

// reject takes the condition of a rule that refuses.
func (m *limits) reject(condition []string, s *section) bool {
	if len(condition) < 4 {
		return false
	}
	but := condition[0] == "unless"
	if condition[0] == "if" && condition[1] == "!{" {
		but, condition = true, slices.Concat([]string{"unless", "{"}, condition[2:])
	}
	nets, ok := sources(condition[1:])
	switch {
	case ok && but && m.allow == nil: // a second list would have to hold as well
		m.allow = nets
		return true
	case ok && !but && condition[0] == "if":
		m.deny = append(m.deny, nets...)
		return true
	}
	return condition[0] == "if" && m.count(condition[1:], s)
}

// count takes "{ src_conn_cur gt 20 }" and the like.
func (m *limits) count(condition []string, s *section) bool {
	what, most, ok := counted(condition)
	switch {
	case !ok:
	case what == "conn_cur":
		m.perIP = most
		return true
	case what == "conn_rate":
		if rate := rateOf(most, s); rate != "" {
			m.rate = rate
			return true
		}
	}
	return false
}

// counted reads what a condition compares, and up to how many pass.
func counted(condition []string) (what string, most int, ok bool) {
	if len(condition) != 5 || condition[0] != "{" || condition[4] != "}" {
		return "", 0, false
	}
	what = strings.TrimSuffix(condition[1], "(0)")
	for _, of := range []string{"src_", "sc0_", "sc_"} {
		if name, found := strings.CutPrefix(what, of); found {
			what = name
			break
		}
	}
	most = atMost(condition[3])
	if condition[2] == "ge" {
		most--
	}
	return what, most, (condition[2] == "gt" || condition[2] == "ge") && most > 0 && most <= 1_000_000
}

// rateOf is so many connections in the period of the section's table, as weir
// writes it; "" where that has no equal.
func rateOf(events int, s *section) string {
	table, _ := s.last("stick-table")
	for _, word := range table.words {
		for one := range strings.SplitSeq(word, ",") {
			period, ok := strings.CutPrefix(one, "conn_rate(")
			d, known := duration(strings.TrimSuffix(period, ")"))
			if !ok || !known || !strings.Contains(table.text(), "type ip") {
				continue
			}
			for _, u := range []struct {
				name string
				long time.Duration
			}{{"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}} {
				if n := events * int(u.long/max(d, 1)); u.long%d == 0 && n > 0 && n <= 1_000_000 {
					return strconv.Itoa(n) + "/" + u.name
				}
			}
		}
	}
	return ""
}

// counts reports whether a section counts senders' connections for a rule that is
// translated, and its table binds nobody.
func counts(s *section) bool {
	if _, binds := s.first("stick"); binds {
		return false
	}
	var m limits
	return slices.ContainsFunc(s.lines, func(l line) bool {
		return (l.is("tcp-request", "connection", "reject") || l.is("tcp-request", "content", "reject")) &&
			l.arg(3) == "if" && m.count(tail(l.words, 4), s)
	})
}

// sources reads "{ src NETWORK… }".
func sources(condition []string) (nets []string, ok bool) {
	n := len(condition)
	if n < 4 || condition[0] != "{" || condition[1] != "src" || condition[n-1] != "}" {
		return nil, false
	}
	for _, word := range condition[2 : n-1] {
		p, err := netip.ParsePrefix(word)
		if ip, bad := netip.ParseAddr(word); bad == nil {
			p, err = netip.PrefixFrom(ip, ip.BitLen()), nil
		}
		if err != nil || p.Addr().Is4In6() || p.Addr().Zone() != "" {
			return nil, false
		}
		nets = append(nets, p.Masked().String())
	}
	return nets, true
}

// write writes the limits of a listener.
func (m *limits) write(p *page) {
	if len(m.proxies) > 0 {
		p.line(2, "  proxy_protocol: {trust: %s}", list(m.proxies))
	}
	var keys []string
	if m.connections > 0 {
		keys = append(keys, fmt.Sprintf("connections: %d", m.connections))
	}
	if m.perIP > 0 {
		keys = append(keys, fmt.Sprintf("per_ip: %d", m.perIP))
	}
	if m.rate != "" {
		keys = append(keys, "rate_per_ip: "+m.rate)
	}
	if len(m.allow) > 0 {
		keys = append(keys, "allow: "+list(m.allow))
	}
	if len(m.deny) > 0 {
		keys = append(keys, "deny: "+list(m.deny))
	}
	if len(keys) > 0 {
		p.line(2, "  limits: {%s}", strings.Join(keys, ", "))
	}
}

// list is a list of words as a file has it.
func list(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = strconv.Quote(w)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
