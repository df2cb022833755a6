package policies

import (
	"fmt"
	"testing"
)

// table has n domains with routes of their own number: n, or one for all.
func table(domains, routes int) *Routes {
	all := make([]Route, routes)
	for i := range domains {
		r := &all[i%routes]
		r.Match = append(r.Match, fmt.Sprintf("domain%d.example.com", i))
		r.To = to(fmt.Sprint("p", i%7))
	}
	all = append(all, Route{Match: []string{"*"}, To: to("any")})
	return NewRoutes(all, "mx.example.com")
}

func routesQueries() []Query {
	return []Query{
		{Rcpt: "user@domain1.example.com"},
		{Rcpt: "user@a.b.elsewhere.example.net"},
		{Rcpt: "user@DOMAIN2.Example.COM", From: "somebody@example.org"},
		{Rcpt: "postmaster"},
	}
}

func BenchmarkFind(b *testing.B) {
	for _, size := range []struct{ domains, routes int }{{3, 1}, {10_000, 10_000}, {100_000, 3}} {
		b.Run(fmt.Sprintf("domains=%d/routes=%d", size.domains, size.routes), func(b *testing.B) {
			r, queries := table(size.domains, size.routes), routesQueries()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				r.Find(&queries[i%len(queries)])
			}
		})
	}
}

// Routes of one pattern that differ by their sender cost the same, too.
func BenchmarkFindBySender(b *testing.B) {
	for _, n := range []int{3, 10_000} {
		b.Run(fmt.Sprint(n, " senders"), func(b *testing.B) {
			all := make([]Route, n)
			for i := range all {
				all[i] = Route{Match: []string{"*"}, From: []string{fmt.Sprintf("a@domain%d.example", i), fmt.Sprintf("domain%d.example", i)}, To: to("p")}
			}
			r := NewRoutes(all, "")
			q := Query{Rcpt: "user@example.com", From: "somebody@domain1.example"}
			b.ReportAllocs()
			for b.Loop() {
				r.Find(&q)
			}
		})
	}
}

func BenchmarkNewRoutes(b *testing.B) {
	for b.Loop() {
		table(100_000, 1000)
	}
}

func TestFindAllocatesNothing(t *testing.T) {
	all := []Route{{Match: []string{"*.example.com"}, From: []string{"example.org"}, To: to("a")}, {Match: []string{"*"}, To: to("b")}}
	r := NewRoutes(all, "mx.example.com")
	for _, q := range routesQueries() {
		if n := testing.AllocsPerRun(100, func() { r.Find(&q) }); n > 0 {
			t.Errorf("%+v: %g allocations", q, n)
		}
	}
}
