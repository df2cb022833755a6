package haproxy

import (
	"fmt"
	"slices"
	"strings"
)

// mailPorts are those that SMTP is expected on: relay, submission over TLS,
// submission, and the other port of many a provider.
func mailPorts() []string { return []string{"25", "465", "587", "2525"} }

// pick finds the sections that carry SMTP: those that listen, and those whose
// servers are used. What is left out is noted.
func (t *translation) pick(all []*section) (fronts, pools []*section) {
	byName := map[string]*section{}
	for _, s := range all {
		if s.kind == "backend" || s.kind == "listen" {
			byName[s.name] = s
		}
	}
	used := map[*section]bool{}
	for _, s := range all {
		switch {
		case s.kind != "frontend" && s.kind != "listen" || !carriesMail(s, byName) || disabled(s):
			continue
		case s.kind == "listen" && hasServers(s):
			used[s] = true
		}
		fronts = append(fronts, s)
		for _, l := range s.lines {
			if target := byName[l.arg(1)]; target != nil && (l.is("default_backend") || l.is("use_backend")) {
				used[target] = true
			}
		}
	}
	for _, s := range all {
		if used[s] || s.kind == "backend" && checksMail(s) && !disabled(s) {
			pools = append(pools, s)
		}
		if !slices.Contains(fronts, s) && !slices.Contains(pools, s) {
			t.leftOut(s)
		}
	}
	return fronts, pools
}

// carriesMail reports whether a section that listens does so for SMTP.
func carriesMail(s *section, byName map[string]*section) bool {
	if mode, ok := s.last("mode"); ok && mode.arg(1) != "tcp" {
		return false
	}
	for _, b := range binds(s) {
		if _, port := splitAddress(b.address); slices.Contains(mailPorts(), port) {
			return true
		}
	}
	if checksMail(s) {
		return true
	}
	l, ok := s.last("default_backend")
	return ok && byName[l.arg(1)] != nil && checksMail(byName[l.arg(1)])
}

// checksMail reports whether a section's servers are asked for SMTP.
func checksMail(s *section) bool {
	for _, l := range slices.Backward(s.lines) {
		switch {
		case l.is("option", "smtpchk"):
			return true
		case l.is("no", "option", "smtpchk"), l.is("option", "httpchk"), l.is("option", "tcp-check"), l.is("option", "ssl-hello-chk"),
			l.is("option", "mysql-check"), l.is("option", "pgsql-check"), l.is("option", "redis-check"), l.is("option", "ldap-check"):
			return false // the last kind of check is the one that is used
		}
	}
	return false
}

func hasServers(s *section) bool {
	return slices.ContainsFunc(s.lines, func(l line) bool { return l.is("server") || l.is("server-template") })
}

// disabled reports whether a whole section is switched off.
func disabled(s *section) bool {
	for _, l := range slices.Backward(s.lines) {
		switch {
		case l.is("disabled"):
			return true
		case l.is("enabled"):
			return false
		}
	}
	return false
}

// leftOut notes a section that is not translated.
func (t *translation) leftOut(s *section) {
	why := "it is not about SMTP"
	switch s.kind {
	case "defaults":
		return // its lines are told of where they are inherited
	case "resolvers":
		why = "a pool's dns names its resolver itself"
	case "global":
		why = "it sets up HAProxy's own process; weir has the keys hostname, log, state_dir and admin"
	case "frontend", "listen", "backend":
		if disabled(s) {
			why = "it is disabled"
		}
	case "peers":
		why = "weir's replicas share their state over Consul"
	}
	t.head = append(t.head, note{s.number, t.comment(s.number, strings.TrimSpace(s.kind+" "+s.name), "left out, because "+why)})
}

// bind is one address that a section listens on.
type bind struct {
	line
	address string
	params  []string
}

// param is one of the words behind the address, or "".
func (b bind) param(i int) string {
	if i < len(b.params) {
		return b.params[i]
	}
	return ""
}

// binds lists a section's addresses, of which a line may have several.
func binds(s *section) []bind {
	var all []bind
	add := func(l line, list string, params []string) {
		for address := range strings.SplitSeq(list, ",") {
			all = append(all, bind{l, address, params})
		}
	}
	if list := s.arg(2); s.kind != "backend" && strings.Contains(list, ":") {
		add(s.line, list, nil) // listen NAME ADDRESS, as old files have it
	}
	for _, l := range s.lines {
		if l.is("bind") && len(l.words) > 1 {
			add(l, l.words[1], l.words[2:])
		}
	}
	return all
}

// comment is what is told of a line, in the result and as a note.
func (t *translation) comment(number int, what, told string) string {
	t.notes = append(t.notes, note{number, fmt.Sprintf("%s:%d: %s: %s", t.name, number, printable(what), printable(told))})
	return fmt.Sprintf("haproxy line %d: %s: %s", number, printable(what), printable(told))
}
