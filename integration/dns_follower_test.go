package integration

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// follower is a sender that finds connectors as RFC 5321 section 5.1 says, by the MX of a domain and the addresses of
// its targets: a name that does not exist and a 5xx bounce a message, anything else makes it try the next address, and
// then again later.
type follower struct {
	resolver *net.Resolver
	domain   string
	port     string
}

// newFollower asks one name server only.
func newFollower(ns, domain, smtpPort string) *follower {
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, ns)
	}
	return &follower{resolver: &net.Resolver{PreferGo: true, Dial: dial}, domain: domain, port: smtpPort}
}

// deliver tries until a message is acknowledged, has bounced, or ctx ends.
func (s *follower) deliver(ctx context.Context, m *message) verdict {
	v := verdict{msg: m}
	for {
		err := s.try(ctx, m)
		v.tries++
		if err == nil {
			v.acknowledged = true
			return v
		}
		if v.tries == 1 {
			v.first = err
		}
		if bounces(err) {
			v.permanent = err
			return v
		}
		select {
		case <-ctx.Done():
			return v
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// bounces says whether a mail server would send the message back.
func bounces(err error) bool {
	var name *net.DNSError
	var rep *replyError
	return errors.As(err, &name) && name.IsNotFound || errors.As(err, &rep) && rep.reply.class() == 5
}

// try goes through all addresses once.
func (s *follower) try(ctx context.Context, m *message) error {
	targets, err := s.resolver.LookupMX(ctx, s.domain) // by preference
	if err != nil {
		return fmt.Errorf("asking for the MX: %w", err)
	}
	err = errors.New("the MX has no target")
	for _, target := range targets {
		addrs, failed := s.resolver.LookupNetIP(ctx, "ip4", target.Host)
		if failed != nil {
			return fmt.Errorf("asking for the addresses: %w", failed)
		}
		for _, addr := range addrs {
			if err = hand(net.JoinHostPort(addr.String(), s.port), m); err == nil || bounces(err) {
				return err
			}
		}
	}
	return err
}

// hand gives a message to one connector, with little patience.
func hand(addr string, m *message) error {
	conn, err := net.DialTimeout("tcp", addr, 2*time.Second)
	if err != nil {
		return err
	}
	c := &client{conn: conn, r: bufio.NewReader(conn), patience: 2 * time.Second}
	defer c.close()
	greeting, err := c.read()
	if err == nil && greeting.code != 220 {
		err = &replyError{"greeting", greeting}
	}
	if err == nil {
		err = c.ehlo()
	}
	if err == nil {
		_, err = c.sendData(m)
	}
	if err == nil {
		_, _ = c.cmd("QUIT")
	}
	return err
}

// following is a number of followers at work.
type following struct {
	t     *testing.T
	quit  context.CancelFunc
	done  sync.WaitGroup
	count atomic.Int64 // acknowledged so far

	mu      sync.Mutex
	results []verdict
}

// startFollowing sets n senders to work until end.
func startFollowing(t *testing.T, n int, s *follower) *following {
	t.Helper()
	ctx, quit := context.WithCancel(t.Context())
	l := &following{t: t, quit: quit}
	for range n {
		l.done.Go(func() { l.work(ctx, s) })
	}
	t.Cleanup(func() { quit(); l.done.Wait() })
	return l
}

func (l *following) work(ctx context.Context, s *follower) {
	for i := 0; ctx.Err() == nil; i++ {
		// A message that was begun is seen to its end, whoever leaves meanwhile.
		one, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		v := s.deliver(one, newMessage("follow", filler(300+i*37%2000)))
		cancel()
		l.mu.Lock()
		l.results = append(l.results, v)
		l.mu.Unlock()
		if v.acknowledged {
			l.count.Add(1)
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// flows waits for n more messages.
func (l *following) flows(n int64) {
	l.t.Helper()
	at := l.count.Load()
	eventually(l.t, time.Minute, func() bool { return l.count.Load() >= at+n }, "the senders stand: %d messages, then %d", at, l.count.Load())
}

// end stops the senders; every message must have been acknowledged. It returns these.
func (l *following) end() (acknowledged []*message) {
	l.t.Helper()
	l.quit()
	l.done.Wait()
	again := 0
	for _, v := range l.results {
		switch {
		case v.permanent != nil:
			l.t.Errorf("%s bounced: %v", v.msg.id, v.permanent)
		case !v.acknowledged:
			l.t.Errorf("%s was never acknowledged; first: %v", v.msg.id, v.first)
		default:
			acknowledged = append(acknowledged, v.msg)
		}
		if v.tries > 1 {
			again++
		}
	}
	l.t.Logf("%d messages, %d of them not at the first pass over the addresses", len(l.results), again)
	return slices.Clip(acknowledged)
}
