package app

import (
	"time"

	"weir/balancer"
	"weir/dashboard"
	past "weir/internal/history"
)

// remember keeps a transaction for [dashboard.History], with the addresses as the
// log shows them. It holds on to nothing of the record.
func (r recorder) remember(rec *balancer.Record, reply []byte, masks bool, now time.Time) {
	if r.past == nil {
		return
	}
	t := past.Transaction{
		ID: rec.ID, Session: rec.Session, Time: now, Listener: rec.Listener, Client: rec.Client, HELO: rec.HELO,
		From: rec.From, Rcpts: rec.Rcpts, RcptCount: rec.RcptCount, Pool: rec.Pool, Backend: rec.Backend, Replays: rec.Replays,
		Code: rec.Reply.Code, ReplyText: reply, By: byWhom(rec), RemoteID: rec.RemoteID, MessageID: rec.MessageID,
		Bytes: rec.Bytes, DurationMS: milliseconds(rec.Duration), Outcome: string(rec.Outcome),
	}
	if masks {
		t.From, t.Rcpts = maskAddress(t.From), maskAddresses(t.Rcpts)
	}
	if rec.Reached {
		t.Stage = rec.Stage.String()
	}
	for _, left := range rec.Tries {
		t.Tries = append(t.Tries, past.Try{Backend: left.Backend, Why: r.text(left.Why)})
	}
	r.past.Add(&t)
}

var _ dashboard.History = (*past.Ring)(nil)
