package policies

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// to is the short form of a test's target.
func to(pool string) []Target { return []Target{{Pool: pool}} }

// found is what a query leads to: "routes[1] *.example.com", or "".
func found(r *Routes, q Query) string {
	way, route := r.Find(&q)
	if way == nil {
		return ""
	}
	return strings.TrimSpace(route.Name + " " + r.Pattern(&q))
}

// named gives routes the names that config does.
func named(all ...Route) []Route {
	for i := range all {
		all[i].Name = fmt.Sprintf("%d", i)
	}
	return all
}

func TestTheMostSpecificPatternGoesFirst(t *testing.T) {
	r := NewRoutes(named(
		Route{Match: []string{"*"}, To: to("any")},
		Route{Match: []string{"*.example.com"}, To: to("below")},
		Route{Match: []string{"example.com", "xn--bcher-kva.example", "[192.0.2.1]"}, To: to("itself")},
		Route{Match: []string{"*.deep.example.com", "*.com"}, To: to("deep")},
		Route{Match: []string{"a.deep.example.com"}, To: to("leaf")},
	), "mx.example.com")
	for rcpt, want := range map[string]string{
		"a@example.com":            "2 example.com",
		"a@EXAMPLE.Com":            "2 example.com",
		"a@example.com.":           "2 example.com",
		"a@x.example.com":          "1 *.example.com",
		"a@x.y.Example.com":        "1 *.example.com",
		"a@deep.example.com":       "1 *.example.com",
		"a@b.deep.example.com":     "3 *.deep.example.com",
		"a@a.deep.example.com":     "4 a.deep.example.com",
		"a@b.a.deep.example.com":   "3 *.deep.example.com",
		"a@notexample.com":         "3 *.com",
		"a@com":                    "0 *",
		"a@example.org":            "0 *",
		"a@bücher.example":         "2 xn--bcher-kva.example",
		"a@BÜCHER.example":         "2 xn--bcher-kva.example",
		"a@bücher。example":         "2 xn--bcher-kva.example",
		"a@xn--BCHER-kva.example":  "2 xn--bcher-kva.example",
		"a@\xff.example.com":       "0 *",
		"a@[192.0.2.1]":            "2 [192.0.2.1]",
		"a@[192.0.2.2]":            "0 *",
		"a@[x.example.com]":        "0 *",
		`"a@b"@example.com`:        "2 example.com",
		`"x@example.com"`:          "1 *.example.com", // no domain: the hostname's
		"somebody":                 "1 *.example.com",
		"postmaster":               "1 *.example.com",
		"a@" + long("example.com"): "1 *.example.com",
		"a@" + long("example.net"): "0 *",
	} {
		if got := found(r, Query{Rcpt: rcpt}); got != want {
			t.Errorf("%s: got %q, want %q", rcpt, got, want)
		}
	}
}

// long is a name far longer than any that DNS can hold.
func long(domain string) string { return strings.Repeat("abcdefghi.", 200) + domain }

func TestConditionsAreAskedInOrder(t *testing.T) {
	r := NewRoutes(named(
		Route{Match: []string{"*"}, To: to("any")},
		Route{Match: []string{"example.com"}, To: to("rest"), Listeners: []string{"in"}},
		Route{Match: []string{"example.com"}, From: []string{"*.org"}, To: to("org")},
		Route{Match: []string{"example.com"}, From: []string{"*.example.org"}, To: to("below")},
		Route{Match: []string{"example.com"}, From: []string{"example.org"}, To: to("domain")},
		Route{Match: []string{"example.com"}, From: []string{"a@example.org", "<>"}, MaxSize: 100, To: to("address")},
		Route{Match: []string{"example.com"}, MaxSize: 2000, To: to("small")},
		Route{Match: []string{"example.com"}, MaxSize: 1000, To: to("smaller")},
		Route{Match: []string{"example.com"}, MaxSize: 1000, To: to("smaller")},
	), "")
	for _, c := range []struct {
		q    Query
		want string
	}{
		{Query{From: "A@Example.org"}, "5 example.com"},
		{Query{From: "a@example.org", Size: 100}, "5 example.com"},
		{Query{From: "a@example.org", Size: 101}, "4 example.com"},
		{Query{From: "b@example.org", Size: 1 << 40}, "4 example.com"},
		{Query{From: "b@x.example.org"}, "3 example.com"},
		{Query{From: "b@x.org"}, "2 example.com"},
		{Query{From: ""}, "5 example.com"},
		{Query{From: "", Size: 1000}, "7 example.com"},
		{Query{From: "", Size: 1001}, "6 example.com"},
		{Query{From: "a@org", Size: 2001, Listener: "in"}, "1 example.com"},
		{Query{From: "a@org", Size: 2001, Listener: "out"}, "0 *"},
		{Query{From: "alone", Size: 2001}, "0 *"},
	} {
		c.q.Rcpt = "x@example.com"
		if got := found(r, c.q); got != c.want {
			t.Errorf("%+v: got %q, want %q", c.q, got, c.want)
		}
	}
}

// RFC 5321 section 4.5.1: mail to <postmaster> is never refused for want of a route.
func TestPostmasterHasAWay(t *testing.T) {
	for _, c := range []struct {
		hostname string
		routes   []Route
		want     string
	}{
		{"mx.example.com", nil, ""},
		{"mx.example.com", []Route{{Match: []string{"a.example"}, To: to("a")}, {Match: []string{"MX.example.com"}, To: to("b")}}, "0"},
		{"MX.example.com.", []Route{{Match: []string{"a.example"}, To: to("a")}, {Match: []string{"mx.example.com"}, To: to("b")}}, "1 mx.example.com"},
		{"mx.example.com", []Route{{Match: []string{"a.example"}, To: to("a")}, {Match: []string{"*"}, To: to("b")}}, "1 *"},
		{"", []Route{{Match: []string{"a.example"}, To: to("a")}, {Match: []string{"*"}, To: to("b")}}, "1 *"},
		{"", []Route{{Match: []string{"a.example"}, To: to("a")}, {Match: []string{"b.example"}, To: to("b")}}, "0"},
		{"", []Route{{Match: []string{"a.example"}, Listeners: []string{"x"}, To: to("a")}, {Match: []string{"b.example"}, To: to("b")}}, "1"},
		{"", []Route{{Match: []string{"a.example"}, From: []string{"<>"}, To: to("a")}, {Match: []string{"b.example"}, MaxSize: 1, To: to("b")}}, "0"},
	} {
		r := NewRoutes(named(c.routes...), c.hostname)
		for _, rcpt := range []string{"postmaster", "Postmaster"} {
			if got := found(r, Query{Rcpt: rcpt, Size: 2}); got != c.want {
				t.Errorf("hostname %q, %v: got %q, want %q", c.hostname, c.routes, got, c.want)
			}
		}
	}
	r := NewRoutes(named(Route{Match: []string{"a.example"}, To: to("a")}), "mx.example.com")
	for _, rcpt := range []string{"postmaster@b.example", "root", ""} {
		if got := found(r, Query{Rcpt: rcpt}); got != "" {
			t.Errorf("%q has a way: %s", rcpt, got)
		}
	}
}

func TestEqualWaysAreOne(t *testing.T) {
	two := []Target{{"b", 20}, {"a", 10}}
	r := NewRoutes(named(
		Route{Match: []string{"a.example"}, To: two},
		Route{Match: []string{"b.example"}, To: []Target{{"a", 10}, {"b", 20}}},
		Route{Match: []string{"c.example"}, To: []Target{{"a", 10}}},
		Route{Match: []string{"d.example"}, To: []Target{{"b", 10}, {"a", 10}}},
		Route{Match: []string{"e.example"}, To: []Target{{"a", 10}, {"b", 10}}},
	), "")
	way := func(domain string) *Way {
		w, _ := r.Find(&Query{Rcpt: "x@" + domain})
		return w
	}
	if way("a.example") != way("b.example") {
		t.Error("equal targets are two ways")
	}
	if got := way("a.example").Targets; !slices.Equal(got, []Target{{"a", 10}, {"b", 20}}) || two[0].Pool != "b" {
		t.Errorf("got %v, and left %v", got, two)
	}
	for _, other := range []string{"c.example", "d.example", "e.example"} {
		if way("a.example") == way(other) {
			t.Errorf("a.example and %s are one way", other)
		}
	}
	if way("d.example") == way("e.example") {
		t.Error("another order of equal costs is the same way")
	}
}

func TestDomain(t *testing.T) {
	for s, want := range map[string]string{
		"Example.COM": "example.com", "example.com.": "example.com", "": "", "BÜCHER.example": "xn--bcher-kva.example", "[IPv6:2001:DB8::1]": "[ipv6:2001:db8::1]",
		"_a.b": "_a.b", "straße.example": "xn--strae-oqa.example",
	} {
		if got, ok := Domain(s); got != want || !ok {
			t.Errorf("%q: got %q, %v", s, got, ok)
		}
	}
	for _, s := range []string{"\xff", "a\u0301\u200e.example", "xn--\xff"} {
		if got, ok := Domain(s); ok {
			t.Errorf("%q: got %q", s, got)
		}
	}
}
