package sim

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"weir/health"
)

// Parse reads a scenario. File is its name for messages. The error lists all that is
// wrong, one problem a line, each with its place.
func Parse(file string, data []byte) (*Scenario, error) {
	r := &reader{file: file, seen: map[string]ast.Node{}}
	s := newScenario()
	root, ok := r.open(data)
	if !ok {
		return nil, r.err()
	}
	given := r.section(root, s.fields())
	r.need(root, given, "name", "arrivals", "connectors")
	if len(r.problems) == 0 {
		s.check(r)
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	return s, nil
}

// Check looks for what is impossible in a scenario that was changed after [Parse].
func (s *Scenario) Check() error {
	r := &reader{file: "scenario " + s.Name}
	for _, policy := range s.Policies {
		if _, bad := word(policyNames())(policy); bad != nil {
			r.reject("policies", bad.remedy, "%s", bad.what)
		}
	}
	if s.Messages < 0 || s.Messages > maxMessages {
		r.reject("messages", "", "%d is not from 1 to %d", s.Messages, maxMessages)
	}
	s.check(r)
	return r.err()
}

// check looks for what is impossible although each value is right by itself.
func (s *Scenario) check(r *reader) {
	n := s.connectors()
	switch {
	case s.Messages == 0 && s.Duration == 0:
		r.reject("messages", "write messages: 100000, or duration: 2m", "neither messages nor a duration is given")
	case n == 0:
		r.reject("connectors", "describe at least one group", "there is none")
	case n > maxConnectors || n*s.Replicas > maxPairs:
		r.reject("connectors", "", "%d connectors and %d replicas are too many: at most %d, and %d times replicas", n, s.Replicas, maxConnectors, maxPairs)
	case len(s.Policies) == 0:
		r.reject("policies", "leave the key out for all", "names none")
	case s.senders.skew > 0 && s.senders.skew <= 1.0001:
		r.reject("senders.skew", "for example 1.2, or 0 for senders that are alike", "%g is not above 1", s.senders.skew)
	case s.pool.health.Breaker.OpenMax < s.pool.health.Breaker.OpenFor:
		r.reject("pool.breaker.open_max", "", "is less than open_for")
	case s.pool.health.Probe == health.DepthStartTLS:
		r.reject("pool.health.probe", "use envelope", "TLS is not simulated")
	}
	for i, policy := range s.Policies {
		if slices.Contains(s.Policies[:i], policy) {
			r.reject(fmt.Sprintf("policies[%d]", i), "keep one of them", "%s is listed twice", policy)
		}
	}
	s.checkArrivals(r)
	s.checkNames(r)
}

func (s *Scenario) checkArrivals(r *reader) {
	a := &s.arrivals
	last := a.rate
	for i, c := range a.changes {
		if i > 0 && c.at <= a.changes[i-1].at {
			r.reject(fmt.Sprintf("arrivals.changes[%d].at", i), "put them in order", "is not after the change before it")
		}
		last = c.rate
	}
	switch {
	case s.Duration == 0 && last == 0:
		r.reject("arrivals", "end with a rate above 0, or give a duration", "the rate ends at 0, so the messages never all arrive")
	case s.Duration == 0 && a.most(maxDuration) < float64(s.Messages):
		r.reject("arrivals", "raise the rate", "so many messages take more than a week")
	case s.Messages == 0 && a.most(s.Duration) > float64(maxMessages):
		r.reject("duration", "shorten it, or lower the rate", "more than %d messages would arrive", maxMessages)
	}
}

func (s *Scenario) checkNames(r *reader) {
	known := map[string]bool{}
	var groups []string
	for i := range s.groups {
		g := &s.groups[i]
		groups = append(groups, g.name)
		for k := range g.count {
			if known[g.member(k)] {
				r.reject(fmt.Sprintf("connectors[%d].name", i), "name the groups differently", "there are two connectors %q", g.member(k))
				break
			}
			known[g.member(k)] = true
		}
	}
	for i := range s.incidents {
		for _, on := range s.incidents[i].on {
			if !known[on] && !slices.Contains(groups, on) {
				r.reject(fmt.Sprintf("events[%d].on", i), "the groups are "+listing(groups), "there is no connector or group %q", on)
			}
		}
	}
	steps := 0
	for i := range s.incidents {
		steps += s.members(s.incidents[i].on)
	}
	if steps > maxSteps {
		r.reject("events", "", "%d happenings are too many", steps)
	}
}

// maxSteps bounds what happens to connectors, one by one.
const maxSteps = 200_000

// members counts the connectors that these names could mean.
func (s *Scenario) members(names []string) int {
	n := 0
	for i := range s.groups {
		for _, name := range names {
			if name == s.groups[i].name || strings.HasPrefix(name, s.groups[i].name) {
				n += s.groups[i].count
			}
		}
	}
	return n
}
