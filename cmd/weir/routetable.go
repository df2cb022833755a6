package main

import (
	"fmt"
	"strconv"
	"strings"

	"weir/dashboard"
)

// routes shows where messages would go: for people, each with its pools below it,
// and for programs that read lines.
func (s screen) routes(answers []dashboard.RouteAnswer) string {
	var b strings.Builder
	for i := range answers {
		switch a := &answers[i]; {
		case !s.tty:
			plainRoute(&b, a)
		default:
			if i > 0 {
				b.WriteString("\n")
			}
			s.route(&b, a)
		}
	}
	if s.tty && ways(answers) > 1 {
		b.WriteString("\nOne transaction takes recipients of one way. A sender that names others with them is\n" +
			"told 452 4.5.3 for those, and brings them in its next transaction.\n")
	}
	return b.String()
}

// ways counts the answers that have one; the others are refused, each for itself.
func ways(answers []dashboard.RouteAnswer) (n int) {
	for i := range answers {
		if len(answers[i].Pools) > 0 {
			n++
		}
	}
	return n
}

func (s screen) route(b *strings.Builder, a *dashboard.RouteAnswer) {
	who := oneLine(strings.Join(a.To, ", "))
	if a.Backend != "" {
		fmt.Fprintf(b, "%s → %s\n", s.in(bold, who), s.in(green, oneLine(a.Backend)))
	} else {
		fmt.Fprintf(b, "%s → %s\n", s.in(bold, who), s.in(red, oneLine("no connector; the sender would be told "+a.Reply)))
	}
	fmt.Fprintf(b, "listener %s, %s\n", oneLine(a.Listener), oneLine(routeOf(a)))
	for i := range a.Pools {
		s.routePool(b, &a.Pools[i])
	}
}

// routeOf says by what the pools were found.
func routeOf(a *dashboard.RouteAnswer) string {
	switch {
	case a.Route != "":
		return a.Route + " by " + a.Match
	case len(a.Pools) > 0:
		return "which has a pool of its own"
	default:
		return "no route"
	}
}

func (s screen) routePool(b *strings.Builder, p *dashboard.RoutePool) {
	facts := fmt.Sprintf("cost %d, %s", p.Cost, p.Policy)
	if p.Affinity != "" {
		facts += ", affinity " + p.Affinity
	}
	name := p.Pool
	if p.Used {
		name = s.in(bold, name)
	}
	fmt.Fprintf(b, "\n%s (%s): %s\n", name, oneLine(facts), oneLine(p.Why))
	if len(p.Candidates) == 0 {
		return
	}
	rows := [][]cell{{{text: ""}, {text: "CONNECTOR"}, {text: "ADDRESS"}, {text: "COST", right: true}, {text: "WEIGHT", right: true}, {text: "WHY"}}}
	for i := range p.Candidates {
		c := &p.Candidates[i]
		place := cell{text: strconv.Itoa(i + 1), right: true}
		why := cell{text: c.Why}
		if !c.In {
			place.text, why.paint = "out", yellow
		}
		rows = append(rows, []cell{place, {text: shortName(c.ID, p.Pool)}, {text: c.Address}, {text: strconv.Itoa(c.Cost), right: true}, {text: weightText(c.Weight), right: true}, why})
	}
	s.columns(b, "  ", rows)
}

// shortName leaves the pool out, below whose name it stands.
func shortName(id, pool string) string { return strings.TrimPrefix(id, pool+"/") }

// weightText writes hundredths of a weight.
func weightText(hundredths int) string {
	return strconv.FormatFloat(float64(hundredths)/100, 'f', -1, 64)
}

func plainRoute(b *strings.Builder, a *dashboard.RouteAnswer) {
	line(b, "message", orDash(strings.Join(a.To, ",")), orDash(a.Backend), a.Code, orDash(a.Reply), orDash(a.Listener), orDash(a.Route), orDash(a.Match))
	for i := range a.Pools {
		p := &a.Pools[i]
		line(b, "pool", p.Pool, p.Cost, p.Policy, orDash(p.Affinity), map[bool]string{true: "used", false: "-"}[p.Used], orDash(p.Why))
		for j := range p.Candidates {
			c := &p.Candidates[j]
			line(b, "connector", c.ID, c.Address, c.Cost, weightText(c.Weight), map[bool]string{true: "in", false: "out"}[c.In], orDash(c.Why))
		}
	}
}
