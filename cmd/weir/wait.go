package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"weir/dashboard"
)

// The pace of waiting for a drain.
const (
	lookEvery = 500 * time.Millisecond
	tellEvery = 5 * time.Second // even when nothing has changed
)

// waiter waits until drained connectors have nothing in flight in any replica.
type waiter struct {
	look      func(ctx context.Context, id string) (dashboard.OrderAnswer, error)
	out, errs io.Writer
	json      bool // a line of JSON for each connector at its end, and no progress
}

// waited is one connector that is waited for.
type waited struct {
	id     string
	words  string // what was last said of it
	told   time.Time
	answer dashboard.OrderAnswer
}

// wait returns nil only when every connector was seen to be safe to reboot.
func (w *waiter) wait(ctx context.Context, ids []string, timeout time.Duration) error {
	until, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var left []*waited
	for _, id := range ids {
		left = append(left, &waited{id: id, words: "how it stands is not known yet"})
	}
	for {
		var still []*waited
		for _, c := range left {
			done, err := w.once(until, c)
			if until.Err() != nil {
				break
			}
			if err != nil {
				return fmt.Errorf("waiting for %s: %w", c.id, err)
			}
			if !done {
				still = append(still, c)
			}
		}
		if until.Err() == nil {
			left = still
		}
		if len(left) == 0 {
			return nil
		}
		select {
		case <-until.Done():
			return w.unfinished(ctx, left, timeout)
		case <-tick.C:
		}
	}
}

// once looks at a connector and tells what is new. An error is final.
func (w *waiter) once(ctx context.Context, c *waited) (done bool, err error) {
	answer, err := w.look(ctx, c.id)
	var away unreachableError
	switch {
	case ctx.Err() != nil:
		return false, nil // this look was cut short: what was seen before it stands
	case errors.As(err, &away):
		// It may be restarting, and the drain outlives that.
		w.tell(c, err.Error())
		return false, nil
	case err != nil:
		return false, fmt.Errorf("%w; that it is safe to reboot is not known", err)
	}
	c.answer = answer
	switch {
	case !isOut(answer.State):
		return false, fmt.Errorf("it is no longer drained, but %s: not safe to reboot", answer.State)
	case answer.Safe && w.json:
		encoder := json.NewEncoder(w.out)
		encoder.SetEscapeHTML(false)
		return true, encoder.Encode(answer)
	case answer.Safe:
		_, err := fmt.Fprintf(w.out, "safe to reboot: %s\n", c.id)
		return true, err
	default:
		w.tell(c, shares(&answer))
		return false, nil
	}
}

// isOut reports whether nothing new goes to a connector in this state. One that no
// source knows any more is absent: what runs there, here or in a replica, may still
// have to end.
func isOut(state string) bool {
	return state == "drain" || state == "disabled" || state == "absent"
}

// tell says how a connector stands, when that has changed or was long ago.
func (w *waiter) tell(c *waited, words string) {
	now := time.Now()
	if words == c.words && now.Sub(c.told) < tellEvery {
		return
	}
	c.words, c.told = words, now
	if !w.json {
		_, _ = fmt.Fprintf(w.out, "%s: %s\n", c.id, words)
	}
}

// shares says what a connector still has in flight, and in which replica.
func shares(a *dashboard.OrderAnswer) string {
	if len(a.Replicas) == 0 || len(a.Replicas) == 1 && a.Replicas[0].Self {
		return inFlight(a.InFlight)
	}
	var words []string
	for _, r := range a.Replicas {
		switch {
		case !r.Self && !r.Seen:
			words = append(words, r.Name+" is not heard of")
		case !isOut(r.State) && r.State != "":
			words = append(words, fmt.Sprintf("%s has it %s, %s", r.Name, r.State, inFlight(r.InFlight)))
		default:
			words = append(words, fmt.Sprintf("%s has %s", r.Name, inFlight(r.InFlight)))
		}
	}
	return strings.Join(words, "; ")
}

// unfinished says what is left when the waiting ends too early.
func (w *waiter) unfinished(ctx context.Context, left []*waited, timeout time.Duration) error {
	why := "still not safe to reboot after " + timeout.String()
	if ctx.Err() != nil {
		why = "no longer waiting"
	}
	var names []string
	for _, c := range left {
		names = append(names, c.id)
		_, _ = fmt.Fprintf(w.errs, "weir: %s: %s: %s\n", c.id, why, c.words)
	}
	_, _ = fmt.Fprintf(w.errs, "weir: the drain stays in force; weir undrain %s ends it\n", strings.Join(names, " "))
	return saidError{errors.New(why)}
}
