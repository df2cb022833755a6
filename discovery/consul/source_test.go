package consul

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"weir/discovery"
)

func TestChangesAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		a.body = instances(t, "a", "b")
		sets := follow(t, a)
		if set := next(t, sets, time.Second); namesOf(set) != "a b" || set.Doubt != "" || set.Unheard {
			t.Errorf("at first %+v", set)
		}
		a.set(func(s *state) { s.body = instances(t, "a") })
		if set := next(t, sets, time.Second); namesOf(set) != "a" {
			t.Errorf("after a left %+v", set)
		}
		a.set(func(s *state) { s.body = "[]" })
		if set := next(t, sets, time.Second); len(set.Specs) != 0 || set.Unheard || set.Doubt != "" {
			t.Errorf("an empty answer is an answer: %+v", set)
		}
	})
}

func TestWhatIsTheSameIsNotToldAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		a.body = instances(t, "a")
		sets := follow(t, a)
		next(t, sets, time.Second)
		for range 5 {
			a.set(func(*state) {}) // the index moves, nothing else
			quiet(t, sets, 20*time.Second)
		}
		quiet(t, sets, time.Hour)
		if n := len(a.queries(t, "index")); n > 100 {
			t.Errorf("%d queries in an hour of quiet", n)
		}
	})
}

func TestQueriesAreAskedAsTheyMust(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		a.body = instances(t, "a")
		sets := follow(t, a)
		next(t, sets, time.Second)
		quiet(t, sets, 10*time.Minute)
		index, wait := a.queries(t, "index"), a.queries(t, "wait")
		if index[0] != "" || index[1] != "10" || wait[1] != "60000ms" {
			t.Errorf("began with index %q, wait %q", index[:2], wait[:2])
		}
		consistent := 0
		for _, uri := range a.asked {
			if strings.Contains(uri, "passing") {
				t.Errorf("asks for passing ones only: %s", uri)
			}
			if strings.HasPrefix(uri, "/v1/health/") && !strings.Contains(uri, "stale") {
				consistent++
				if strings.Contains(uri, "index=") {
					t.Errorf("the resync blocks: %s", uri)
				}
			}
		}
		if consistent == 0 || consistent > 3 {
			t.Errorf("%d resyncs in ten minutes, want about two", consistent)
		}
	})
}

func TestIndexThatFell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		a.body, a.index = instances(t, "a"), 900
		sets := follow(t, a)
		next(t, sets, time.Second)
		a.set(func(s *state) { s.body, s.index = instances(t, "b"), 7 })
		if set := next(t, sets, time.Second); namesOf(set) != "b" {
			t.Errorf("got %+v", set)
		}
		quiet(t, sets, 5*time.Second)
		a.set(func(s *state) { s.body = instances(t, "c") }) // a query on the old index would sleep over this
		if set := next(t, sets, time.Second); namesOf(set) != "c" {
			t.Errorf("got %+v", set)
		}
		if got := a.queries(t, "index"); !slices.Equal(got[:4], []string{"", "900", "", "7"}) {
			t.Errorf("indexes %q", got)
		}
	})
}

func TestServerThatDoesNotBlock(t *testing.T) {
	for name, index := range map[string]uint64{"always index 0": 0, "always the same index": 5} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAgent()
				a.body, a.index, a.never = instances(t, "a"), index, true
				sets := follow(t, a)
				next(t, sets, time.Second)
				quiet(t, sets, time.Minute)
				if n := len(a.queries(t, "index")); n > 130 {
					t.Errorf("%d queries in a minute: that is a spin", n)
				}
			})
		})
	}
}

func TestLargeServiceThatNeverRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		a.never = true
		many := make([]string, 2000)
		for i := range many {
			many[i] = "n"
		}
		a.body = instances(t, many...)
		sets := follow(t, a)
		next(t, sets, time.Second)
		for range 50 {
			a.set(func(*state) {})
			quiet(t, sets, 100*time.Millisecond)
		}
		if n := len(a.queries(t, "index")); n > 20 {
			t.Errorf("%d queries of 2000 entries in five seconds", n)
		}
	})
}

func TestFrozenAgentIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		a.body = instances(t, "a")
		sets := follow(t, a)
		next(t, sets, time.Second)
		a.set(func(s *state) { s.frozen = true })
		set := next(t, sets, 15*time.Second)
		if !set.Unheard || set.Specs != nil || !strings.Contains(set.Doubt, "127.0.0.1:8500 does not answer") {
			t.Errorf("frozen: %+v", set)
		}
		quiet(t, sets, 5*time.Minute) // one word is enough
		a.set(func(s *state) { s.frozen = false })
		if set := next(t, sets, time.Minute); set.Unheard || namesOf(set) != "a" || set.Doubt != "" {
			t.Errorf("thawed: %+v", set)
		}
	})
}

func TestOneMissedPulseIsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		a.body, a.leaderMiss = instances(t, "a"), 1
		sets := follow(t, a)
		next(t, sets, time.Second)
		quiet(t, sets, 10*time.Minute)
	})
}

func TestPulseThatIsForbiddenIsStillOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		a.body, a.leaderErr = instances(t, "a"), http.StatusForbidden
		sets := follow(t, a)
		next(t, sets, time.Second)
		quiet(t, sets, 10*time.Minute)
	})
}

func TestFrozenFromTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		a.frozen = true
		if set := next(t, follow(t, a), 15*time.Second); !set.Unheard {
			t.Errorf("got %+v", set)
		}
	})
}

func TestErrorsAreTold(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8500}, Err: syscall.ECONNREFUSED}
	cases := map[string]struct {
		fail func(*state)
		want string
	}{
		"refused":   {func(s *state) { s.err = refused }, "nothing listens at 127.0.0.1:8500: start"},
		"forbidden": {func(s *state) { s.code, s.text = 403, "Permission denied" }, `may not read service "smtp": it needs service:read and node:read`},
		"revoked":   {func(s *state) { s.code, s.text = 403, "ACL not found" }, "does not know weir's token"},
		"no leader": {func(s *state) { s.code, s.text = 500, "No cluster leader" }, "no cluster leader"},
		"broken":    {func(s *state) { s.code, s.text = 500, "out of cheese\nat line 3" }, "Consul answers 500: out of cheese"},
		"garbage":   {func(s *state) { s.body = "<html>" }, "not a Consul agent's HTTP API"},
		"wrong":     {func(s *state) { s.body = `{"a":1}` }, "not a Consul agent's HTTP API"},
		"cut off":   {func(s *state) { s.body = `[{"Node":` }, "closed the connection"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAgent()
				a.body = instances(t, "a")
				sets := follow(t, a)
				next(t, sets, time.Second)
				a.set(c.fail)
				set := next(t, sets, time.Second)
				if !set.Unheard || !strings.Contains(set.Doubt, c.want) {
					t.Errorf("got %+v, want %q", set, c.want)
				}
				quiet(t, sets, 10*time.Minute)
				if n := len(a.queries(t, "index")); n < 15 || n > 150 {
					t.Errorf("%d queries in ten minutes of failing", n)
				}
				a.set(func(s *state) { s.err, s.code, s.body = nil, 0, instances(t, "a") })
				if set := next(t, sets, time.Minute); set.Unheard || set.Doubt != "" || namesOf(set) != "a" {
					t.Errorf("the same again after a failure is news: %+v", set)
				}
			})
		})
	}
}

func TestReasonThatChangesIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		a.err = errors.New("first")
		sets := follow(t, a)
		if set := next(t, sets, time.Second); !strings.Contains(set.Doubt, "first") {
			t.Errorf("got %+v", set)
		}
		a.set(func(s *state) { s.err = errors.New("second") })
		if set := next(t, sets, time.Minute); !set.Unheard || !strings.Contains(set.Doubt, "second") {
			t.Errorf("got %+v", set)
		}
	})
}

func TestMissingService(t *testing.T) {
	a := newAgent()
	err := New(Config{Pool: "p"}, a.client(t)).Run(t.Context(), nil)
	if err == nil || !strings.Contains(err.Error(), "names no service") || len(a.asked) > 0 {
		t.Errorf("got %v after %q", err, a.asked)
	}
}

func TestRunEndsWhileNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- New(Config{Pool: "p", Service: "s"}, newAgent().client(t)).Run(ctx, make(chan discovery.Set))
		}()
		synctest.Wait()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestTagAndDatacenter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		a.body = `[{"Node":{"Node":"n1","Address":"10.0.0.1"},"Service":{"ID":"a","Service":"s","Port":25,"Tags":["Primary"]}},
			{"Node":{"Node":"n2","Address":"10.0.0.2"},"Service":{"ID":"b","Service":"s","Port":25,"Tags":["spare"]}}]`
		ctx, cancel := context.WithCancel(t.Context())
		sets, done := make(chan discovery.Set), make(chan error, 1)
		s := New(Config{Pool: "p", Service: "s", Tag: "primary", Datacenter: "dc2"}, a.client(t))
		go func() { done <- s.Run(ctx, sets) }()
		if set := next(t, sets, time.Second); namesOf(set) != "a" {
			t.Errorf("got %+v", set)
		}
		if got := a.queries(t, "dc"); got[0] != "dc2" {
			t.Errorf("datacenters asked %q", got)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
