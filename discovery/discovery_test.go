package discovery

import (
	"context"
	"errors"
	"net/netip"
	"reflect"
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

func TestMergeByAddress(t *testing.T) {
	shown := netip.MustParseAddr("192.0.2.1")
	got := Merge("p", []Set{
		{Source: "config", Specs: []backend.Spec{{Name: "b", Address: "10.0.0.2:25", Weight: 7}, {Name: "a", Address: "10.0.0.1:25"}}},
		{Source: "consul", Specs: []backend.Spec{
			{Name: "x", Address: "10.0.0.2:25", Weight: 100, Maintenance: "kernel", Publish: shown},
			{Name: "c", Address: "10.0.0.3:25", Critical: "tcp"},
		}},
	})
	want := []backend.Spec{
		{Pool: "p", Name: "a", Address: "10.0.0.1:25", Sources: []string{"config"}},
		{Pool: "p", Name: "b", Address: "10.0.0.2:25", Weight: 7, Maintenance: "kernel", Publish: shown, Sources: []string{"config", "consul"}},
		{Pool: "p", Name: "c", Address: "10.0.0.3:25", Critical: "tcp", Sources: []string{"consul"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestMergeKeepsNamesApart(t *testing.T) {
	got := Merge("p", []Set{
		{Source: "one", Specs: []backend.Spec{spec("mx", "10.0.0.1:25"), spec("10.0.0.2:25", "10.0.0.4:25"), spec("", "[2001:db8::1]:25")}},
		{Source: "two", Specs: []backend.Spec{spec("mx", "10.0.0.2:25"), spec("mx", "10.0.0.3:25")}},
	})
	var names []string
	for _, m := range got {
		names = append(names, m.Name+"="+m.Address)
	}
	want := []string{
		"-2001:db8::1-:25=[2001:db8::1]:25",
		"10.0.0.2:25=10.0.0.4:25", "10.0.0.2:25_=10.0.0.2:25", "10.0.0.3:25=10.0.0.3:25", "mx=10.0.0.1:25",
	}
	if !reflect.DeepEqual(names, want) {
		t.Errorf("got  %q\nwant %q", names, want)
	}
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

func names(r *backend.Registry, pool string) []string {
	var out []string
	for _, m := range r.Snapshot().Pool(pool).Members {
		out = append(out, m.Spec.Name)
	}
	return out
}

func closed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// start runs a manager; stop ends it and returns Run's error.
func start(t *testing.T, m *Manager) (stop func() error) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	return func() error { cancel(); return <-done }
}

func TestStaticPoolsAreApplied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := backend.NewRegistry([]backend.PoolConfig{{Name: "p"}, {Name: "q"}})
		m := NewManager(r, []Feed{
			{StaticName, []string{"p"}, Static{"p", []backend.Spec{spec("b", "10.0.0.2:25"), spec("a", "10.0.0.1:25")}}},
			{StaticName, []string{"q"}, Static{"q", nil}},
		}, nil)
		stop := start(t, m)
		<-m.First()
		if got := names(r, "p"); !reflect.DeepEqual(got, []string{"a", "b"}) {
			t.Errorf("members %v", got)
		}
		if got := m.Members("p"); len(got) != 2 || got[0].Sources[0] != StaticName || got[0].Pool != "p" {
			t.Errorf("merged %+v", got)
		}
		if err := stop(); err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
}

func TestFirstWaitsForEverySource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := backend.NewRegistry([]backend.PoolConfig{{Name: "p"}})
		one, two := newScript(), newScript()
		m := NewManager(r, []Feed{{"one", []string{"p"}, one}, {"two", []string{"p"}, two}}, nil)
		stop := start(t, m)
		one.sets <- Set{Pool: "p", Source: "one", Specs: []backend.Spec{spec("a", "10.0.0.1:25")}}
		synctest.Wait()
		if closed(m.First()) {
			t.Error("first was told before the second source had said anything")
		}
		if got := names(r, "p"); !reflect.DeepEqual(got, []string{"a"}) {
			t.Errorf("what one source says is not used at once: %v", got)
		}
		two.sets <- Set{Pool: "p", Source: "two", Specs: []backend.Spec{spec("b", "10.0.0.2:25")}}
		<-m.First()
		if got := names(r, "p"); !reflect.DeepEqual(got, []string{"a", "b"}) {
			t.Errorf("members %v", got)
		}
		if err := stop(); err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
}

func TestSourceThatFailsTakesNothingAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := backend.NewRegistry([]backend.PoolConfig{{Name: "p"}})
		one, mute := newScript(), newScript()
		failed := make(chan string, 2)
		m := NewManager(r, []Feed{{"one", []string{"p"}, one}, {"mute", []string{"p"}, mute}}, func(feed string, _ error) {
			failed <- feed
		})
		stop := start(t, m)
		one.sets <- Set{Pool: "p", Source: "one", Specs: []backend.Spec{spec("a", "10.0.0.1:25")}}
		broken := errors.New("token refused")
		mute.end <- broken
		<-m.First() // one that ended is not waited for
		one.end <- broken
		synctest.Wait()
		if a, b := <-failed, <-failed; a != "mute" || b != "one" {
			t.Errorf("told of %s and %s, want mute and one", a, b)
		}
		if got := names(r, "p"); !reflect.DeepEqual(got, []string{"a"}) {
			t.Errorf("members %v", got)
		}
		if err := stop(); !errors.Is(err, broken) {
			t.Errorf("stopping: %v", err)
		}
	})
}

func TestSameSetIsNotAppliedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := backend.NewRegistry([]backend.PoolConfig{{Name: "p"}})
		s := newScript()
		m := NewManager(r, []Feed{{"one", []string{"p"}, s}}, nil)
		stop := start(t, m)
		for range 3 {
			s.sets <- Set{Pool: "p", Source: "one", Specs: []backend.Spec{spec("a", "10.0.0.1:25")}}
		}
		synctest.Wait()
		if v := r.Snapshot().Version; v != 1 {
			t.Errorf("the registry is at version %d, want 1", v)
		}
		s.sets <- Set{Pool: "p", Source: "one"}
		synctest.Wait()
		if got := names(r, "p"); got != nil {
			t.Errorf("a full set without members left %v", got)
		}
		if err := stop(); err != nil {
			t.Errorf("stopping: %v", err)
		}
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
