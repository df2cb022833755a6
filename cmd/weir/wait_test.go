package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/dashboard"
)

// scripted answers looks at a connector in turn, the last one for ever.
type scripted struct {
	at      map[string]int
	answers map[string][]any // an answer's JSON, or an error
}

func (s *scripted) look(_ context.Context, id string) (a dashboard.OrderAnswer, err error) {
	list := s.answers[id]
	next := list[min(s.at[id], len(list)-1)]
	s.at[id]++
	if err, ok := next.(error); ok {
		return a, err
	}
	return a, json.Unmarshal([]byte(next.(string)), &a)
}

type waitResult struct {
	out, errs string
	err       error
	took      time.Duration
}

// waitFor waits in virtual time; after stop, if it is not 0, somebody types
// Ctrl-C.
func waitFor(t *testing.T, asJSON bool, stop time.Duration, answers map[string][]any, ids ...string) (got waitResult) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if stop > 0 {
			time.AfterFunc(stop, cancel)
		}
		var out, errs bytes.Buffer
		s := scripted{map[string]int{}, answers}
		w := waiter{look: s.look, out: &out, errs: &errs, json: asJSON}
		began := time.Now()
		err := w.wait(ctx, ids, time.Minute)
		got = waitResult{out.String(), errs.String(), err, time.Since(began)}
	})
	return got
}

func shared(state string, here, there int64, seen, safe bool) string {
	return standing("p/a", state, here+there, func(a *dashboard.OrderAnswer) {
		a.Replicas[0].InFlight = here
		other := dashboard.ReplicaShare{Name: "weir-2", Seen: seen, InFlight: there}
		if seen {
			other.State = state
		}
		a.Replicas, a.Safe = append(a.Replicas, other), safe
	})
}

func TestWaitTellsWhatChanges(t *testing.T) {
	got := waitFor(t, false, 0, map[string][]any{
		"p/a": {shared("drain", 2, 1, true, false), shared("drain", 2, 1, true, false), shared("drain", 0, 1, true, false), shared("drain", 0, 0, true, true)},
		"p/b": {standing("p/b", "drain", 4, nil), standing("p/b", "drain", 0, nil)},
	}, "p/a", "p/b")
	want := "p/a: weir-1 has 2 in flight; weir-2 has 1 in flight\np/b: 4 in flight\nsafe to reboot: p/b\n" +
		"p/a: weir-1 has nothing in flight; weir-2 has 1 in flight\nsafe to reboot: p/a\n"
	if got.out != want || got.errs != "" || got.err != nil || got.took != 3*lookEvery {
		t.Errorf("%+v", got)
	}
}

func TestWaitWithoutAChangeSpeaksNowAndThen(t *testing.T) {
	got := waitFor(t, false, 0, map[string][]any{"p/a": {standing("p/a", "disabled", 1, nil)}}, "p/a")
	// In the last moment both may come: the line, and the end.
	if n := strings.Count(got.out, "p/a: 1 in flight\n"); n < 12 || n > 13 || strings.Count(got.out, "\n") != n {
		t.Errorf("%d times: %+v", n, got)
	}
}

func TestWaitEndsInTime(t *testing.T) {
	got := waitFor(t, false, 0, map[string][]any{
		"p/a": {shared("drain", 0, 0, false, false)},
		"p/b": {standing("p/b", "drain", 0, nil)},
		"p/c": {standing("p/c", "drain", 7, nil)},
	}, "p/a", "p/b", "p/c")
	want := "weir: p/a: still not safe to reboot after 1m0s: weir-1 has nothing in flight; weir-2 is not heard of\n" +
		"weir: p/c: still not safe to reboot after 1m0s: 7 in flight\n" +
		"weir: the drain stays in force; weir undrain p/a p/c ends it\n"
	if !errors.As(got.err, new(saidError)) || got.errs != want || !strings.Contains(got.out, "safe to reboot: p/b\n") || got.took != time.Minute {
		t.Errorf("%+v", got)
	}
}

func TestWaitIsInterrupted(t *testing.T) {
	got := waitFor(t, false, 3*time.Second, map[string][]any{"p/a": {standing("p/a", "drain", 7, nil)}}, "p/a")
	want := "weir: p/a: no longer waiting: 7 in flight\nweir: the drain stays in force; weir undrain p/a ends it\n"
	if !errors.As(got.err, new(saidError)) || got.errs != want || got.took != 3*time.Second {
		t.Errorf("%+v", got)
	}
}

// A weir that restarts meanwhile is waited for.
func TestWaitOutlivesARestart(t *testing.T) {
	away := unreachableError{errors.New("weir is not reachable")}
	got := waitFor(t, false, 0, map[string][]any{"p/a": {away, away, standing("p/a", "drain", 0, nil)}}, "p/a")
	if got.err != nil || got.out != "p/a: weir is not reachable\nsafe to reboot: p/a\n" {
		t.Errorf("%+v", got)
	}
}

func TestWaitForWhatCannotBeSafe(t *testing.T) {
	got := waitFor(t, false, 0, map[string][]any{"p/a": {standing("p/a", "up", 0, nil)}}, "p/a")
	if got.err == nil || got.err.Error() != "waiting for p/a: it is no longer drained, but up: not safe to reboot" || got.out != "" {
		t.Errorf("%+v", got)
	}
	got = waitFor(t, false, 0, map[string][]any{"p/a": {&refusal{status: 404, words: "no connector"}}}, "p/a")
	if got.err == nil || got.err.Error() != "waiting for p/a: no connector; that it is safe to reboot is not known" {
		t.Errorf("%+v", got)
	}
}

// A replica that has not taken the drain over yet is named with its state.
func TestWaitNamesWhoDoesNotDrain(t *testing.T) {
	late := standing("p/a", "drain", 0, func(a *dashboard.OrderAnswer) {
		a.Safe = false
		a.Replicas = append(a.Replicas, dashboard.ReplicaShare{Name: "weir-2", Seen: true, State: "up", InFlight: 2})
	})
	got := waitFor(t, false, 0, map[string][]any{"p/a": {late, standing("p/a", "drain", 0, nil)}}, "p/a")
	if got.out != "p/a: weir-1 has nothing in flight; weir-2 has it up, 2 in flight\nsafe to reboot: p/a\n" {
		t.Errorf("%+v", got)
	}
}

func TestWaitAsJSON(t *testing.T) {
	safe := standing("p/a", "drain", 0, nil)
	got := waitFor(t, true, 0, map[string][]any{"p/a": {standing("p/a", "drain", 1, nil), safe}}, "p/a")
	if got.err != nil || got.out != safe+"\n" {
		t.Errorf("%+v", got)
	}
}

func TestDrainAndWait(t *testing.T) {
	f := newFakeWeir(t, map[string]answer{
		"POST /v1/backends/internet/mx-b/drain": {200, standing("internet/mx-b", "drain", 3, nil)},
		"GET /v1/backends/internet/mx-b":        {200, standing("internet/mx-b", "drain", 0, nil)},
	})
	expect(t, "drain mx-b --wait", exitDone, "internet/mx-b: drain, 3 in flight\nsafe to reboot: internet/mx-b\n", "")
	f.mu.Lock()
	f.answers["GET /v1/backends/internet/mx-b"] = answer{200, standing("internet/mx-b", "drain", 1, nil)}
	f.mu.Unlock()
	code, stdout, stderr := weir("drain", "mx-b", "--wait", "--timeout", "300ms")
	if code != exitFailed || !strings.HasPrefix(stdout, "internet/mx-b: drain, 3 in flight\n") ||
		!strings.HasPrefix(stderr, "weir: internet/mx-b: still not safe to reboot after 300ms: ") ||
		!strings.HasSuffix(stderr, "weir: the drain stays in force; weir undrain internet/mx-b ends it\n") {
		t.Errorf("exit %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}

// One that no source knows any more, here or elsewhere, is waited for like any other.
func TestWaitForOneThatIsGone(t *testing.T) {
	busy := standing("p/a", "absent", 2, func(a *dashboard.OrderAnswer) {
		a.Replicas[0].InFlight = 0
		a.Replicas = append(a.Replicas, dashboard.ReplicaShare{Name: "weir-2", Seen: true, State: "drain", InFlight: 2},
			dashboard.ReplicaShare{Name: "weir-3", Seen: true, State: "absent"})
	})
	got := waitFor(t, false, 0, map[string][]any{"p/a": {standing("p/a", "drain", 2, nil), busy, standing("p/a", "absent", 0, nil)}}, "p/a")
	want := "p/a: 2 in flight\np/a: weir-1 has nothing in flight; weir-2 has 2 in flight; weir-3 has nothing in flight\nsafe to reboot: p/a\n"
	if got.err != nil || got.out != want {
		t.Errorf("%+v", got)
	}
}

// The look that the end of the waiting cuts short says nothing of the connector.
func TestWaitEndsInTheMiddleOfALook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := true
		look := func(ctx context.Context, _ string) (a dashboard.OrderAnswer, err error) {
			if first {
				first = false
				return a, json.Unmarshal([]byte(shared("drain", 0, 0, false, false)), &a)
			}
			<-ctx.Done()
			return a, unreachableError{errors.New("weir is not reachable: no answer in time")}
		}
		var out, errs bytes.Buffer
		w := waiter{look: look, out: &out, errs: &errs}
		err := w.wait(t.Context(), []string{"p/a"}, 2*time.Second)
		const left = "weir-1 has nothing in flight; weir-2 is not heard of\n"
		want := "weir: p/a: still not safe to reboot after 2s: " + left + "weir: the drain stays in force; weir undrain p/a ends it\n"
		if !errors.As(err, new(saidError)) || out.String() != "p/a: "+left || errs.String() != want {
			t.Errorf("%v, stdout %q, stderr %q", err, out.String(), errs.String())
		}
	})
}
