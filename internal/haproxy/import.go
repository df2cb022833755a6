package haproxy

import (
	"fmt"
	"slices"
)

// translation is what becomes of one file.
type translation struct {
	name      string
	head      []note // comments above everything
	notes     []note
	listeners []*listener
	pools     []*pool
	resolvers map[string]string // address of the first server of each
	told      map[int]bool      // lines of defaults that were told of
}

// note is what is told of a line.
type note struct {
	line int
	text string
}

// Import makes a config file of weir's from the SMTP part of an haproxy.cfg;
// name stands for that file. The notes say what was not translated and why, one
// a line of the file, with its place; they stand in the result as comments, too.
// An error names its place as well: a file that is no haproxy.cfg, or one of
// which nothing can be used.
func Import(name string, data []byte) (yaml []byte, notes []string, err error) {
	all, err := parse(name, data)
	if err != nil {
		return nil, nil, err
	}
	t := &translation{name: name, resolvers: resolvers(all), told: map[int]bool{}}
	fronts, pools := t.pick(all)
	known := map[string]*pool{}
	names := map[string]bool{}
	for _, s := range pools {
		p := t.pool(s, unique(clean(s.name), names), listenPort(s, fronts))
		known[s.name] = p
		t.pools = append(t.pools, p)
	}
	names = map[string]bool{}
	for _, s := range fronts {
		t.listen(s, known, names)
	}
	if err := t.usable(name); err != nil {
		return nil, t.said(), err
	}
	return t.write(), t.said(), nil
}

// said lists the notes in the file's order.
func (t *translation) said() []string {
	slices.SortStableFunc(t.notes, func(a, b note) int { return a.line - b.line })
	all := make([]string, len(t.notes))
	for i, n := range t.notes {
		all[i] = n.text
	}
	return all
}

// usable reports a translation that would be no config.
func (t *translation) usable(name string) error {
	listeners, pools := 0, 0
	for _, l := range t.listeners {
		if l.off == "" {
			listeners++
		}
	}
	for _, p := range t.pools {
		if p.usable() {
			pools++
		}
	}
	switch {
	case len(t.listeners) == 0:
		return fmt.Errorf("%s: there is no section in tcp mode on port 25, 465, 587 or 2525, and none with option smtpchk: nothing here is SMTP", name)
	case pools == 0:
		return fmt.Errorf("%s: no server of the SMTP part can be used: weir needs one with an IP address or a host name, and not disabled", name)
	case listeners == 0:
		return fmt.Errorf("%s:%d: no address of the SMTP part can be listened on: %s", name, t.listeners[0].line, t.listeners[0].off)
	}
	return nil
}

// unique is a name with a number behind it when it is taken.
func unique(name string, taken map[string]bool) string {
	free := name
	for n := 2; taken[free]; n++ {
		free = fmt.Sprintf("%s-%d", name, n)
	}
	taken[free] = true
	return free
}

// listenPort is the port that senders come in by to a section's servers: where
// a server names none, HAProxy takes that one.
func listenPort(s *section, fronts []*section) int {
	for _, f := range fronts {
		leads := func(l line) bool { return (l.is("default_backend") || l.is("use_backend")) && l.arg(1) == s.name }
		if f != s && !slices.ContainsFunc(f.lines, leads) {
			continue
		}
		for _, b := range binds(f) {
			if _, port := splitAddress(b.address); portNumber(port) > 0 {
				return portNumber(port)
			}
		}
	}
	return 0
}

// resolvers lists the first name server of each section of resolvers.
func resolvers(all []*section) map[string]string {
	found := map[string]string{}
	for _, s := range all {
		if l, ok := s.first("nameserver"); ok && s.kind == "resolvers" {
			found[s.name] = serverAddress(l.arg(2), 53)
		}
	}
	return found
}
