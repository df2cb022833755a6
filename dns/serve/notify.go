package serve

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/miekg/dns"
)

// NOTIFY of one serial to one secondary: tries, the patience with each, and the
// pause after the first, which doubles. A secondary that hears none of them asks by
// itself after the SOA's refresh.
const (
	notifyTries   = 6
	notifyTimeout = 2 * time.Second
	notifyPause   = time.Second
)

// secondary is told of each new serial.
type secondary struct {
	zone    *Zone
	address string
	wake    chan struct{} // capacity 1
}

// nudge makes it look for a new serial; it never waits.
func (n *secondary) nudge() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

func (n *secondary) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-n.wake:
		}
		n.announce(ctx)
	}
}

// announce sends the present serial until it is answered (RFC 1996). A newer serial
// takes over at once. An operator is told from the second failure on.
func (n *secondary) announce(ctx context.Context) {
	pause := notifyPause
	for try := range notifyTries {
		p := n.zone.picture.Load()
		if p == nil || p.blank {
			return
		}
		err := n.send(ctx, p)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			n.zone.well("notify "+n.address, "the secondary %s answers NOTIFY for %s again", n.address, n.zone.cfg.Zone)
			return
		case try > 0: // one datagram may get lost
			n.zone.tell("notify "+n.address, "telling the secondary %s of %s: %v; it will see the change when it next asks (at the latest after the SOA's refresh)", n.address, n.zone.cfg.Zone, err)
		}
		select {
		case <-ctx.Done():
			return
		case <-n.wake:
			n.nudge()
			return
		case <-time.After(pause):
			pause *= 2
		}
	}
}

func (n *secondary) send(ctx context.Context, p *picture) error {
	cfg := n.zone.cfg
	m := new(dns.Msg)
	m.SetNotify(cfg.Zone)
	m.Answer = []dns.RR{p.records[0]}
	client := dns.Client{Timeout: notifyTimeout}
	if key := cfg.Serve.Key; key != nil {
		m.SetTsig(key.Name, key.Algorithm, tsigFudge, time.Now().Unix())
		client.TsigSecret = map[string]string{key.Name: key.Secret}
	}
	reply, _, err := client.ExchangeContext(ctx, m, n.address)
	switch {
	case reply != nil && reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeServerFailure:
		return fmt.Errorf("it answers %s: does it have the zone as a secondary, with this weir's address and key among its primaries?", dns.RcodeToString[reply.Rcode])
	case err != nil:
		if isTimeout(err) {
			return errors.New("no answer")
		}
		return err
	case reply.Rcode != dns.RcodeSuccess:
		return fmt.Errorf("it answers %s", dns.RcodeToString[reply.Rcode])
	}
	return nil
}
