package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"weir/policies"
)

// checkTable checks what the data path is told of routes.
func checkTable(t interface{ Fatalf(string, ...any) }, cfg *Config, pools map[string]bool) {
	for i, r := range cfg.Balancer.Routes {
		if r.Name != routePath(i) || len(r.Match) == 0 || len(r.To) == 0 || r.MaxSize < 0 {
			t.Fatalf("bad route %+v", r)
		}
		last := 0
		for _, to := range r.To {
			if !pools[to.Pool] || to.Cost < last {
				t.Fatalf("bad targets %+v", r)
			}
			last = to.Cost
		}
		for _, p := range r.Match {
			if again, bad := pattern(p); bad != nil || again != p {
				t.Fatalf("%q is another pattern the second time: %q, %v", p, again, bad)
			}
		}
		for _, from := range r.From {
			if again, bad := senderPattern(from); bad != nil || again != from {
				t.Fatalf("%q is another sender the second time: %q, %v", from, again, bad)
			}
		}
	}
}

func TestPatterns(t *testing.T) {
	for s, want := range map[string]string{
		"*": "*", "Example.COM.": "example.com", "*.Example.com": "*.example.com", "localhost": "localhost", "_a.b-c": "_a.b-c", "*.com": "*.com",
		"bücher.example": "xn--bcher-kva.example", "*.BÜCHER.example": "*.xn--bcher-kva.example", "[10.0.0.1]": "[10.0.0.1]",
		"[ipv6:2001:DB8::1]": "[ipv6:2001:db8::1]", "123.example": "123.example",
	} {
		if got, bad := pattern(s); bad != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", s, got, bad, want)
		}
	}
	for s, want := range map[string]string{
		"<>": "<>", "A@Example.com": "a@example.com", `"a@b"@c.example`: `"a@b"@c.example`, "*.Example.": "*.example", "ä@bücher.example": "ä@xn--bcher-kva.example",
		"a@[10.0.0.1]": "a@[10.0.0.1]", "example.com": "example.com",
	} {
		if got, bad := senderPattern(s); bad != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", s, got, bad, want)
		}
	}
}

// FuzzPattern: what is taken for a pattern finds the mail it says.
func FuzzPattern(f *testing.F) {
	for _, s := range []string{"*", "*.", "*.a.example", "A.example.", "bücher.example", "[10.0.0.1]", "[IPv6:::1]", "a@b", ".a", "10.0.0.1", "\xff", "*.[::1]", "0.0.0.0.", "a\u0301.example", "ⅷ.example"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, bad := pattern(s)
		if bad != nil {
			return
		}
		if again, bad := pattern(got); bad != nil || again != got {
			t.Fatalf("%q became %q, and then %q, %v", s, got, again, bad)
		}
		r := policies.NewRoutes([]policies.Route{{Match: []string{got}, To: []policies.Target{{Pool: "p"}}}}, "")
		rcpt := "u@" + strings.Replace(s, "*", "x", 1)
		if _, route := r.Find(&policies.Query{Rcpt: rcpt}); route == nil {
			t.Fatalf("%q, as %q, does not find %s", s, got, rcpt)
		}
	})
}

// FuzzMatchFile: whatever a file of patterns holds, it is read or told of.
func FuzzMatchFile(f *testing.F) {
	for _, s := range []string{"", "a.example\n", "# none\r\n*.b.example # some\r\n", "\ufeffa.example", "\x00", "*\n*\n", "a b\n\n c@d"} {
		f.Add([]byte(s))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(dir, "fuzz.domains")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		d := newDecoder("weir.yaml")
		all, places := d.readPatterns(path, "routes[0].match_file", position{line: 1, column: 1}, pattern)
		if len(all) != len(places) || len(all) == 0 && len(d.problems) == 0 {
			t.Fatalf("%d patterns, %d places, problems %v", len(all), len(places), d.problems)
		}
		lines := strings.Split(string(data), "\n")
		for i, p := range places {
			if got, bad := pattern(strings.TrimSpace(strings.Split(lines[p.line-1], "#")[0])); p.line > 1 && (bad != nil || got != all[i]) {
				t.Fatalf("line %d is %q: %q", p.line, lines[p.line-1], all[i])
			}
		}
	})
}

// writeRoutes writes a config whose only route has its patterns in a file.
func writeRoutes(t testing.TB, dir string, patterns ...string) *Config {
	t.Helper()
	writeDomains(t, filepath.Join(dir, "many.domains"), patterns)
	path := filepath.Join(dir, "weir.yaml")
	text := "routes: [{match_file: many.domains, to: internet}, {match: [\"*\"], to: internet}]\n" + smallest
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func writeDomains(t testing.TB, path string, patterns []string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(strings.Join(patterns, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestALargeMatchFile(t *testing.T) {
	many := make([]string, 30_000)
	for i := range many {
		many[i] = fmt.Sprintf("domain%d.example.com", i)
	}
	dir := t.TempDir()
	cfg := writeRoutes(t, dir, many...)
	r := policies.NewRoutes(cfg.Balancer.Routes, "")
	for _, i := range []int{0, 15_000, 29_999} {
		if _, route := r.Find(&policies.Query{Rcpt: fmt.Sprintf("u@domain%d.example.com", i)}); route.Name != "routes[0]" {
			t.Errorf("domain %d has %s", i, route.Name)
		}
	}
	if shown := Render(cfg); len(shown) > 10_000 || !strings.Contains(shown, "match_file: "+filepath.Join(dir, "many.domains")) {
		t.Errorf("%d octets are shown", len(shown))
	}
	for i := range many {
		many[i] = "*foo" + many[i]
	}
	writeDomains(t, filepath.Join(dir, "many.domains"), many)
	_, _, err := Load(filepath.Join(dir, "weir.yaml"))
	if err == nil || strings.Count(err.Error(), "\n") != mostLines || !strings.Contains(err.Error(), "29980 further lines of ") {
		t.Errorf("got %.300v", err)
	}
}

func BenchmarkLargeMatchFile(b *testing.B) {
	many := make([]string, 100_000)
	for i := range many {
		many[i] = fmt.Sprintf("domain%d.example.com", i)
	}
	dir := b.TempDir()
	for b.Loop() {
		writeRoutes(b, dir, many...)
	}
}

// Ten thousand routes of one pattern, each for senders of its own.
func BenchmarkManyRoutes(b *testing.B) {
	text := smallest + "routes:\n"
	for i := range 10_000 {
		text += fmt.Sprintf("  - {match: [\"*\"], from: [a@s%[1]d.example, s%[1]d.example], to: internet}\n", i)
	}
	for b.Loop() {
		if _, _, err := Parse("weir.yaml", []byte(text)); err != nil {
			b.Fatal(err)
		}
	}
}

func TestDiffOfRoutes(t *testing.T) {
	dir := t.TempDir()
	before := writeRoutes(t, dir, "a.example", "b.example")
	after := writeRoutes(t, dir, "a.example", "c.example", "d.example")
	want := fmt.Sprintf(`routes[%q].match_file: 2 patterns new, 1 removed`, filepath.Join(dir, "many.domains"))
	if got := Diff(before, after); len(got) != 1 || got[0] != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := Diff(after, after); len(got) > 0 {
		t.Errorf("got %q", got)
	}
	if got := NeedsRestart(before, after); len(got) > 0 {
		t.Errorf("%q want a restart", got)
	}
	head := "listeners: [{address: \":25\"}, {address: \":26\"}]\npools: {internet: {backends: [\"10.0.0.11:25\"]}, fax: {backends: [\"10.0.0.12:25\"]}}\nroutes:\n"
	one := mustParse(t, head+`- {match: [a.example, b.example], to: internet}
- {match: ["*"], to: internet}
- {match: ["*"], from: ["<>"], to: internet}
- {match: [c.example], max_size: 1KiB, to: internet}
`)
	two := mustParse(t, strings.Replace(head, `":26"`, `":26", pool: fax`, 1)+`- {match: ["*"], from: ["<>"], to: internet}
- {match: [a.example], to: [{pool: internet, cost: 10}, {pool: fax, cost: 5}]}
- {match: ["*"], to: fax}
- {match: [c.example], to: internet}
`)
	all := []string{
		`listeners[":26"].pool: "" → fax`,
		`listeners[":26"].routes: true → false`,
		`routes["a.example"].match: [a.example, b.example] → [a.example]`,
		`routes["a.example"].to: internet → [{pool: internet, cost: 10}, {pool: fax, cost: 5}]`,
		`routes["*"].to: internet → fax`,
		`routes["c.example max_size 1KiB"]: removed`,
		`routes["c.example"]: new`,
	}
	if got := Diff(one, two); !slices.Equal(got, all) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(all, "\n"))
	}
}

// A route is warned of as never used exactly when no mail finds it.
func TestUnreachableRoutesAreThoseThatNobodyFinds(t *testing.T) {
	list := func(t *rapid.T, label string, words ...string) string {
		got := rapid.SliceOfNDistinct(rapid.SampledFrom(words), 0, 2, rapid.ID).Draw(t, label)
		return "[" + strings.Join(got, ", ") + "]"
	}
	rapid.Check(t, func(t *rapid.T) {
		largest := map[string]int64{}
		for _, l := range []string{"l", "m"} {
			largest[l] = rapid.SampledFrom([]int64{0, 10, 15, 20, 30}).Draw(t, "message_size")
		}
		text := fmt.Sprintf("listeners: [{name: l, address: \":25\", limits: {message_size: %d}}, {name: m, address: \":26\", limits: {message_size: %d}}, ", largest["l"], largest["m"]) +
			"{name: n, address: \":27\", pool: internet}]\n" +
			"pools: {internet: {backends: [\"10.0.0.11:25\"]}}\nroutes:\n"
		n := rapid.IntRange(1, 6).Draw(t, "routes")
		for range n {
			text += fmt.Sprintf("  - {match: [%s], from: %s, listeners: %s, max_size: %s, to: internet}\n",
				rapid.SampledFrom([]string{`"*"`, "a.example", `"*.b.example"`}).Draw(t, "match"), list(t, "from", `"<>"`, "a@x.example", "x.example"),
				list(t, "listeners", "l", "m", "n"), rapid.SampledFrom([]string{"0", "10", "20"}).Draw(t, "size"))
		}
		cfg, warnings, err := Parse("weir.yaml", []byte(text))
		if err != nil {
			t.Skip("the same pattern twice")
		}
		used := map[string]bool{}
		r := policies.NewRoutes(cfg.Balancer.Routes, "")
		for _, from := range []string{"", "a@x.example", "b@x.example", "c@other"} {
			for _, rcpt := range []string{"u@a.example", "u@x.b.example", "u@other"} {
				for _, size := range []int64{5, 15, 25} {
					for _, l := range []string{"l", "m"} {
						if largest[l] > 0 && size > largest[l] {
							continue // it is refused before
						}
						if _, route := r.Find(&policies.Query{Listener: l, From: from, Rcpt: rcpt, Size: size}); route != nil {
							used[route.Name] = true
						}
					}
				}
			}
		}
		for i, route := range cfg.Balancer.Routes {
			said := slices.ContainsFunc(warnings, func(p Problem) bool {
				return p.Path == route.Name && strings.HasPrefix(p.What, "the route is never used")
			})
			if said == used[route.Name] {
				t.Fatalf("route %d: used %v, and %v in\n%s", i, used[route.Name], warnings, text)
			}
		}
	})
}
