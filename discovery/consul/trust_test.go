package consul

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestLeaderIsLostAndFound(t *testing.T) {
	for how, streams := range map[string]bool{"queries": false, "streams": true} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAgent()
				a.body, a.streams = instances(t, "b"), streams
				sets := follow(t, a)
				next(t, sets, time.Second)
				a.set(func(s *state) { s.body = instances(t, "a") })
				if set := next(t, sets, time.Second); set.Doubt != "" {
					t.Errorf("with a leader: %+v", set)
				}
				a.mu.Lock()
				a.leader = "" // nothing wakes the query
				a.mu.Unlock()
				set := next(t, sets, 10*time.Second)
				if set.Unheard || set.Doubt != wordsLeaderless || namesOf(set) != "a" {
					t.Errorf("without leader: %+v", set)
				}
				quiet(t, sets, 20*time.Minute)
				a.mu.Lock()
				a.leader = "10.0.0.2:8300"
				a.mu.Unlock()
				if set := next(t, sets, 10*time.Second); set.Unheard || set.Doubt != "" || namesOf(set) != "a" {
					t.Errorf("with a leader again: %+v", set)
				}
			})
		})
	}
}

func TestServerThatLags(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		a.body = instances(t, "a")
		a.header = map[string]string{"X-Consul-Lastcontact": "10001"}
		sets := follow(t, a)
		if set := next(t, sets, time.Second); set.Doubt != wordsLagging || namesOf(set) != "a" || set.Unheard {
			t.Errorf("got %+v", set)
		}
		a.set(func(s *state) { s.header = map[string]string{"X-Consul-Lastcontact": "20001"} })
		quiet(t, sets, time.Minute)
		a.set(func(s *state) { s.header = map[string]string{"X-Consul-Lastcontact": "9999"} })
		if set := next(t, sets, time.Second); set.Doubt != "" || namesOf(set) != "a" {
			t.Errorf("got %+v", set)
		}
	})
}

func TestRightsThatAreMissing(t *testing.T) {
	filtered := map[string]string{"X-Consul-Results-Filtered-By-Acls": "true"}
	deny := map[string]string{"X-Consul-Default-Acl-Policy": "deny"}
	cases := map[string]struct {
		names    []string
		header   map[string]string
		accessor string
		unheard  bool
		want     string
	}{
		"all is hidden":        {nil, filtered, "x", true, "Consul shows nothing because the token may not read"},
		"a part is hidden":     {[]string{"a"}, filtered, "x", false, "Consul shows only a part"},
		"no token":             {nil, deny, anonymousAccessor, false, "Consul shows nothing to those without a token"},
		"no token, not told":   {nil, deny, "", false, "Consul shows nothing to those without a token"},
		"a good token, empty":  {nil, deny, "x", false, ""},
		"no token is needed":   {[]string{"a"}, deny, anonymousAccessor, false, ""},
		"nothing is forbidden": {nil, nil, "", false, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAgent()
				a.body, a.header, a.accessor = instances(t, c.names...), c.header, c.accessor
				set := next(t, follow(t, a), time.Second)
				if set.Unheard != c.unheard || namesOf(set) != strings.Join(c.names, " ") || !strings.HasPrefix(set.Doubt, c.want) || c.want == "" && set.Doubt != "" {
					t.Errorf("got %+v", set)
				}
			})
		})
	}
}

// A stream that ends because rights were taken away looks like an empty service.
func TestEmptyStreamIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		a.body = instances(t, "a")
		sets := follow(t, a)
		next(t, sets, time.Second)
		a.set(func(s *state) { s.body = "[]" })
		if set := next(t, sets, time.Second); len(set.Specs) != 0 || set.Unheard {
			t.Errorf("got %+v", set)
		}
		if got := a.queries(t, "index"); !slices.Equal(got[:3], []string{"", "10", ""}) {
			t.Errorf("indexes %q: the empty answer to a blocking query was believed", got)
		}
	})
}

// quietly changes what the agent says without waking who waits.
func (a *agent) quietly(change func(*state)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(&a.state)
}

// A query that blocks outlives its token.
func TestRevokedTokenIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		a.body, a.accessor = instances(t, "a"), "x"
		sets := follow(t, a)
		next(t, sets, time.Second)
		quiet(t, sets, 10*time.Minute+10*time.Second) // the query blocks for another 50 s
		for range 2 {
			a.quietly(func(s *state) { s.accessor, s.code, s.text = "", 403, "ACL not found" })
			if set := next(t, sets, 15*time.Second); !set.Unheard || !strings.Contains(set.Doubt, "does not know weir's token") {
				t.Errorf("revoked: %+v", set)
			}
			quiet(t, sets, 10*time.Minute)
			a.quietly(func(s *state) { s.accessor, s.code = "x", 0 })
			if set := next(t, sets, 15*time.Second); set.Unheard || set.Doubt != "" || namesOf(set) != "a" {
				t.Errorf("given back: %+v", set)
			}
			quiet(t, sets, 70*time.Second)
		}
		a.quietly(func(s *state) {
			s.accessor, s.header = "y", map[string]string{"X-Consul-Results-Filtered-By-Acls": "true"}
		})
		if set := next(t, sets, 15*time.Second); set.Doubt != wordsPartlyHidden("smtp") {
			t.Errorf("a token with fewer rights: %+v", set)
		}
	})
}

// Who may not see all is told soon when he may.
func TestRightsThatReturn(t *testing.T) {
	for name, c := range map[string]struct {
		header  map[string]string
		names   []string
		streams bool
	}{
		"a part was hidden":             {map[string]string{"X-Consul-Results-Filtered-By-Acls": "true"}, []string{"a"}, false},
		"a part was hidden, of streams": {map[string]string{"X-Consul-Results-Filtered-By-Acls": "true"}, []string{"a"}, true},
		"all was hidden":                {map[string]string{"X-Consul-Results-Filtered-By-Acls": "true"}, nil, false},
		"there was no token":            {map[string]string{"X-Consul-Default-Acl-Policy": "deny"}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAgent()
				a.body, a.header, a.streams = instances(t, c.names...), c.header, c.streams
				sets := follow(t, a)
				if set := next(t, sets, time.Second); set.Doubt == "" {
					t.Errorf("without rights: %+v", set)
				}
				quiet(t, sets, 20*time.Minute+20*time.Second)
				if n := len(a.queries(t, "index")); n > 300 {
					t.Errorf("%d queries in twenty minutes", n)
				}
				a.quietly(func(s *state) { s.body, s.header = instances(t, "a", "b"), nil })
				set := next(t, sets, 12*time.Second)
				if c.streams && set.Doubt != "" { // the stream's word comes first, and knows nothing of rights
					set = next(t, sets, 2*time.Second)
				}
				if set.Unheard || set.Doubt != "" || namesOf(set) != "a b" {
					t.Errorf("with rights: %+v", set)
				}
			})
		})
	}
}
