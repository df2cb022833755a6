package balancer

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"weir/internal/backend"
	"weir/policies"
)

// explainer goes a transaction's way without taking a place anywhere.
type explainer struct {
	req    policies.Request
	places []place // of the way
	found  bool    // somebody would get it
	waits  bool    // it would wait for a place
	pools  []policies.PoolExplained
}

// explain adds one pool. One that is asked a second time, for those that are only
// used in panic, is there already.
func (e *explainer) explain(p *place) {
	if slices.ContainsFunc(e.pools, func(x policies.PoolExplained) bool { return x.Pool == p.pool.Name }) {
		return
	}
	x := policies.PoolExplained{
		Pool: p.pool.Name, Cost: p.cost, Policy: p.pool.Policy, Affinity: keyName(p.pool.Affinity),
	}
	in, out, full := e.sort(p)
	switch {
	case p.pool.view().Eligible == 0:
		x.Why = "no connector is eligible"
	case len(in) == 0 && !full:
		x.Why = "no eligible connector can take this message"
	case e.found:
		x.Why = "asked when those before it fail"
	case e.waits:
		x.Why = "a place in the pool before it is waited for"
	case len(in) > 0:
		x.Used, e.found = true, true
		x.Why = e.whyUsed(p)
	default:
		e.waits = true
		x.Why = fmt.Sprintf("all its places are taken: the sender waits up to %s for one", p.pool.QueueTimeout)
	}
	slices.SortFunc(out, func(a, b policies.Explained) int { return cmp.Compare(a.ID.Name, b.ID.Name) })
	x.Candidates = append(in, out...)
	e.pools = append(e.pools, x)
}

// whyUsed says why a transaction begins in this pool.
func (e *explainer) whyUsed(p *place) string {
	for _, other := range e.places {
		switch {
		case other.cost >= p.cost || other.pool == p.pool:
		case other.pool.view().Panic && hasSound(p.pool.view(), e.req.Needs):
			return "the cheapest with somebody for this message who is not only used in panic"
		default:
			return "the cheapest with somebody for this message"
		}
	}
	if len(e.places) == 1 {
		return "the only one"
	}
	return "the cheapest"
}

// sort explains the connectors of one pool: those that would be tried, in order,
// and the others. Full tells that some would do but have no place.
func (e *explainer) sort(p *place) (in, out []policies.Explained, full bool) {
	view, policy := p.pool.view(), p.pool.policy
	candidates := p.candidates()
	var cur policies.Cursor
	var order []*policies.Candidate
	var tier int // of those that have no place
	policy.Preview(&e.req, candidates, &cur)
	for c := policy.Next(&cur); c != nil; c = policy.Next(&cur) {
		switch limit := c.Limit(); {
		case full && len(order) == 0 && c.Cost != tier:
			out = append(out, explained(c, view, fmt.Sprintf("lower-cost tier in use: a place in tier %d is waited for", tier)))
		case limit > 0 && c.InFlight() >= limit:
			full, tier = true, c.Cost
			out = append(out, explained(c, view, allTaken(c.Backend)))
		default:
			order = append(order, c)
		}
	}
	for i, c := range order {
		why := e.why(p.pool, order, i)
		if m := view.Member(c.ID().Name); m != nil && m.State == backend.StateEjected {
			why += "; used in panic although " + stateOf(m)
		}
		one := explained(c, view, why)
		one.In = true
		in = append(in, one)
	}
	return in, append(out, e.others(candidates, view)...), full
}

// others explains who is no candidate, or cannot take this message.
func (e *explainer) others(candidates *policies.Candidates, view *backend.Pool) (out []policies.Explained) {
	for _, t := range candidates.Tiers {
		for i := range t.Members {
			if c := &t.Members[i]; !c.Serves(e.req.Needs) {
				out = append(out, explained(c, view, lacks(c.Capabilities, e.req.Needs)))
			}
		}
	}
	for _, x := range candidates.Out {
		one := policies.Explained{ID: x.ID, Why: x.Reason}
		if m := view.Member(x.ID.Name); m != nil {
			one.Address, one.Cost, one.Weight = m.Spec.Address, m.Spec.Cost, 100*m.Spec.Weight
			if m.Eligible {
				one.Why += "; used in panic only when all others fail"
			}
		}
		out = append(out, one)
	}
	return out
}

// prefers reports whether affinity remembers the connector: by its name, which may
// have another record by now.
func (e *explainer) prefers(p *pool, c *policies.Candidate) bool {
	return p.policy.Preferred(&e.req) == c.ID().Name
}

func explained(c *policies.Candidate, view *backend.Pool, why string) policies.Explained {
	one := policies.Explained{ID: c.ID(), Address: c.Address(), Cost: c.Cost, Weight: c.Weight, Why: why}
	if m := view.Member(one.ID.Name); m != nil && m.State == backend.StateRecovering {
		one.Why += "; " + stateOf(m)
	}
	return one
}

// why says how the i-th came to its place in the order.
func (e *explainer) why(p *pool, order []*policies.Candidate, i int) string {
	c := order[i]
	switch {
	case i > 0 && c.Cost != order[i-1].Cost:
		return fmt.Sprintf("tier of cost %d: when those before it fail", c.Cost)
	case e.prefers(p, c):
		return "preferred: affinity " + keyName(p.Affinity)
	case i > 0:
		return "when those before it fail"
	}
	why := "next by " + p.Policy
	var against string
	if len(order) > 1 && order[1].Cost == c.Cost {
		against = order[1].ID().Name
	}
	switch p.Policy {
	case policies.Maglev:
		why += " over " + keyName(p.Hash)
	case policies.LeastConnections, policies.LeastLoad:
		why += ": " + burden(p.Policy, c)
		if against != "" {
			why += ", against " + burden(p.Policy, order[1]) + " of " + against
		}
	}
	return why
}

// burden is what a policy that goes by load knows of a candidate.
func burden(policy string, c *policies.Candidate) string {
	n := strconv.FormatInt(c.InFlight(), 10) + " in flight"
	latency := c.Traffic.Latency.Value()
	if policy != policies.LeastLoad || latency == 0 {
		return n
	}
	return n + " at " + latency.Round(max(latency/100, time.Microsecond)).String()
}

// lacks says what a connector cannot do.
func lacks(caps backend.Capabilities, needs policies.Needs) string {
	if missing := needs.Ext &^ caps.Ext; missing != 0 {
		return "offers no " + strings.ReplaceAll(missing.String(), " ", ", no ")
	}
	return "takes " + sizeText(caps.Size) + " at most, the message has " + sizeText(needs.Size)
}

// sizeText is a number of octets for people.
func sizeText(n int64) string {
	const unit = 1024
	switch {
	case n < unit:
		return fmt.Sprintf("%d octets", n)
	case n < unit*unit:
		return fmt.Sprintf("%.3g KiB", float64(n)/unit)
	default:
		return fmt.Sprintf("%.4g MiB", float64(n)/unit/unit)
	}
}

func keyName(k policies.Key) string {
	switch k {
	case policies.KeyClient:
		return "client"
	case policies.KeyNetwork:
		return "network"
	case policies.KeySender:
		return "sender"
	default:
		return ""
	}
}
