package load

import (
	"bytes"
	"fmt"
	"net/netip"
	"time"

	"weir/integration/bench/poll"

	"golang.org/x/sys/unix"
)

// conn is one sender's connection.
type conn struct {
	fd      int
	from    netip.Addr
	stage   stage
	watched bool          // for room to write
	offered bool          // PIPELINING
	grouped bool          // the next group was sent behind the dot
	left    int           // messages to send on it
	began   time.Duration // of the message
	unsent  []byte        // of what is being said
	partial []byte        // the beginning of a reply
}

// begin says MAIL; the message counts from at.
func (f *fleet) begin(c *conn, at time.Duration) {
	f.begun++
	c.began = at
	c.left--
	c.say(f, mail, f.script.mail)
}

// say writes something and awaits the reply of a stage. What goes wrong shows at the next read.
func (c *conn) say(f *fleet, next stage, b []byte) {
	c.stage = next
	c.unsent = b
	c.push(f)
}

// push writes what there is room for.
func (c *conn) push(f *fleet) {
	for len(c.unsent) > 0 {
		b := c.unsent
		if f.o.Chunk > 0 {
			b = b[:min(len(b), f.o.Chunk)]
		}
		n, errno := poll.Write(c.fd, b)
		c.unsent = c.unsent[n:]
		if errno == 0 {
			continue
		}
		if errno == unix.EAGAIN && !c.watched {
			c.watched = true
			_ = f.poll.Change(c.fd, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLRDHUP|unix.EPOLLET)
		}
		return
	}
}

// replies takes all lines of a block; one that is not whole waits.
func (f *fleet) replies(c *conn, b []byte) error {
	for len(b) > 0 {
		at := bytes.IndexByte(b, '\n')
		if at < 0 {
			if c.partial = append(c.partial, b...); len(c.partial) > maxReply {
				return fmt.Errorf("the reply to %s has no end: %.80q", stageNames[c.stage], c.partial)
			}
			return nil
		}
		line := b[:at+1]
		if len(c.partial) > 0 {
			c.partial = append(c.partial, line...)
			line, c.partial = c.partial, c.partial[:0]
		}
		b = b[at+1:]
		if err := f.line(c, line); err != nil {
			return err
		}
		if c.stage == shut {
			return nil
		}
	}
	return nil
}

// line takes one line of a reply: nothing is done before its last.
func (f *fleet) line(c *conn, line []byte) error {
	code := 0
	if len(line) >= 5 {
		code = int(line[0]-'0')*100 + int(line[1]-'0')*10 + int(line[2]-'0')
	}
	if code != wanted[c.stage] {
		return fmt.Errorf("the reply to %s is %.200q, want %d", stageNames[c.stage], line, wanted[c.stage])
	}
	if c.stage == ehlo && bytes.Equal(bytes.TrimSpace(line[4:]), []byte("PIPELINING")) {
		c.offered = true
	}
	if line[3] == '-' {
		return nil
	}
	f.codes[code]++
	return f.next(c)
}

// next goes on after a reply.
func (f *fleet) next(c *conn) error {
	s := f.script
	switch c.stage {
	case greeting:
		f.opening--
		c.say(f, ehlo, s.hello)
	case ehlo:
		if f.o.Pipeline && !c.offered {
			return errPipelining
		}
		f.first(c)
	case mail:
		c.say(f, rcpt, s.rcpt)
	case rcpt:
		c.say(f, data, s.data)
	case data:
		c.grouped = f.o.Group && c.left > 0 && f.mayBegin()
		if c.grouped {
			f.begun++ // now, not when it is heard: others ask meanwhile whether they may begin one
			c.left--
			c.say(f, dot, s.next)
		} else {
			c.say(f, dot, s.body)
		}
	case dot:
		if len(c.unsent) > 0 {
			return fmt.Errorf("the content was answered with 250 before its end")
		}
		f.acknowledge(c)
		f.another(c)
	case quit:
		f.hangUp(c)
	}
	return nil
}

// gather keeps a connection waiting until all are open; the last one starts them all.
func (f *fleet) gather(c *conn) {
	if f.ending {
		c.say(f, quit, f.script.bye)
		return
	}
	c.stage = idle
	if f.ungathered--; f.ungathered > 0 {
		return
	}
	now := f.now()
	f.countFrom(now)
	for i := range f.all {
		c := &f.all[i]
		c.began = now
		if !f.mayBegin() {
			return // all that wait have said QUIT
		}
		if f.single() {
			f.begun++
		}
		f.first(c)
	}
}

// first begins a connection's first message.
func (f *fleet) first(c *conn) {
	if f.ungathered > 0 {
		f.gather(c)
		return
	}
	if !f.single() {
		f.another(c)
		return
	}
	c.left--
	c.say(f, mail, f.script.mail)
}

// another begins the next message on a connection, if there is one.
func (f *fleet) another(c *conn) {
	switch {
	case c.grouped:
		c.grouped = false
		c.began = f.now()
		c.stage = mail
	case f.o.Hold && c.left == 0 && !f.ending:
		c.stage = idle
		if f.unheld--; f.unheld == 0 && f.o.Held != nil {
			f.o.Held()
		}
	case c.left == 0 || !f.mayBegin():
		c.say(f, quit, f.script.bye)
	case f.o.Pace > 0:
		c.stage = idle
		f.ready = append(f.ready, c)
	default:
		f.begin(c, f.now())
	}
}

// mayBegin says whether there is a message left to send.
func (f *fleet) mayBegin() bool {
	if f.o.Messages > 0 && f.begun >= uint64(f.o.Messages) {
		f.end()
	}
	return !f.ending
}

// acknowledge counts a message.
func (f *fleet) acknowledge(c *conn) {
	now := f.now()
	f.acknowledged++
	f.lastAck = now
	if now < f.from || f.until > 0 && now >= f.until {
		return
	}
	f.counted++
	f.times.add(now - c.began)
}

// hangUp closes a connection; it is opened again in its turn.
func (f *fleet) hangUp(c *conn) {
	poll.CloseFD(c.fd)
	f.conns[c.fd] = nil
	c.stage = shut
	f.open--
	if f.o.Pace > 0 && f.single() {
		f.ready = append(f.ready, c)
	} else {
		f.shut = append(f.shut, c)
	}
}
