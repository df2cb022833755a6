package app

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"weir/balancer"
	"weir/dashboard"
	"weir/internal/backend"
	"weir/policies"
)

// explains is an explainer that notes what it is asked.
type explains struct {
	query policies.Query
	needs policies.Needs
	e     policies.Explanation
	err   error
}

func (x *explains) Explain(q *policies.Query, needs policies.Needs) (policies.Explanation, error) {
	x.query, x.needs = *q, needs
	return x.e, x.err
}

func explained() policies.Explanation {
	return policies.Explanation{Listener: "inbound", Route: "routes[0]", Match: "*", Pools: []policies.PoolExplained{
		{Pool: "fax", Cost: 1, Policy: "random", Why: "nobody is in", Candidates: []policies.Explained{{ID: backend.ID{Pool: "fax", Name: "f"}, Why: "down"}}},
		{Pool: "internet", Cost: 2, Policy: "least-load", Affinity: "client", Used: true, Candidates: []policies.Explained{
			{ID: backend.ID{Pool: "internet", Name: "b"}, Address: "192.0.2.2:25", Cost: 3, Weight: 100, In: true, Why: "next"},
			{ID: backend.ID{Pool: "internet", Name: "a"}, In: true},
		}},
	}}
}

// routed is a router in front of two listeners.
func routed(x explainer) router {
	return router{x, func() []balancer.ListenerConfig {
		return []balancer.ListenerConfig{{Name: "inbound"}, {Name: "submission"}}
	}}
}

func TestRouterKnowsItsListeners(t *testing.T) {
	x := &explains{e: explained()}
	_, err := routed(x).Explain(&dashboard.RouteQuery{Listener: "inbond", To: "c@d"})
	if err == nil || err.Error() != `there is no listener "inbond"; there are inbound, submission` {
		t.Errorf("got %v", err)
	}
}

func TestRouterSaysWhatTheBalancerSays(t *testing.T) {
	x := &explains{e: explained()}
	client := netip.MustParseAddr("192.0.2.7")
	a, err := routed(x).Explain(&dashboard.RouteQuery{Listener: "inbound", From: "a@b", To: "c@d", Size: 7, Client: client, Extensions: []string{"8BITMIME"}})
	if err != nil {
		t.Fatal(err)
	}
	if want := (policies.Query{Listener: "inbound", From: "a@b", Rcpt: "c@d", Size: 7, Client: client}); x.query != want {
		t.Errorf("asked %+v, want %+v", x.query, want)
	}
	if want := (policies.Needs{Ext: backend.Ext8BitMIME, Size: 7}); x.needs != want {
		t.Errorf("needs %+v, want %+v", x.needs, want)
	}
	if a.Backend != "internet/b" || a.Code != 0 || a.From != "a@b" || a.To[0] != "c@d" || len(a.Pools) != 2 {
		t.Errorf("got %+v", a)
	}
	if got, want := a.Pools[1].Candidates[0], (dashboard.RouteCandidate{ID: "internet/b", Address: "192.0.2.2:25", Cost: 3, Weight: 100, In: true, Why: "next"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestRouterWithoutAConnector(t *testing.T) {
	e := explained()
	e.Pools, e.Code, e.Reply = e.Pools[:1], 451, "4.3.2 Nobody"
	for reply, want := range map[string]string{"4.3.2 Nobody": "451 4.3.2 Nobody", "451 4.3.2 Nobody": "451 4.3.2 Nobody"} {
		e.Reply = reply
		a, err := routed(&explains{e: e}).Explain(&dashboard.RouteQuery{To: "c@d"})
		if err != nil || a.Backend != "" || a.Code != 451 || a.Reply != want {
			t.Errorf("got %+v, %v", a, err)
		}
	}
	_, err := routed(&explains{err: errors.New("it is stopping")}).Explain(&dashboard.RouteQuery{To: "c@d"})
	if err == nil || !strings.Contains(err.Error(), "it is stopping") {
		t.Errorf("got %v", err)
	}
}

// What weir itself does not speak is refused by weir, whatever connectors offer.
func TestRouterOfUnknownExtensions(t *testing.T) {
	a, err := routed(&explains{e: explained()}).Explain(&dashboard.RouteQuery{To: "c@d", Extensions: []string{"X-UNHEARD-OF"}})
	if err != nil || a.Backend != "" || a.Code != 555 || a.Reply != "555 5.5.4 X-UNHEARD-OF is not offered" || a.Pools[1].Used {
		t.Errorf("got %+v, %v", a, err)
	}
}
