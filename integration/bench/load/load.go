package load

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"weir/integration/bench/poll"

	"golang.org/x/sys/unix"
)

const (
	maxOpening = 128              // connections that wait for their greeting at once: more would overflow the listener's queue
	patience   = 20 * time.Second // in which something must happen
	maxReply   = 8 << 10          // octets of a reply
)

// fleet is a run in progress.
type fleet struct {
	o      Options
	script *script
	poll   *poll.Poller
	to     *unix.RawSockaddrInet4
	buf    []byte
	base   time.Time

	conns []*conn // by descriptor
	all   []conn
	ready []*conn // they may begin a message, but are not due: a stack
	shut  []*conn // to be opened: a stack
	// Connections: open at all, without their greeting yet, and (with Hold) not yet waiting.
	open, opening, unheld int
	ungathered            int // connections to be opened before the first message

	ending              bool
	begun, acknowledged uint64
	counted             uint64
	from, until         time.Duration // the time that counts; until 0: no end
	marks               int           // times that Mark was called
	last                time.Duration // when something happened
	lastAck             time.Duration
	connections         uint64
	codes               [600]uint64
	times               histogram
}

// Run sends the load and returns what it came to. The first reply that is not the expected one, a lost connection, and 20 s
// without an event are errors. When ctx ends, what was begun is finished.
func Run(ctx context.Context, o Options) (*Result, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	p, err := poll.New()
	if err != nil {
		return nil, err
	}
	f := &fleet{o: o, script: newScript(&o), poll: p, to: poll.Address(o.Addr), buf: make([]byte, 64<<10), base: time.Now()}
	defer f.close()
	f.all = make([]conn, o.Conns)
	f.unheld = o.Conns
	for i := range f.all {
		c := &f.all[len(f.all)-1-i]
		c.fd, c.stage = -1, shut
		if o.Sources > 0 {
			c.from = netip.AddrFrom4([4]byte{127, 0, 0, byte(1 + i%o.Sources)})
		}
		f.shut = append(f.shut, c)
	}
	if o.Gather {
		f.ungathered = o.Conns
	} else {
		f.countFrom(0)
	}
	if o.Pace > 0 && f.single() {
		f.ready, f.shut = f.shut, nil
	}
	defer context.AfterFunc(ctx, p.Wake)()
	if err := f.run(ctx); err != nil {
		return nil, fmt.Errorf("after %d messages: %w", f.acknowledged, err)
	}
	return f.result(), nil
}

func (f *fleet) run(ctx context.Context) error {
	for {
		now := f.now()
		f.mark(now)
		if f.until > 0 && now >= f.until {
			f.end()
		}
		if err := f.openMore(); err != nil {
			return err
		}
		if err := f.beginDue(now); err != nil {
			return err
		}
		if f.ending && f.open == 0 {
			return nil
		}
		events, woken, err := f.poll.Wait(f.untilNext(now))
		if err != nil {
			return err
		}
		if woken && ctx.Err() != nil {
			f.end()
		}
		for i := range events {
			if err := f.event(&events[i]); err != nil {
				return err
			}
		}
		if len(events) > 0 {
			f.last = now
		} else if now-f.last > patience && !f.waiting() {
			return fmt.Errorf("nothing happened for %s: %s", patience, f.states())
		}
	}
}

// waiting says whether it is right that nothing happens.
func (f *fleet) waiting() bool { return f.open == len(f.ready) || f.o.Hold && f.unheld == 0 }

// single says whether each message has a connection of its own, and begins with it.
func (f *fleet) single() bool { return f.o.Each == 1 && !f.o.Hold }

// end lets each sender finish its message, and no more begin.
func (f *fleet) end() {
	if f.ending {
		return
	}
	f.ending = true
	for i := range f.all {
		if c := &f.all[i]; c.stage == idle {
			c.say(f, quit, f.script.bye)
		}
	}
}

// openMore opens connections as far as the listener's queue may take them, and as there is something to send on them.
func (f *fleet) openMore() error {
	for len(f.shut) > 0 && f.opening < maxOpening && (f.ungathered > 0 && !f.ending || f.mayBegin()) {
		c := f.shut[len(f.shut)-1]
		f.shut = f.shut[:len(f.shut)-1]
		if f.single() && f.ungathered == 0 {
			f.begun++
		}
		if err := f.dial(c, f.now()); err != nil {
			return err
		}
	}
	return nil
}

func (f *fleet) dial(c *conn, began time.Duration) error {
	fd, err := poll.Connect(f.to, c.from)
	if err != nil {
		return err
	}
	*c = conn{fd: fd, from: c.from, left: f.o.Each, began: began, stage: greeting, partial: c.partial[:0]}
	for len(f.conns) <= fd {
		f.conns = append(f.conns, nil)
	}
	f.conns[fd] = c
	f.open++
	f.opening++
	f.connections++
	// Edge-triggered: a connection is put into the set once, and never touched there again.
	return f.poll.Add(fd, unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLET)
}

func (f *fleet) event(ev *unix.EpollEvent) error {
	c := f.conns[ev.Fd]
	if c == nil {
		return nil
	}
	if ev.Events&unix.EPOLLOUT != 0 && len(c.unsent) > 0 {
		c.push(f)
	}
	const readable = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR
	if ev.Events&readable != 0 {
		return f.read(c, ev.Events&^uint32(unix.EPOLLIN|unix.EPOLLOUT) != 0)
	}
	return nil
}

// read takes what has arrived. A short read has emptied the socket, so one is enough, unless the peer has hung up.
func (f *fleet) read(c *conn, hungUp bool) error {
	for {
		n, errno := poll.Read(c.fd, f.buf)
		switch {
		case errno == unix.EAGAIN:
			return nil
		case errno != 0:
			return fmt.Errorf("waiting for the reply to %s: %w", stageNames[c.stage], errno)
		case n == 0:
			return fmt.Errorf("waiting for the reply to %s: the connection was closed", stageNames[c.stage])
		}
		if err := f.replies(c, f.buf[:n]); err != nil {
			return err
		}
		if c.stage == shut || !hungUp && n < len(f.buf) {
			return nil
		}
	}
}

func (f *fleet) result() *Result {
	r := &Result{Messages: f.counted, Acknowledged: f.acknowledged, Connections: f.connections, Latency: f.times.latency(), Codes: map[string]uint64{}}
	r.Seconds = (f.lastAck - f.from).Seconds()
	if f.until > 0 {
		r.Seconds = (f.until - f.from).Seconds()
	}
	if r.Seconds > 0 {
		r.Rate = float64(r.Messages) / r.Seconds
	}
	for code, n := range f.codes {
		if n > 0 {
			r.Codes[strconv.Itoa(code)] = n
		}
	}
	return r
}

// states says what the connections wait for.
func (f *fleet) states() string {
	var counts [stages]int
	for i := range f.all {
		counts[f.all[i].stage]++
	}
	var all []string
	for s, n := range counts {
		if n > 0 {
			all = append(all, fmt.Sprintf("%d: %s", n, stageNames[s]))
		}
	}
	return strings.Join(all, ", ")
}

func (f *fleet) close() {
	for i := range f.all {
		if c := &f.all[i]; c.stage != shut {
			poll.CloseFD(c.fd)
		}
	}
	f.poll.Close()
}

var errPipelining = errors.New("PIPELINING is not offered: this load cannot be sent here")
