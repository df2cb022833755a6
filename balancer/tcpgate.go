package balancer

import (
	"errors"
	"net"
	"slices"
	"time"

	"weir/internal/backend"
	"weir/internal/connector"
	"weir/policies"
)

// totalGreeting bounds the search for a connector. Senders wait for a greeting as
// long as for the answer to RCPT: five minutes (RFC 5321 section 4.5.3.2.1).
const totalGreeting = totalRcpt

// gateway is a connector that has greeted and waits for the sender.
type gateway struct {
	*upstream
	socket net.Conn
}

// errLeft is the failure of a connector that seemed to be there.
var errLeft = errors.New("connection closed behind the greeting")

// find chooses a connector as a transaction does, which it borrows for that, and
// has it greet. What fails up to then the sender does not see. It returns nil when
// there is none, or none that takes this sender: who was told why already.
func (p *passage) find() *gateway {
	s := p.s
	t := s.borrow()
	defer func() {
		p.Tries = slices.Clone(t.rec.Tries)
		t.forget()
		s.srv.txs.Put(t)
	}()
	t.id = s.id
	t.rec = Record{Tries: t.rec.Tries[:0], Rcpts: t.rec.Rcpts[:0], Reply: t.rec.Reply}
	t.req = policies.Request{Client: s.client.Addr()}
	limit := t.began.Add(totalGreeting)
	for b := t.pick(limit); b != nil; b = t.pick(limit) {
		p.Pool = t.pool.Name
		at := p.dial(t, b, limit)
		t.endPart(b)
		if at != nil {
			t.req.Now = time.Now()
			t.pool.policy.Settled(&t.req, b)
			return at
		}
		t.pool.release(b)
		if t.lastFault.kind == faultUnwelcome {
			p.refuse(b, &t.lastFault)
			return nil
		}
	}
	p.apologise(&t.lastFault)
	return nil
}

// dial connects to a connector and waits for its greeting, within the stages'
// deadlines and the patience with them. A failure is told and recorded.
func (p *passage) dial(t *transaction, b *backend.Backend, limit time.Time) *gateway {
	start := time.Now()
	watch := dialWatch{t: t, b: b}
	dialer := t.pool.dialer
	dialer.Watch, dialer.Client, dialer.Transcript = &watch, t.client(t.pool), p
	t.s.dialsFor(&dialer)
	p.heard = nil
	ctx, hangUp := t.dialling(b)
	defer hangUp()
	conn, err := dialer.DialTo(ctx, b.Address(), gateOf(&dialer), limit)
	if err != nil {
		t.unreached(ctx, &watch, err)
		return nil
	}
	u := newUpstream(conn, t.pool, b)
	socket, err := conn.Socket()
	if err != nil || conn.Left() {
		ticket := t.beginStage(b, backend.StageEHLO, time.Now())
		f := lostBy(faultUnreached, backend.StageEHLO, errLeft)
		t.failed(ticket, &f)
		t.noteTry(b, &f)
		u.discard()
		return nil
	}
	t.waited(time.Since(start)) // all that there will be to learn of it
	t.s.hold(u)
	return &gateway{u, socket}
}

// gateOf is how far connecting goes. Where TLS comes first the sender will speak it:
// then there is no greeting to wait for.
func gateOf(d *connector.Dialer) backend.Stage {
	if d.TLS.Mode == connector.TLSImplicit {
		return backend.StageConnect
	}
	return backend.StageBanner
}

// Heard implements [connector.Transcript]: the greeting is handed on as it came,
// with whatever came behind it.
func (p *passage) Heard(b []byte) { p.heard = append(p.heard, b...) }

// Sent implements [connector.Transcript].
func (p *passage) Sent([]byte) {}

// refuse hands the connector's refusal of the client on, as it came: no other one is
// asked (P3a).
func (p *passage) refuse(b *backend.Backend, f *fault) {
	p.Backend = b.ID().Name
	p.s.finish("refused by the connector: " + f.why)
	_ = p.greet()
}

// apologise tells the sender that there is no connector for it.
func (p *passage) apologise(f *fault) {
	w := noConnector
	if f.kind != faultNoPlace && !f.ordered {
		w.Text = "No connector could be reached, try again later"
	}
	p.s.reply(421, w.Enhanced, w.Text) // the connection closes (RFC 5321 section 3.8)
	p.s.finish("no connector: " + w.Text)
}
