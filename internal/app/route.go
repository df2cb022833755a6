package app

import (
	"fmt"
	"strings"

	"weir/balancer"
	"weir/dashboard"
	"weir/internal/backend"
	"weir/policies"
)

// explainer says who would get a transaction; the balancer does.
type explainer interface {
	Explain(q *policies.Query, needs policies.Needs) (policies.Explanation, error)
}

// router tells the dashboard where a transaction would go.
type router struct {
	explainer
	listeners func() []balancer.ListenerConfig // those there are now
}

// listeners are those of the config that is in force.
func (a *App) listeners() []balancer.ListenerConfig { return a.config().Balancer.Listeners }

// Explain implements [dashboard.Router].
func (r router) Explain(q *dashboard.RouteQuery) (dashboard.RouteAnswer, error) {
	if err := r.meant(q.Listener); err != nil {
		return dashboard.RouteAnswer{}, err
	}
	needs, missing := needsOf(q)
	e, err := r.explainer.Explain(&policies.Query{
		Listener: q.Listener, From: q.From, Rcpt: q.To, Size: q.Size, Client: q.Client,
	}, needs)
	if err != nil {
		return dashboard.RouteAnswer{}, err // words for who asked, as they are
	}
	a := routeAnswer(q, &e)
	if missing != "" {
		refuse(&a, 555, "555 5.5.4 "+missing+" is not offered")
	}
	return a, nil
}

// meant says which listeners there are where the one that was named is not.
func (r router) meant(name string) error {
	var names []string
	for _, l := range r.listeners() {
		if l.Name == name {
			return nil
		}
		names = append(names, l.Name)
	}
	if name == "" {
		return nil
	}
	return fmt.Errorf("there is no listener %q; there are %s", name, strings.Join(names, ", "))
}

// needsOf is what the sender asks for, and the first extension that weir itself does
// not speak. What the listener offers of the others the balancer knows.
func needsOf(q *dashboard.RouteQuery) (needs policies.Needs, missing string) {
	needs.Size = q.Size
	for _, keyword := range q.Extensions {
		ext := backend.ParseExtension(keyword)
		if ext == 0 && missing == "" {
			missing = keyword
		}
		needs.Ext |= ext
	}
	return needs, missing
}

// routeAnswer is an explanation as it is shown.
func routeAnswer(q *dashboard.RouteQuery, e *policies.Explanation) dashboard.RouteAnswer {
	a := dashboard.RouteAnswer{
		Listener: e.Listener, From: q.From, To: []string{q.To}, Route: e.Route, Match: e.Match, Code: e.Code, Reply: replyText(e.Code, e.Reply),
	}
	for i := range e.Pools {
		p := &e.Pools[i]
		shown := dashboard.RoutePool{Pool: p.Pool, Cost: p.Cost, Policy: p.Policy, Affinity: p.Affinity, Used: p.Used, Why: p.Why}
		for _, c := range p.Candidates {
			shown.Candidates = append(shown.Candidates, dashboard.RouteCandidate{
				ID: c.ID.String(), Address: c.Address, Cost: c.Cost, Weight: c.Weight, In: c.In, Why: c.Why,
			})
		}
		a.Pools = append(a.Pools, shown)
		if e.Code == 0 && p.Used && a.Backend == "" {
			a.Backend = firstIn(p)
		}
	}
	return a
}

// firstIn is the connector that a pool's order begins with; empty: nobody is in.
func firstIn(p *policies.PoolExplained) string {
	for i := range p.Candidates {
		if p.Candidates[i].In {
			return p.Candidates[i].ID.String()
		}
	}
	return ""
}

// replyText is a whole reply, which begins with its code.
func replyText(code int, reply string) string {
	if start := fmt.Sprint(code); code != 0 && !strings.HasPrefix(reply, start) {
		return start + " " + reply
	}
	return reply
}

// refuse has weir itself turn the transaction away, whoever could serve it.
func refuse(a *dashboard.RouteAnswer, code int, reply string) {
	a.Code, a.Reply, a.Backend = code, reply, ""
	for i := range a.Pools {
		a.Pools[i].Used = false
	}
}

var _ dashboard.Router = router{}
