package balancer

import (
	"errors"
	"fmt"
	"time"

	"weir/policies"
)

// Explain says who would get a transaction that began now, and why, and changes
// nothing. An empty Listener means the first that goes by routes, or else the
// first. Needs.Size is what the sender would declare. It fails when there is no
// such listener.
func (s *Server) Explain(q *policies.Query, needs policies.Needs) (policies.Explanation, error) {
	f, err := s.setup.Load().meant(q.Listener)
	if err != nil {
		return policies.Explanation{}, err
	}
	asked := *q
	asked.Listener = f.Name
	ex := policies.Explanation{Listener: f.Name}
	var way *policies.Way
	if f.routes != nil {
		var route *policies.Route
		if way, route = f.routes.Find(&asked); way == nil {
			ex.Code, ex.Reply = noRoute.Code, noRoute.text()
			return ex, nil
		}
		ex.Route, ex.Match = route.Name, f.routes.Pattern(&asked)
	}
	size := max(asked.Size, needs.Size)
	if needs.Size > 0 {
		needs.Size += edgeRoom // as MAIL will declare it
	}
	e := explainer{req: policies.Request{
		Client: asked.Client, From: asked.From, Rcpt: asked.Rcpt, Needs: needs, Now: time.Now(),
	}}
	e.places = f.places(way, needs, nil)
	for i := range e.places {
		e.explain(&e.places[i])
	}
	ex.Pools = e.pools
	if told, refused := e.verdict(f, size); refused {
		ex.Code, ex.Reply = told.Code, told.text()
	}
	return ex, nil
}

// meant returns how the listener of a name treats its senders.
func (u *setup) meant(name string) (*front, error) {
	for _, f := range u.fronts {
		if f.Name == name || name == "" && f.routes != nil {
			return f, nil
		}
	}
	switch {
	case name != "":
		return nil, fmt.Errorf("there is no listener %q", name)
	case len(u.fronts) == 0:
		return nil, errors.New("there is no listener")
	}
	return u.fronts[0], nil
}

// verdict is what the sender is told when it gets no connector.
func (e *explainer) verdict(f *front, size int64) (words, bool) {
	limit := f.offer().size
	switch told, unable := unableAll(e.places, e.req.Needs); {
	case limit > 0 && size > limit:
		e.unuse()
		return tooLarge(limit), true
	case unable:
		return told, true
	}
	return noConnector, !e.found
}

// unuse takes back that any pool is used.
func (e *explainer) unuse() {
	for i := range e.pools {
		e.pools[i].Used = false
	}
}
