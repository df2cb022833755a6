package integration

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// benchLoad is a steady stream of messages through one front end. The rate does not depend on how the front end fares:
// where all senders wait, further ones come.
type benchLoad struct {
	addr    string
	perConn int           // messages a sender sends on one connection
	pause   time.Duration // before a message's last line
	body    []byte

	jobs    chan *benchMessage
	senders sync.WaitGroup
	count   int // of senders so far

	mu   sync.Mutex
	sent []*benchMessage
}

// benchMessage is a message and what became of it; its sender's until that has ended.
type benchMessage struct {
	*message
	counted bool  // one of the table's; the rest only keeps the load up while a connector is cured
	first   error // why its first try failed
	taken   bool  // a try was answered 250
	bounced bool  // a 5xx ended it
}

const (
	benchEvery    = 4 * time.Millisecond // 250 messages a second
	benchPatience = 4 * time.Second      // for each reply
	benchRetries  = 20
	benchPause    = 50 * time.Millisecond // between tries
	maxSenders    = 1000                  // then the rate suffers after all
)

func newBenchLoad(addr string, perConn int, pause time.Duration) *benchLoad {
	return &benchLoad{addr: addr, perConn: perConn, pause: pause, body: filler(4000), jobs: make(chan *benchMessage)}
}

// run sends messages at the rate until enough says so.
func (l *benchLoad) run(ctx context.Context, kind string, counted bool, enough func(n int) bool) {
	tick := time.NewTicker(benchEvery)
	defer tick.Stop()
	for n := 0; ctx.Err() == nil && !enough(n); n++ {
		m := &benchMessage{message: newMessage(kind, l.body), counted: counted}
		l.mu.Lock()
		l.sent = append(l.sent, m)
		l.mu.Unlock()
		l.hand(ctx, m)
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// hand gives a message to a sender that has nothing to do, or to a new one.
func (l *benchLoad) hand(ctx context.Context, m *benchMessage) {
	select {
	case l.jobs <- m:
		return
	default:
	}
	if l.count < maxSenders {
		l.count++
		s := &benchSender{load: l, pipelined: l.count%2 == 0}
		l.senders.Go(func() { s.work(ctx, m) })
		return
	}
	select {
	case l.jobs <- m:
	case <-ctx.Done():
	}
}

// end waits for the last sender. Nothing may be handed on any more.
func (l *benchLoad) end() []*benchMessage {
	close(l.jobs)
	l.senders.Wait()
	return l.sent
}

// benchSender is one sender with at most one connection.
type benchSender struct {
	load      *benchLoad
	pipelined bool
	conn      *client
	used      int // messages on conn
}

func (s *benchSender) work(ctx context.Context, m *benchMessage) {
	for ok := true; ok; m, ok = <-s.load.jobs {
		s.deliver(ctx, m)
	}
	s.leave()
}

// deliver tries until the message is taken, refused for good, or the retries are used up.
func (s *benchSender) deliver(ctx context.Context, m *benchMessage) {
	for try := 0; try <= benchRetries && ctx.Err() == nil; try++ {
		err := s.try(m.message)
		if err == nil {
			m.taken = true
			return
		}
		if try == 0 {
			m.first = err
		}
		var refused *replyError
		if errors.As(err, &refused) && refused.reply.class() == 5 {
			m.bounced = true
			return
		}
		select {
		case <-time.After(benchPause):
		case <-ctx.Done():
		}
	}
}

// try is one attempt; the connection is left after a failure, and when it has had its messages.
func (s *benchSender) try(m *message) error {
	if s.conn == nil {
		conn, err := dialPatiently(s.load.addr, benchPatience)
		if err != nil {
			return err
		}
		s.conn, s.used = conn, 0
	}
	err := s.send(m)
	if s.used++; err != nil {
		s.conn.close()
		s.conn = nil
	} else if s.used >= s.load.perConn {
		s.leave()
	}
	return err
}

func (s *benchSender) send(m *message) error {
	if s.load.pause > 0 {
		return stream{pause: s.load.pause}.tryPausing(s.conn, m)
	}
	send := s.conn.sendData
	if s.pipelined {
		send = s.conn.sendPipelined
	}
	_, err := send(m)
	return err
}

func (s *benchSender) leave() {
	if s.conn != nil {
		s.conn.quit()
		s.conn = nil
	}
}

// dialPatiently is dialSMTP for a sender that waits no longer for greeting and EHLO either.
func dialPatiently(addr string, patience time.Duration) (*client, error) {
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, fmt.Errorf("dialing %s: %w", addr, err)
	}
	c := &client{conn: conn, r: bufio.NewReader(conn), patience: patience}
	greeting, err := c.read()
	if err == nil && greeting.code != 220 {
		err = &replyError{"greeting", greeting}
	}
	if err == nil {
		err = c.ehlo()
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}
