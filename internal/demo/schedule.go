package demo

import (
	"context"
	"time"
)

// step is one act of the play.
type step struct {
	at   time.Duration // since the play began
	who  int           // index of the connector
	mode mode
	what string // for people
}

// schedule is the play; it begins anew every [playLength]. The first act shows
// a connector that goes and comes back within a few seconds.
func schedule() []step {
	return []step{
		{4 * time.Second, 1, off, "is switched off: it refuses connections"},
		{11 * time.Second, 1, honest, "is switched on again"},
		{20 * time.Second, 2, hanging, "hangs: it greets, takes MAIL, and never answers RCPT"},
		{28 * time.Second, 2, honest, "answers again"},
		{38 * time.Second, 3, deferring, "has no disk space left: it answers 451 to MAIL"},
		{45 * time.Second, 3, honest, "has disk space again"},
		{55 * time.Second, 0, off, "is stopped for maintenance"},
		{62 * time.Second, 0, honest, "is back from maintenance"},
	}
}

const playLength = 75 * time.Second

// act is told of each step when it has been done.
type act struct {
	connector string
	what      string
	err       error
}

// play runs the schedule over and over until ctx is done.
func play(ctx context.Context, connectors []*connector, steps []step, length time.Duration, acts chan<- act) {
	for start := time.Now(); ; start = start.Add(length) {
		for _, s := range steps {
			if !pause(ctx, time.Until(start.Add(s.at))) {
				return
			}
			c := connectors[s.who]
			select {
			case acts <- act{connector: c.name, what: s.what}:
			case <-ctx.Done():
				return
			}
			if err := c.set(ctx, s.mode); err != nil {
				select {
				case acts <- act{connector: c.name, err: err}:
				case <-ctx.Done():
					return
				}
			}
		}
		if !pause(ctx, time.Until(start.Add(length))) {
			return
		}
	}
}
