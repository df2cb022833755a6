package dashboard

import (
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

// documentedRouter knows two recipients, and no listener but inbound.
type documentedRouter struct{}

func (documentedRouter) Explain(q *RouteQuery) (RouteAnswer, error) {
	if q.Listener != "" && q.Listener != "inbound" {
		return RouteAnswer{}, errors.New("there is no listener " + q.Listener + "; there is inbound")
	}
	a := RouteAnswer{Listener: "inbound", From: q.From, To: []string{q.To}}
	if !strings.HasPrefix(q.To, "bob@") {
		a.Code, a.Reply = 550, "550 5.7.1 no route"
		return a, nil
	}
	a.Route, a.Match, a.Backend = "routes[0]", "*", "internet/mx-a"
	a.Pools = []RoutePool{
		{Pool: "internet", Cost: 10, Policy: "least-load", Affinity: "client", Used: true, Why: "cheapest", Candidates: []RouteCandidate{
			{ID: "internet/mx-a", Address: "192.0.2.1:25", Weight: 10000, In: true, Why: "next"},
			{ID: "internet/mx-b", Address: "192.0.2.2:25", Cost: 10, Weight: 5000, Why: "down: refused"},
		}},
		{Pool: "fax", Cost: 20, Policy: "random", Why: "a later one"},
	}
	return a, nil
}

// newRouted is a server that routes by a function.
func newRouted(r Router) *Server {
	s, _ := newServer()
	s.deps.Router = r
	return s
}

// The names are a contract.
func TestRoute(t *testing.T) {
	s := newRouted(documentedRouter{})
	const chosen = `{"listener":"inbound","from":"","to":["bob@example.com"],"route":"routes[0]","match":"*","pools":[` +
		`{"pool":"internet","cost":10,"policy":"least-load","affinity":"client","used":true,"why":"cheapest","candidates":[` +
		`{"id":"internet/mx-a","address":"192.0.2.1:25","cost":0,"weight":10000,"in":true,"why":"next"},` +
		`{"id":"internet/mx-b","address":"192.0.2.2:25","cost":10,"weight":5000,"in":false,"why":"down: refused"}]},` +
		`{"pool":"fax","cost":20,"policy":"random","affinity":"","used":false,"why":"a later one","candidates":[]}],` +
		`"backend":"internet/mx-a","code":0,"reply":""}`
	const none = `{"listener":"inbound","from":"a@b","to":["x@example.com"],"route":"","match":"","pools":[],"backend":"","code":550,"reply":"550 5.7.1 no route"}`
	for query, want := range map[string]string{"to=bob@example.com": chosen, "to=x%40example.com&from=%3Ca%40b%3E&listener=inbound": none} {
		w := ask(s, "GET", "/v1/route?"+query)
		if got := strings.TrimSpace(w.Body.String()); w.Code != 200 || got != want {
			t.Errorf("%s: %d\ngot  %s\nwant %s", query, w.Code, got, want)
		}
	}
}

// asked notes what it is asked.
type asked struct{ q RouteQuery }

func (a *asked) Explain(q *RouteQuery) (RouteAnswer, error) {
	a.q = *q
	return RouteAnswer{}, nil
}

func TestRouteQueries(t *testing.T) {
	ten := int64(10 << 20)
	for query, want := range map[string]RouteQuery{
		"to=bob@example.com":                              {To: "bob@example.com"},
		"to=%3CPostMaster%3E&from=%3C%3E&size=&client=":   {To: "PostMaster"},
		"to=b@c&from=a@b&size=10MiB&listener=inbound":     {To: "b@c", From: "a@b", Size: ten, Listener: "inbound"},
		"to=b@%5B192.0.2.1%5D&size=10485760&8bit":         {To: "b@[192.0.2.1]", Size: ten, Extensions: []string{"8BITMIME"}},
		"to=b@c&client=::ffff:192.0.2.7&smtputf8=true":    {To: "b@c", Client: netip.MustParseAddr("192.0.2.7"), Extensions: []string{"SMTPUTF8"}},
		"to=b@c&client=fe80::1%25eth0&8bit=1&smtputf8=no": {},
		"to=b@c&client=fe80::1%25eth0&8bit=0&smtputf8=0":  {To: "b@c", Client: netip.MustParseAddr("fe80::1")},
		"to=%22a+b%22@example.com&from=a%3E@b":            {To: `"a b"@example.com`, From: "a>@b"}, // the router's to judge
		"to=m%C3%BCller@example.com&size=1GiB":            {To: "müller@example.com", Size: 1 << 30},
	} {
		var a asked
		w := ask(newRouted(&a), "GET", "/v1/route?"+query)
		if refused := w.Code == 400; refused != (want.To == "") || !reflect.DeepEqual(a.q, want) {
			t.Errorf("%s: %d %s\ngot  %+v\nwant %+v", query, w.Code, w.Body, a.q, want)
		}
	}
}

func TestRouteRefusals(t *testing.T) {
	s := newRouted(documentedRouter{})
	long := strings.Repeat("x", 1024)
	for query, want := range map[string]string{
		"":                             "to is missing",
		"to=":                          "to is missing",
		"to=bob":                       "to wants a mail address",
		"to=@example.com":              "to wants",
		"to=bob@":                      "to wants",
		"to=%ff@example.com":           "to wants",
		"to=b@c%0d%0a":                 "",
		"to=b%0a@c":                    "to wants",
		"to=" + long + "@c":            "to wants",
		"to=b@c&to=d@e":                "to is given more than once",
		"to=b@c&from=alice":            "from wants a mail address",
		"to=b@c&size=10MB":             "size wants a number of octets",
		"to=b@c&size=-1":               "size wants",
		"to=b@c&size=9223372036854KiB": "",
		"to=b@c&size=99999999999GiB":   "size wants",
		"to=b@c&client=mx.example.com": "client wants an IP address",
		"to=b@c&8bit=perhaps":          "8bit wants true or false",
		"to=b@c&listener=submission":   "there is no listener submission; there is inbound",
		"to=b@c&sise=1":                `there is no \"sise\" to ask by; there are 8bit, client, from, listener, size, smtputf8, to`,
	} {
		w := ask(s, "GET", "/v1/route?"+query)
		if want == "" && w.Code == 200 {
			continue
		}
		if w.Code != 400 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
	if w := ask(newRouted(nil), "GET", "/v1/route?to=b@c"); w.Code != 501 {
		t.Errorf("without: %d", w.Code)
	}
}

// Looking is for everybody who may read.
func TestRouteIsForReaders(t *testing.T) {
	s := newRouted(documentedRouter{})
	s.SetAccess(Access{})
	if w := ask(s, "GET", "/v1/route?to=bob@example.com"); w.Code != 401 && w.Code != 403 {
		t.Errorf("a stranger: %d", w.Code)
	}
}

func FuzzRouteQuery(f *testing.F) {
	for _, seed := range []string{"to=b@c&size=1GiB", "to=%3C%3E", "to=b@c&client=::1&8bit", "size=99999999999999999999", "%zz", "to=\xff@b", "to=0@ 0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := localRequest("GET", "/v1/route", "")
		r.URL.RawQuery = text
		q, err := routeQueryOf(r.URL.Query())
		if err == nil && (q.To == "" || q.Size < 0 || strings.ContainsAny(q.To+q.From, "\r\n\x00")) {
			t.Errorf("%q is taken for %+v", text, q)
		}
	})
}
