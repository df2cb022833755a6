package discovery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"weir/internal/backend"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func spec(name, address string) backend.Spec {
	return backend.Spec{Name: name, Address: address, Weight: backend.DefaultWeight}
}

// script is a source that says what the test tells it to.
type script struct {
	sets chan Set
	end  chan error
}

func (s script) Run(ctx context.Context, sets chan<- Set) error {
	for {
		select {
		case set := <-s.sets:
			select {
			case sets <- set:
			case <-ctx.Done():
				return ctx.Err()
			}
		case err := <-s.end:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func newScript() script { return script{sets: make(chan Set), end: make(chan error)} }

// bench is a manager at work, with what it told.
type bench struct {
	*Manager
	t        *testing.T
	registry *backend.Registry
	stop     func() error

	mu   sync.Mutex
	told []string
}

// begin runs a manager of these feeds. The caller owes a stop.
func begin(t *testing.T, dir string, feeds ...Feed) *bench {
	b := &bench{t: t, registry: backend.NewRegistry([]backend.PoolConfig{{Name: "p"}, {Name: "q"}})}
	b.Manager = NewManager(b.registry, Options{
		Dir:     dir,
		Changed: func(s Status) { b.note(fmt.Sprintf("%s/%s %s: %s", s.Source, s.Pool, s.State, s.Why)) },
		Members: func(pool string, joined, left []backend.Spec) {
			b.note(fmt.Sprintf("%s +%v -%v", pool, namesOf(joined), namesOf(left)))
		},
		Failed: func(feed string, err error) { b.note(fmt.Sprintf("%s failed: %v", feed, err)) },
	})
	b.Reload(feeds)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	b.stop = func() error { cancel(); return <-done }
	return b
}

func (b *bench) note(what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.told = append(b.told, what)
}

// heard returns what was told since the last call.
func (b *bench) heard() []string {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	told := b.told
	b.told = nil
	return told
}

func (b *bench) end() {
	b.t.Helper()
	if err := b.stop(); err != nil {
		b.t.Errorf("stopping: %v", err)
	}
}

func (b *bench) members(pool string, want ...string) {
	b.t.Helper()
	synctest.Wait()
	var got []string
	for _, m := range b.registry.Snapshot().Pool(pool).Members {
		got = append(got, m.Spec.Name)
	}
	if !slices.Equal(got, want) {
		b.t.Errorf("members %v, want %v", got, want)
	}
}

func (b *bench) status(i int, want Freshness, why string) Status {
	b.t.Helper()
	synctest.Wait()
	got := b.Status()[i]
	if got.State != want || !strings.Contains(got.Why, why) || why == "" && got.Why != "" {
		b.t.Errorf("%s of %s is %s %q, want %s %q", got.Source, got.Pool, got.State, got.Why, want, why)
	}
	return got
}

// down has probes call connectors of pool p down.
func (b *bench) down(names ...string) {
	for _, name := range names {
		b.registry.SetHealth(b.registry.Snapshot().Pool("p").Member(name).Backend, backend.HealthFact{Health: backend.HealthDown})
	}
}

func namesOf(specs []backend.Spec) (names []string) {
	for _, s := range specs {
		names = append(names, s.Name)
	}
	return names
}

// hosts returns connectors 1 … n of the names given as letters: "abc" is a, b, c.
func hosts(letters string) []backend.Spec {
	var specs []backend.Spec
	for _, c := range letters {
		specs = append(specs, spec(string(c), fmt.Sprintf("10.0.0.%d:25", c-'a'+1)))
	}
	return specs
}

func closed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

func TestStaticPoolsAreApplied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := begin(t, "", StaticFeed("p", hosts("ba")), StaticFeed("q", nil))
		<-b.First()
		b.members("p", "a", "b")
		if got := b.registry.Snapshot().Pool("p").Members[0].Spec; got.Pool != "p" || !slices.Equal(got.Sources, []string{StaticName}) {
			t.Errorf("merged %+v", got)
		}
		b.status(0, Fresh, "")
		b.status(1, Fresh, "")
		b.end()
	})
}

func TestFirstWaitsForEverySource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := newScript(), newScript()
		b := begin(t, "", Feed{Name: "one", Pools: []string{"p"}, Source: one}, Feed{Name: "two", Pools: []string{"p"}, Source: two})
		one.sets <- Set{Pool: "p", Specs: hosts("a")}
		b.members("p", "a") // what one says is used at once
		two.sets <- Set{Pool: "p", Unheard: true, Doubt: "connection refused"}
		b.status(1, Stale, "connection refused")
		time.Sleep(time.Minute)
		if closed(b.First()) {
			t.Error("first was told before the second source had said anything")
		}
		two.sets <- Set{Pool: "p", Specs: hosts("b")}
		<-b.First()
		b.members("p", "a", "b")
		b.end()
	})
}

func TestSourceThatFailsTakesNothingAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, mute := newScript(), newScript()
		b := begin(t, "", Feed{Name: "one", Pools: []string{"p"}, Source: one}, Feed{Name: "mute", Pools: []string{"p"}, Source: mute})
		one.sets <- Set{Pool: "p", Specs: hosts("a")}
		broken := errors.New("token refused")
		b.heard()
		mute.end <- broken
		<-b.First() // one that ended is not waited for, and who waits has been told why
		b.mu.Lock()
		if len(b.told) == 0 || b.told[0] != `mute failed: running source "mute": token refused` {
			t.Errorf("told %q", b.told)
		}
		b.mu.Unlock()
		one.end <- broken
		b.members("p", "a")
		b.status(0, Stale, "token refused")
		if err := b.stop(); !errors.Is(err, broken) {
			t.Errorf("stopping: %v", err)
		}
	})
}

func TestSameSetIsNotAppliedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript()
		b := begin(t, "", Feed{Name: "one", Pools: []string{"p"}, Source: s})
		for _, order := range []string{"ab", "ba", "ab"} {
			s.sets <- Set{Pool: "p", Specs: hosts(order)}
		}
		synctest.Wait()
		if v := b.registry.Snapshot().Version; v != 1 {
			t.Errorf("the registry is at version %d, want 1", v)
		}
		s.sets <- Set{Pool: "p"}
		b.members("p") // no hold was asked for
		b.end()
	})
}

// A restless source is applied once a second, with its last word.
func TestChangesAreCoalesced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript()
		b := begin(t, "", Feed{Name: "one", Pools: []string{"p"}, Source: s})
		s.sets <- Set{Pool: "p", Specs: hosts("a")}
		time.Sleep(time.Minute)
		s.sets <- Set{Pool: "p", Specs: hosts("ab")}
		b.members("p", "a", "b") // the first change after a quiet time: at once
		for range 50 {
			s.sets <- Set{Pool: "p", Specs: hosts("abc")}
			time.Sleep(time.Millisecond)
			s.sets <- Set{Pool: "p", Specs: hosts("abcd")}
			time.Sleep(99 * time.Millisecond)
		}
		if v := b.registry.Snapshot().Version; v > 8 {
			t.Errorf("%d versions in five seconds", v)
		}
		time.Sleep(time.Second)
		b.members("p", "a", "b", "c", "d")
		b.end()
	})
}

func TestWhoJoinsAndLeavesIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript()
		b := begin(t, "", Feed{Name: "one", Pools: []string{"p"}, Source: s})
		s.sets <- Set{Pool: "p", Specs: hosts("abd")}
		time.Sleep(time.Minute)
		moved := append(hosts("bc"), spec("d", "10.9.9.9:25"))
		s.sets <- Set{Pool: "p", Specs: moved}
		time.Sleep(time.Minute)
		s.sets <- Set{Pool: "p", Specs: moved[:2], Doubt: "no leader"}
		want := []string{"p +[a b d] -[]", "one/p fresh: ", "p +[c d] -[a d]", "p +[] -[d]", "one/p stale: no leader"}
		if got := b.heard(); !slices.Equal(got, want) {
			t.Errorf("told %q\nwant %q", got, want)
		}
		b.end()
	})
}

// One that leaves with mail in flight is forgotten when that has ended.
func TestGoneAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript()
		b := begin(t, "", Feed{Name: "one", Pools: []string{"p"}, Source: s})
		s.sets <- Set{Pool: "p", Specs: hosts("ab")}
		synctest.Wait()
		a := b.registry.Snapshot().Pool("p").Member("a").Backend
		a.Acquire()
		s.sets <- Set{Pool: "p", Specs: hosts("b")}
		time.Sleep(time.Hour)
		b.members("p", "a", "b")
		a.Release()
		time.Sleep(2 * time.Second)
		b.members("p", "b")
		b.end()
	})
}

func TestStaticGivesWayToTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := (Static{Pool: "p"}).Run(ctx, make(chan Set)); err != nil {
			t.Error(err)
		}
	})
}

// An answer with a flaw is the truth all the same: it is applied, fresh, and the
// flaw is told.
func TestRemarkIsNoDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript()
		b := begin(t, "", Feed{Name: "one", Pools: []string{"p"}, Source: s})
		s.sets <- Set{Pool: "p", Specs: []backend.Spec{spec("a", "10.0.0.1:25")}, Remark: "b has no port"}
		synctest.Wait()
		if got := b.Status()[0]; got.State != Fresh || got.Why != "b has no port" || got.Connectors != 1 {
			t.Errorf("%+v", got)
		}
		if err := b.stop(); err != nil {
			t.Error(err)
		}
	})
}
