package events

import (
	"encoding/json"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"weir/internal/backend"
)

func ids(events []Event) []uint64 {
	var out []uint64
	for _, e := range events {
		out = append(out, e.ID)
	}
	return out
}

func TestSince(t *testing.T) {
	tests := []struct {
		name     string
		size     int
		appended int
		since    uint64
		want     []uint64
	}{
		{"nothing happened", 4, 0, 0, nil},
		{"all", 4, 3, 0, []uint64{1, 2, 3}},
		{"after the second", 4, 3, 2, []uint64{3}},
		{"nothing new", 4, 3, 3, nil},
		{"just full", 3, 3, 0, []uint64{1, 2, 3}},
		{"the oldest is gone", 3, 4, 0, []uint64{2, 3, 4}},
		{"after one that is gone", 3, 10, 2, []uint64{8, 9, 10}},
		{"after one that is kept", 3, 10, 8, []uint64{9, 10}},
		{"an id of another life", 3, 4, 5, []uint64{2, 3, 4}},
		{"the greatest id", 3, 2, math.MaxUint64, []uint64{1, 2}},
		{"a ring of one", 1, 3, 1, []uint64{3}},
		{"size 0 keeps one", 0, 2, 0, []uint64{2}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			l := NewLog(tc.size)
			for range tc.appended {
				l.Append(Event{Kind: "backend"})
			}
			if got, _ := l.Since(tc.since); !slices.Equal(ids(got), tc.want) {
				t.Errorf("got %v, want %v", ids(got), tc.want)
			}
		})
	}
}

// A reader that follows by its last id sees every event once and in order, as
// long as it never falls behind by more than the ring holds.
func TestFollowingMissesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, 8).Draw(t, "size")
		l := NewLog(size)
		var last uint64
		for _, burst := range rapid.SliceOf(rapid.IntRange(0, size)).Draw(t, "bursts") {
			for range burst {
				l.Append(Event{})
			}
			events, _ := l.Since(last)
			if len(events) != burst {
				t.Fatalf("%d events of %d seen", len(events), burst)
			}
			for _, e := range events {
				if e.ID != last+1 {
					t.Fatalf("event %d after %d", e.ID, last)
				}
				last = e.ID
			}
		}
	})
}

func TestAppendStampsTheTimeUnlessItIsGiven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLog(2)
		then := time.Now().Add(-time.Hour)
		l.Append(Event{})
		l.Append(Event{Time: then, ID: 99})
		got, _ := l.Since(0)
		if !got[0].Time.Equal(time.Now()) || !got[1].Time.Equal(then) || got[1].ID != 2 {
			t.Errorf("got %+v", got)
		}
	})
}

// A waiting reader is woken by the next event, and not by one that it has
// already been given.
func TestWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLog(8)
		l.Append(Event{})
		_, more := l.Since(0)
		woken := make(chan []Event)
		go func() {
			<-more
			got, _ := l.Since(1)
			woken <- got
		}()
		synctest.Wait()
		select {
		case <-more:
			t.Error("woken without a new event")
		default:
		}
		l.Append(Event{To: "down"})
		if got := <-woken; len(got) != 1 || got[0].To != "down" {
			t.Errorf("woken to see %+v", got)
		}
	})
}

func TestConcurrentWritersGetEveryID(t *testing.T) {
	const writers, each = 8, 200
	l := NewLog(writers * each)
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				l.Append(Event{})
				l.Since(0)
			}
		})
	}
	wg.Wait()
	got, _ := l.Since(0)
	for i, e := range got {
		if e.ID != uint64(i+1) {
			t.Fatalf("id %d at place %d", e.ID, i)
		}
	}
	if len(got) != writers*each {
		t.Errorf("%d events of %d", len(got), writers*each)
	}
}

// The names are a contract: interface.md lists them.
func TestJSON(t *testing.T) {
	e := OfBackend(backend.ID{Pool: "internet", Name: "mx-a"}, "up", "down", "3 probes in a row failed", "probe")
	e.ID, e.Time = 7, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	got, err := json.Marshal(e)
	want := `{"id":7,"time":"2026-01-02T03:04:05Z","kind":"backend","pool":"internet","backend":"mx-a",` +
		`"from":"up","to":"down","why":"3 probes in a row failed","by":"probe"}`
	if err != nil || string(got) != want {
		t.Errorf("got %s (%v), want %s", got, err, want)
	}
}
