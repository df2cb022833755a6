package discovery

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestAwaitOfNewPools(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript()
		b := begin(t, "", StaticFeed("p", hosts("a")))
		b.members("p", "a")
		b.Reload([]Feed{StaticFeed("p", hosts("a")), {Name: "dns", Pools: []string{"q"}, Source: s}})
		if err := b.Await(t.Context(), []string{"p"}); err != nil {
			t.Errorf("a pool that was told of long ago: %v", err)
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Await(short, []string{"p", "q"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("nobody has told of q: %v", err)
		}
		done := make(chan error, 1)
		go func() { done <- b.Await(t.Context(), []string{"q"}) }()
		s.sets <- Set{Pool: "q", Unheard: true, Doubt: "refused"}
		synctest.Wait()
		if len(done) > 0 {
			t.Error("who cannot be asked has told nothing")
		}
		s.sets <- Set{Pool: "q", Specs: hosts("z")}
		if err := <-done; err != nil || len(b.registry.Snapshot().Pool("q").Members) != 1 {
			t.Errorf("%v, members %v", err, b.registry.Snapshot().Pool("q").Members)
		}
		b.end()
	})
}

func TestAwaitEndsWithTheSourceAndWithRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript()
		b := begin(t, "", Feed{Name: "dns", Pools: []string{"p"}, Source: s}, Feed{Name: "dns", Pools: []string{"q"}, Source: newScript()})
		done := make(chan error, 1)
		go func() { done <- b.Await(t.Context(), []string{"p"}) }()
		s.end <- nil
		if err := <-done; err != nil {
			t.Errorf("the source has ended: %v", err)
		}
		go func() { done <- b.Await(t.Context(), []string{"q"}) }()
		synctest.Wait()
		b.end()
		if err := <-done; err != nil {
			t.Errorf("Run has ended: %v", err)
		}
	})
}
