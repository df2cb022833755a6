package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRoutes_FileOfDomains: many domains come from a file, one a line; what is added there is served after a reload.
func TestRoutes_FileOfDomains(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "fax.domains")
	write := func(more ...string) {
		t.Helper()
		lines := append([]string{"# domains of the fax connectors", "*.fax.example"}, more...)
		for i := range 20000 {
			lines = append(lines, fmt.Sprintf("d%d.example", i))
		}
		if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write()
	r := newRouted(t, []string{fmt.Sprintf("{match_file: %q, to: fax}", file), "{match: [\"*\"], to: internet}"}, map[string]int{"fax": 1})
	goes := func(to, want string) {
		t.Helper()
		if rep, at := r.sends("inbound", "a@b.example", "", to); rep.code != 250 || at == nil || at.Name() != want {
			t.Errorf("%s: got %s by %v, want %s", to, rep, at, want)
		}
	}
	goes("1@d0.example", "fax-0")
	goes("2@D19999.example", "fax-0")
	goes("3@a.b.fax.example", "fax-0")
	goes("4@new.example", "c0")
	write("new.example")
	if said := r.mustCtl("reload"); !strings.Contains(said, "match_file") {
		t.Errorf("weir reload does not tell of the file: %q", said)
	}
	goes("5@new.example", "fax-0")
	goes("6@other.example", "c0")
	write("not a domain")
	r.refused([]string{"reload"}, file+":3", "not a domain")
	goes("7@new.example", "fax-0")
}

// TestRoutes_PostmasterHasAWay: mail to the bare postmaster is never refused for want of a route (RFC 5321 section
// 4.5.1): it goes by the domain of weir's own name where that has a route, and else by the first.
func TestRoutes_PostmasterHasAWay(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct{ second, at string }{
		"by the first route":  {"{match: [b.example], to: internet}", "fax-0"},
		"by weir's own name":  {"{match: [weir.test.example], to: internet}", "c0"},
		"by the route of all": {"{match: [\"*\"], to: internet}", "c0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRouted(t, []string{"{match: [a.example], to: fax}", x.second}, map[string]int{"fax": 1})
			if rep, at := r.sends("inbound", "a@b.example", "", "postmaster"); rep.code != 250 || at == nil || at.Name() != x.at {
				t.Errorf("got %s by %v, want %s", rep, at, x.at)
			}
			if e := r.explain("to", "postmaster"); nameOf(e.Backend) != x.at {
				t.Errorf("it is explained as %+v", e)
			}
		})
	}
}
