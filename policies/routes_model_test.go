package policies

import (
	"cmp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// slowly finds a way as the documentation tells it, route by route.
func slowly(all []Route, q *Query) string {
	type hit struct {
		order           int
		pattern, sender int // lower is more specific
		open            bool
		size            int64
	}
	_, domain, _ := cutAddress(q.Rcpt)
	domain, _ = Domain(domain)
	var hits []hit
	for i, r := range all {
		h := hit{order: i, pattern: 1 << 20, sender: 1 << 20, size: r.MaxSize, open: r.MaxSize == 0 && len(r.From)+len(r.Listeners) == 0}
		for _, m := range r.Match {
			h.pattern = min(h.pattern, specific(m, domain))
		}
		for _, f := range r.From {
			h.sender = min(h.sender, specificSender(f, q.From))
		}
		if len(r.From) == 0 {
			h.sender = 1 << 19
		}
		if h.size == 0 {
			h.size = 1 << 60
		}
		listens := len(r.Listeners) == 0 || slices.Contains(r.Listeners, q.Listener)
		if h.pattern < 1<<20 && h.sender < 1<<20 && listens && q.Size <= h.size {
			hits = append(hits, h)
		}
	}
	if len(hits) == 0 {
		return ""
	}
	one := slices.MinFunc(hits, func(a, b hit) int {
		conditioned := func(h hit) int {
			if h.open {
				return 1
			}
			return 0
		}
		return cmp.Or(a.pattern-b.pattern, conditioned(a)-conditioned(b), a.sender-b.sender, cmp.Compare(a.size, b.size), a.order-b.order)
	})
	return all[one.order].Name
}

// specific says how well a pattern fits a domain.
func specific(pattern, domain string) int {
	suffix, isSuffix := strings.CutPrefix(pattern, "*.")
	switch {
	case pattern == "*":
		return 1000
	case !isSuffix && pattern == domain:
		return 0
	case isSuffix && domain != "" && domain[0] != '[' && strings.HasSuffix(domain, "."+suffix):
		return 999 - len(suffix)
	}
	return 1 << 20
}

func specificSender(pattern, from string) int {
	local, domain, ok := cutAddress(strings.ToLower(from))
	switch {
	case from == "" && pattern == "<>", ok && pattern == local+"@"+domain, !ok && pattern == from && from != "":
		return -1
	case !ok:
		return 1 << 20
	}
	return specific(pattern, domain)
}

func TestRoutesAreFoundAsTold(t *testing.T) {
	domains := []string{"a.example", "b.a.example", "c.b.a.example", "example", "d.example", "[192.0.2.1]"}
	patterns := append([]string{"*", "*.example", "*.a.example", "*.b.a.example"}, domains...)
	froms := []string{"<>", "x@a.example", "a.example", "*.example", "*.a.example"}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 12).Draw(t, "routes")
		all := make([]Route, n)
		for i := range all {
			all[i] = Route{
				Match:     rapid.SliceOfNDistinct(rapid.SampledFrom(patterns), 1, 4, rapid.ID).Draw(t, "match"),
				From:      rapid.SliceOfNDistinct(rapid.SampledFrom(froms), 0, 3, rapid.ID).Draw(t, "from"),
				Listeners: rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"l", "m"}), 0, 2, rapid.ID).Draw(t, "listeners"),
				MaxSize:   rapid.SampledFrom([]int64{0, 10, 20}).Draw(t, "size"),
				To:        to(rapid.SampledFrom([]string{"p", "q"}).Draw(t, "pool")),
			}
		}
		all = named(all...)
		r := NewRoutes(all, "")
		for range 20 {
			q := Query{
				Listener: rapid.SampledFrom([]string{"l", "m", "n"}).Draw(t, "listener"),
				From:     rapid.SampledFrom([]string{"", "x@a.example", "y@A.example", "x@b.a.example", "x@other", "bare"}).Draw(t, "sender"),
				Rcpt:     "u@" + rapid.SampledFrom(append(domains, "x.y.a.example", "other")).Draw(t, "domain"),
				Size:     rapid.SampledFrom([]int64{0, 10, 11, 21}).Draw(t, "octets"),
			}
			name := ""
			if _, route := r.Find(&q); route != nil {
				name = route.Name
			}
			if want := slowly(all, &q); name != want {
				t.Fatalf("%+v: got %q, want %q of %+v", q, name, want, all)
			}
		}
	})
}

// FuzzRoutes: whatever a sender writes, the fast way and the slow one agree.
func FuzzRoutes(f *testing.F) {
	all := named(
		Route{Match: []string{"example.com", "*.example.com", "xn--bcher-kva.example"}, To: to("a")},
		Route{Match: []string{"*.example.com"}, From: []string{"*.example.org", "a@example.org", "<>"}, MaxSize: 10, To: to("b")},
		Route{Match: []string{"*"}, Listeners: []string{"in"}, To: to("c")},
	)
	r := NewRoutes(all, "")
	for _, s := range []string{"a@example.com", "b@x.example.com", `"@"@[192.0.2.1]`, "postmaster", "ä@bücher.example", "@", "a@.", "a@..example.com", "a@xn--a"} {
		f.Add(s, s, "in", int64(10))
	}
	f.Fuzz(func(t *testing.T, from, rcpt, listener string, size int64) {
		q := Query{From: from, Rcpt: rcpt, Listener: listener, Size: size}
		way, route := r.Find(&q)
		pattern := r.Pattern(&q)
		if (way == nil) != (route == nil) {
			t.Fatal("a way without a route, or a route without a way")
		}
		if way == nil && pattern != "" || way != nil && pattern == "" && !isPostmaster(rcpt) {
			t.Fatalf("pattern %q", pattern)
		}
		if _, domain, ok := cutAddress(rcpt); ok {
			folded, valid := Domain(domain)
			again, _ := Domain(folded)
			if valid && again != folded && !strings.HasSuffix(folded, ".") {
				t.Fatalf("%q becomes %q, and then %q", domain, folded, again)
			}
		}
	})
}
