package app

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"

	"weir/config"
	"weir/internal/backend"
	"weir/internal/events"
)

// watchedPool is an App with a registry of one pool and nothing else.
func watchedPool(t *testing.T, members int) (a *App, set func(up ...bool)) {
	t.Helper()
	l, _ := testLogger(config.Log{})
	a = &App{
		log: l, events: events.NewLog(100),
		registry: backend.NewRegistry([]backend.PoolConfig{{Name: "p", MinRedundancy: 2}}),
	}
	specs := make([]backend.Spec, members)
	for i := range specs {
		specs[i] = backend.Spec{Pool: "p", Name: fmt.Sprint("b", i), Address: fmt.Sprint("10.0.0.", i, ":25")}
	}
	a.registry.SetMembers("p", specs)
	return a, func(up ...bool) {
		for i, m := range a.registry.Snapshot().Pool("p").Members {
			fact := backend.HealthFact{Health: backend.HealthDown}
			if up[i] {
				fact.Health = backend.HealthUp
			}
			a.registry.SetHealth(m.Backend, fact)
		}
		synctest.Wait()
	}
}

func TestPoolsAreWatchedForEdges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, set := watchedPool(t, 3)
		set(true, true, true)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- a.watchPools(ctx) }()
		synctest.Wait()
		set(true, true, false) // still redundant
		set(true, false, false)
		set(true, false, false)
		set(false, false, false)
		set(true, true, true)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		var got []string
		list, _ := a.events.Since(0)
		for _, e := range list {
			got = append(got, fmt.Sprintf("%s %s: %s → %s", e.Kind, e.Pool, e.From, e.To))
		}
		// On its way up it passes the word between, which the watcher may or may not see.
		got = dropBetween(got, "pool p: empty → not-redundant", "pool p: not-redundant → redundant", "pool p: empty → redundant")
		want := []string{
			"pool p: redundant → not-redundant", "pool p: not-redundant → empty", "pool p: empty → redundant",
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
		if why := list[0].Why; why != "1 of 3 connectors eligible, min_redundancy is 2" {
			t.Errorf("why: %q", why)
		}
	})
}

// A pool in panic says so, and takes precedence over its redundancy.
func TestPanicIsAnEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := backend.NewRegistry([]backend.PoolConfig{{Name: "p", PanicPercent: 60}})
		l, _ := testLogger(config.Log{})
		a := &App{log: l, events: events.NewLog(100), registry: registry}
		registry.SetMembers("p", []backend.Spec{{Pool: "p", Name: "a", Address: "10.0.0.1:25"}, {Pool: "p", Name: "b", Address: "10.0.0.2:25"}})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		for _, m := range registry.Snapshot().Pool("p").Members {
			registry.SetHealth(m.Backend, backend.HealthFact{Health: backend.HealthUp})
		}
		go func() { done <- a.watchPools(ctx) }()
		synctest.Wait()
		b := registry.Snapshot().Pool("p").Member("b").Backend
		registry.SetHealth(b, backend.HealthFact{Health: backend.HealthUp, Breaker: backend.BreakerOpen, Stage: backend.StageMail})
		synctest.Wait()
		registry.SetHealth(b, backend.HealthFact{Health: backend.HealthUp})
		synctest.Wait()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		var got []string
		list, _ := a.events.Since(0)
		for _, e := range list {
			got = append(got, e.From+" → "+e.To)
		}
		if want := []string{"redundant → panic", "panic → redundant"}; !reflect.DeepEqual(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func dropBetween(list []string, first, second, both string) []string {
	text := strings.ReplaceAll(strings.Join(list, "\n"), first+"\n"+second, both)
	return strings.Split(text, "\n")
}

func TestPoolThatBeginsEmptyIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, set := watchedPool(t, 2)
		set(false, false)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- a.watchPools(ctx) }()
		synctest.Wait()
		set(false, false)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		list, _ := a.events.Since(0)
		if len(list) != 1 || list[0].From != "starting" || list[0].To != "empty" {
			t.Errorf("got %+v", list)
		}
	})
}

func TestGarbageInConsulIsAWarning(t *testing.T) {
	if !worrying("ignored") || worrying("shared") {
		t.Error("a flag that is ignored is no warning, or one that is shared is")
	}
}

func TestEventsAreLoggedToTheLast(t *testing.T) {
	l, out := testLogger(config.Log{Level: "info"})
	a := &App{log: l, events: events.NewLog(100)}
	id := backend.ID{Pool: "p", Name: "b"}
	a.events.Append(events.OfBackend(id, "up", "down", "connect: connection refused", "probe"))
	a.events.Append(events.Event{Kind: "pool", Pool: "p", To: "empty", Why: "x", By: "weir"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // nothing may be lost that was appended before the end
	if err := a.logEvents(ctx); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines: %s", len(lines), out)
	}
	want := map[string]any{
		"level": "warn", "time": "2026-01-02T03:04:05.678Z", "msg": "backend", "event": 1.0, "pool": "p", "backend": "b",
		"from": "up", "to": "down", "why": "connect: connection refused", "by": "probe",
	}
	if got := decode(t, lines[0]); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if got := decode(t, lines[1]); got["msg"] != "pool" || got["level"] != "warn" || got["backend"] != nil {
		t.Errorf("got %v", got)
	}
}
