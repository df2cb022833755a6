package metrics

import (
	"testing"
	"testing/synctest"
	"time"

	"weir/dashboard"
	"weir/internal/backend"
	"weir/internal/events"
)

func TestSpell(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 2, 0, 0, time.UTC)
	after := func(d time.Duration) time.Time { return start.Add(d) }
	var s spell
	want := func(now time.Time, messages int64, since, last time.Time) {
		t.Helper()
		got := s.at(now)
		if messages == 0 && got != nil || messages > 0 && (got == nil || *got != dashboard.Deferring{Messages: messages, Since: since, Last: last}) {
			t.Errorf("at %s: %+v, want %d since %s", now, got, messages, since)
		}
	}
	want(start, 0, start, start)
	s.note(start)
	want(start, 1, start, start)
	s.note(after(4 * time.Minute))
	s.note(after(8 * time.Minute))
	want(after(13*time.Minute-1), 3, start, after(8*time.Minute))
	want(after(13*time.Minute), 0, start, start)
	s.note(after(13 * time.Minute)) // five quiet minutes: another spell
	want(after(13*time.Minute), 1, after(13*time.Minute), after(13*time.Minute))
}

// Only what weir itself defers counts, pool by pool, and it goes with the pool.
func TestDeferring(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := backend.NewRegistry([]backend.PoolConfig{{Name: "fax"}})
		m := New(Deps{Registry: registry, Events: events.NewLog(1)})
		end := func(pool, outcome, by string, class int) {
			m.Meter().Transaction("inbound", pool, "", outcome, by, class, &[backend.Stages]time.Duration{}, 0)
		}
		end("fax", "deferred", "connector", 4)
		end("fax", "rejected", "weir", 5)
		end("fax", "aborted", "", 0)
		end("", "deferred", "weir", 4) // of no pool
		if got := m.Deferring("fax"); got != nil {
			t.Errorf("%+v", got)
		}
		began := time.Now().UTC()
		end("fax", "deferred", "weir", 4)
		time.Sleep(time.Minute) // virtual: synctest
		end("fax", "deferred", "weir", 4)
		if got, want := m.Deferring("fax"), (dashboard.Deferring{Messages: 2, Since: began, Last: time.Now().UTC()}); got == nil || *got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		if got := m.Deferring("notes"); got != nil {
			t.Errorf("of another pool: %+v", got)
		}
		registry.SetPools(nil)
		m.Meter().forget(registry.Snapshot())
		if got := m.Deferring("fax"); got != nil {
			t.Errorf("of a pool that is gone: %+v", got)
		}
	})
}
