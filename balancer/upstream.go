package balancer

import (
	"context"
	"sync/atomic"
	"time"

	"weir/internal/backend"
	"weir/internal/connector"
	"weir/internal/smtp"
)

// maxRefusals is how many 4xx and 5xx answers a connection gives before it is
// replaced: servers slow down and cut connections that collect errors.
const maxRefusals = 5

// goodbye bounds how long a QUIT or RSET outside of any transaction may take.
const goodbye = 5 * time.Second

// upstream is a connection to a connector with its budget.
type upstream struct {
	*connector.Conn
	pool      *pool
	backend   *backend.Backend
	only      *session // who alone can use it, as the connector was told of its port; nil: others too
	born      time.Time
	idleSince time.Time
	messages  int
	mails     int // transactions begun
	bytes     int64
	refusals  int
	reused    bool // has served a transaction before this one
	began     bool // a MAIL was accepted and not yet ended
	out       atomic.Pointer[disabled]

	// What the pool's last snapshot knows of its connector, see member.
	view   *backend.Pool
	behind *backend.Member
}

// newUpstream takes in a connection that was dialled.
func newUpstream(conn *connector.Conn, p *pool, b *backend.Backend) *upstream {
	b.Traffic.Open.Add(1)
	p.srv.descriptors.held.Add(1)
	return &upstream{Conn: conn, pool: p, backend: b, born: time.Now()}
}

// member returns what is known of the connector now; nil: it is none of the pool's
// any more. Only who uses the connection may ask. It is looked up once for each
// snapshot, as a pool of a thousand lies in many cache lines.
func (u *upstream) member() *backend.Member {
	if now := u.pool.view(); now != u.view {
		u.view, u.behind = now, memberOf(now, u.backend)
	}
	return u.behind
}

// fit reports whether a kept connection is still in order.
func (u *upstream) fit(now time.Time) bool {
	return now.Sub(u.idleSince) < u.pool.Reuse.Idle && u.withinBudget(now) && u.Look() == smtp.Quiet
}

func (u *upstream) withinBudget(now time.Time) bool {
	r := u.pool.Reuse
	if most := int(u.Limits().MailMax); most > 0 && u.mails >= most {
		return false // RFC 9422 section 4.1
	}
	return u.messages < r.Messages && u.refusals < maxRefusals &&
		now.Sub(u.born) < r.Age && (r.Bytes == 0 || u.bytes < r.Bytes)
}

// retire ends a kept connection: politely, if it is still there.
func (u *upstream) retire() {
	if u.Look() == smtp.Quiet {
		u.quit()
	} else {
		u.discard()
	}
}

// discard closes the connection at once.
func (u *upstream) discard() {
	_ = u.Close()
	u.closed()
}

// closed counts it out.
func (u *upstream) closed() {
	u.backend.Traffic.Open.Add(-1)
	u.pool.srv.descriptors.held.Add(-1)
}

// quit ends the connection politely, in the background.
func (u *upstream) quit() {
	u.Carry(nil)
	u.pool.srv.background(func() {
		defer u.cutWith(u.pool.srv.base)()
		u.Quit(time.Now().Add(goodbye))
		u.closed()
	})
}

// cutWith has the connection broken when ctx ends, until stop is called.
func (u *upstream) cutWith(ctx context.Context) (stop func()) {
	release := context.AfterFunc(ctx, u.Abort)
	return func() { release() }
}

// giveBack ends the use of the connection and of the place at the connector. A
// transaction that was begun and not ended is reset first, in the background.
func (u *upstream) giveBack(now time.Time) {
	u.reused = true
	if !u.began {
		u.pool.keep(u, now) // whether it is quiet is for who takes it to see
		u.pool.release(u.backend)
		return
	}
	if u.Look() != smtp.Quiet {
		u.discard()
		u.pool.release(u.backend)
		return
	}
	u.pool.srv.background(func() {
		defer u.pool.release(u.backend)
		defer u.cutWith(u.pool.srv.base)()
		var reply smtp.Reply
		if err := u.Do("RSET", &reply, time.Now().Add(goodbye)); err != nil || reply.Class() != 2 {
			u.discard()
			return
		}
		u.began = false
		u.pool.keep(u, time.Now())
	})
}
