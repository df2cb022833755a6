package health

import (
	"fmt"
	"sync"
	"time"

	"weir/internal/events"
	"weir/internal/smtp"
)

// relayEvery is how often a connector is asked for what none should do.
const relayEvery = time.Hour

// stranger is nobody's address: the domain is reserved (RFC 2606 section 3), and
// has no mail server. It is offered as a recipient and given no message.
const stranger = "weir-relay-test@example.net"

// relayClock remembers when each connector of a pool was asked last. It forgets
// what is due again anyway.
type relayClock struct {
	mu    sync.Mutex
	asked map[string]time.Time // by address
}

// due reports whether it is time to ask, and takes it for done.
func (c *relayClock) due(address string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if last, ok := c.asked[address]; ok && now.Sub(last) < relayEvery {
		return false
	}
	for other, last := range c.asked {
		if now.Sub(last) >= relayEvery {
			delete(c.asked, other)
		}
	}
	if c.asked == nil {
		c.asked = map[string]time.Time{}
	}
	c.asked[address] = now
	return true
}

// askRelay finds out whether the connector takes mail for anywhere from this host
// (P39). It comes behind the verdict, and whatever becomes of it is no part of that.
func (v *visit) askRelay() {
	v.deadline = time.Now().Add(v.prober.cfg.Timeout)
	v.tap.note("the probe is over; does it relay for anyone?")
	var reply smtp.Reply
	for _, text := range []string{v.mailCommand(), "RCPT TO:<" + stranger + ">"} {
		if err := v.conn.Do(text, &reply, v.deadline); err != nil || reply.Code == 421 {
			v.lost = true
			return
		}
		if reply.Class() != 2 {
			break
		}
	}
	if v.report.Relay = reply.Clone(); reply.Class() == 2 {
		v.tap.note("it does: what mail it gets through weir, it sends anywhere")
	}
}

// relayed takes in what the connector said to a recipient of nobody's, and returns
// the event that follows. The caller holds the pool's lock.
func (w *watch) relayed(r *Report) []events.Event {
	if !w.pool.set.Load().AskRelay {
		w.relay = "" // it is meant to, now
	}
	if r.Relay.Code == 0 {
		return nil
	}
	before := w.relay
	w.relay = ""
	if r.Relay.Class() == 2 {
		w.relay = r.Relay.String()
	}
	if (before == "") == (w.relay == "") {
		return nil
	}
	e := events.Event{Kind: "relay", Pool: w.backend.ID().Pool, Backend: w.backend.ID().Name, From: "refuses", To: "relays", By: byProbe}
	e.Why = fmt.Sprintf("it took %s as a recipient (%s): through weir anybody could send mail anywhere; take this host out of what it trusts (accept_domains: of the listeners keeps such mail away until then), or write relay: true if it is meant to", stranger, w.relay)
	if w.relay == "" {
		e.From, e.To, e.Why = "relays", "refuses", fmt.Sprintf("it refused %s as a recipient: %s", stranger, r.Relay.String())
	}
	return []events.Event{e}
}

// asksRelay reports whether a probe that went so is followed by the question.
func (v *visit) asksRelay(err error) bool {
	cfg := &v.prober.cfg
	return err == nil && cfg.AskRelay && cfg.Probe == DepthEnvelope && v.prober.relay.due(v.spec.Address, time.Now())
}
