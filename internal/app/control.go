package app

import (
	"context"
	"errors"
	"fmt"

	"weir/dashboard"
	"weir/internal/backend"
	"weir/internal/cluster"
	"weir/internal/events"
)

// controller carries the operators' orders to the cluster.
type controller struct{ app *App }

// Order implements [dashboard.Controller].
func (c controller) Order(ctx context.Context, id backend.ID, o dashboard.Order) (dashboard.OrderAnswer, error) {
	standing, err := c.app.cluster.Order(ctx, id, cluster.Order{
		Verb: cluster.Verb(o.Verb), By: o.By, Reason: o.Reason, Force: o.Force, For: o.For,
	})
	answer := answerOf(standing)
	answer.ID = id.String()
	switch {
	case errors.Is(err, cluster.ErrEmpties):
		err = fmt.Errorf("%w: %w", dashboard.ErrEmpties, err)
	case errors.Is(err, cluster.ErrMaintenance):
		err = fmt.Errorf("%w; %w", dashboard.ErrHeld, err)
	case errors.Is(err, cluster.ErrContended):
		err = fmt.Errorf("%w: %w", dashboard.ErrConflict, err)
	case errors.Is(err, cluster.ErrNotShared):
		err = known{dashboard.ErrNotShared, err}
	case errors.Is(err, cluster.ErrUnknown):
		err = known{dashboard.ErrUnknown, err}
	}
	return answer, err
}

// known is an error of another room that the dashboard knows by a name of its own;
// the words say it already.
type known struct{ kind, err error }

func (k known) Error() string   { return k.err.Error() }
func (k known) Unwrap() []error { return []error{k.kind, k.err} }

// Look implements [dashboard.Controller].
func (c controller) Look(id backend.ID) dashboard.OrderAnswer {
	answer := answerOf(c.app.cluster.Look(id))
	answer.ID = id.String()
	return answer
}

// Standby implements [dashboard.Controller].
func (c controller) Standby(on bool, by string) error {
	c.app.standing.Lock()
	defer c.app.standing.Unlock()
	if c.app.stopping && !on {
		return fmt.Errorf("%w: this weir is stopping: start it again to bring it back", dashboard.ErrConflict)
	}
	c.app.dashboard.SetStandby(on)
	c.app.cluster.Standby(on)
	word := "standby"
	if !on {
		word = "serving"
	}
	c.app.events.Append(events.Event{Kind: "replica", Backend: c.app.cluster.Name(), To: word, Why: "an operator said so", By: by})
	return nil
}
