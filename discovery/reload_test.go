package discovery

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/backend"
)

func TestReloadLeavesEqualFeedsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := newScript(), newScript()
		feed := Feed{Name: "one", Key: "k", Pools: []string{"p"}, Source: one}
		b := begin(t, "", feed)
		one.sets <- Set{Pool: "p", Specs: hosts("ab")}
		b.members("p", "a", "b")
		b.heard()
		feed.Source = two // never started
		b.Reload([]Feed{feed, StaticFeed("q", hosts("z"))})
		b.members("q", "z")
		one.sets <- Set{Pool: "p", Specs: hosts("abc")}
		b.members("p", "a", "b", "c")
		b.status(0, Fresh, "")
		b.end()
	})
}

// A feed that is replaced goes when the new one has spoken, and not before.
func TestReloadDoesNotEmptyAPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript()
		b := begin(t, "", StaticFeed("p", hosts("ab")))
		b.members("p", "a", "b")
		b.Reload([]Feed{{Name: "consul", Key: "k", Pools: []string{"p"}, Source: s, Hold: time.Minute}})
		b.members("p", "a", "b")
		b.status(0, Waiting, "")
		s.sets <- Set{Pool: "p", Unheard: true, Doubt: "connection refused"}
		time.Sleep(time.Hour)
		b.members("p", "a", "b")
		s.sets <- Set{Pool: "p", Specs: hosts("bc")}
		b.members("p", "b", "c")
		b.end()
	})
}

func TestReloadToNobodyIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript()
		b := begin(t, "", StaticFeed("p", hosts("ab")))
		b.members("p", "a", "b")
		b.Reload([]Feed{{Name: "consul", Pools: []string{"p"}, Source: s, Hold: time.Minute}})
		s.sets <- Set{Pool: "p"}
		time.Sleep(59 * time.Second)
		b.members("p", "a", "b")
		time.Sleep(2 * time.Second)
		b.members("p")
		b.end()
	})
}

func TestReloadDropsWhatHasNoFeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := newScript(), newScript()
		stays := Feed{Name: "one", Pools: []string{"p"}, Source: one}
		goes := Feed{Name: "two", Pools: []string{"p", "q"}, Source: two}
		b := begin(t, "", stays, goes)
		one.sets <- Set{Pool: "p", Specs: hosts("a")}
		two.sets <- Set{Pool: "p", Specs: hosts("ab")}
		two.sets <- Set{Pool: "q", Specs: hosts("c")}
		<-b.First()
		b.members("p", "a", "b")
		b.Reload([]Feed{stays})
		b.members("p", "a") // at once: the one that stays has spoken
		b.members("q")
		if got := len(b.Status()); got != 1 {
			t.Errorf("%d statuses", got)
		}
		b.Reload(nil)
		b.members("p")
		b.registry.SetPools([]backend.PoolConfig{{Name: "q"}})
		b.registry.SetPools([]backend.PoolConfig{{Name: "q"}, {Name: "p"}}) // forgotten, and known again
		b.Reload([]Feed{StaticFeed("p", hosts("a"))})
		b.members("p", "a")
		b.end()
	})
}

// The order of the feeds is their precedence, also when nothing else changes.
func TestReloadChangesPrecedence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := StaticFeed("p", []backend.Spec{spec("x", "10.0.0.1:25")}), StaticFeed("p", []backend.Spec{spec("y", "10.0.0.1:25")})
		b := begin(t, "", one, two)
		b.members("p", "x")
		b.Reload([]Feed{two, one})
		b.members("p", "y")
		b.end()
	})
}

// stubborn says something when it is told to stop.
type stubborn struct{}

func (stubborn) Run(ctx context.Context, sets chan<- Set) error {
	<-ctx.Done()
	sets <- Set{Pool: "p", Specs: hosts("z")}
	return errors.New("I was told to stop")
}

func TestLastWordsAfterAReloadAreNotHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := begin(t, "", Feed{Name: "old", Pools: []string{"p"}, Source: stubborn{}})
		synctest.Wait()
		b.Reload([]Feed{StaticFeed("p", hosts("a"))})
		b.members("p", "a")
		want := []string{"p +[a] -[]", "config/p fresh: "}
		if got := b.heard(); !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
		b.end()
	})
}

func TestReloadWhileReloading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := begin(t, "", StaticFeed("p", hosts("a")))
		for range 20 {
			b.Reload([]Feed{StaticFeed("p", hosts("ab"))})
			b.Reload([]Feed{StaticFeed("p", hosts("b"))})
		}
		b.members("p", "b")
		b.end()
	})
}
