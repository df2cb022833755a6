package sink

import (
	"bytes"
	"container/heap"
	"time"
)

// conn is one connection.
type conn struct {
	fd      int
	content bool      // between 354 and the final dot
	last    bool      // QUIT was answered
	paused  bool      // its reply is delayed: nothing is read
	blocked bool      // the peer does not read
	end     endOfData // of the content
	out     []byte    // replies to be written
	line    []byte    // the beginning of a command whose end has not arrived
	rest    []byte    // what had arrived behind the command whose reply is delayed
}

// deaf says whether nothing is read for now: a reply is delayed, or the peer does not read those that it has.
func (c *conn) deaf() bool { return c.paused || c.blocked }

// feed answers a block, and writes the answers at once.
func (s *Server) feed(c *conn, b []byte) {
	for len(b) > 0 && !c.paused && !c.last {
		if c.content {
			b = s.body(c, b)
		} else {
			b = s.command(c, b)
		}
	}
	if c.paused && len(b) > 0 {
		c.rest = append(c.rest, b...)
	}
	if len(c.out) > 0 {
		s.flush(c)
	}
}

// body looks for the end of the content and returns what is behind it.
func (s *Server) body(c *conn, b []byte) (rest []byte) {
	at := c.end.find(b)
	if at < 0 {
		s.bytes.Add(uint64(len(b)))
		return nil
	}
	c.content = false
	s.bytes.Add(uint64(at))
	s.messages.Add(1)
	s.answer(c, FinalDot)
	return b[at:]
}

// command takes one line and returns what is behind it.
func (s *Server) command(c *conn, b []byte) (rest []byte) {
	at := bytes.IndexByte(b, '\n')
	if at < 0 {
		c.line = append(c.line, b...)
		return nil
	}
	line := b[:at+1]
	if len(c.line) > 0 {
		c.line = append(c.line, line...)
		line, c.line = c.line, nil
	}
	s.verb(c, line)
	return b[at+1:]
}

// verb tells commands apart by their first four octets, whose case does not matter (RFC 5321 §2.4).
func (s *Server) verb(c *conn, line []byte) {
	if len(line) < 6 {
		s.unknownCommand(c)
		return
	}
	const lower = 0x20202020
	switch uint32(line[0])<<24 | uint32(line[1])<<16 | uint32(line[2])<<8 | uint32(line[3]) | lower {
	case 'm'<<24 | 'a'<<16 | 'i'<<8 | 'l':
		s.answer(c, Mail)
	case 'r'<<24 | 'c'<<16 | 'p'<<8 | 't':
		s.answer(c, Rcpt)
	case 'd'<<24 | 'a'<<16 | 't'<<8 | 'a':
		c.content = true
		c.end.reset()
		s.answer(c, Data)
	case 'e'<<24 | 'h'<<16 | 'l'<<8 | 'o', 'h'<<24 | 'e'<<16 | 'l'<<8 | 'o':
		s.answer(c, Ehlo)
	case 'r'<<24 | 's'<<16 | 'e'<<8 | 't':
		s.resets.Add(1)
		c.out = append(c.out, replyOK...)
	case 'n'<<24 | 'o'<<16 | 'o'<<8 | 'p':
		c.out = append(c.out, replyOK...)
	case 'q'<<24 | 'u'<<16 | 'i'<<8 | 't':
		c.out = append(c.out, replyBye...)
		c.last = true
	default:
		s.unknownCommand(c)
	}
}

func (s *Server) unknownCommand(c *conn) {
	s.unknown.Add(1)
	c.out = append(c.out, replyUnknown...)
}

// answer gives a stage's reply, or puts it off; false if it did.
func (s *Server) answer(c *conn, stage Stage) bool {
	r := &s.replies[stage]
	if r.delay == 0 {
		c.out = append(c.out, r.text...)
		return true
	}
	c.paused = true
	heap.Push(&s.delayed, delayed{at: s.now() + r.delay, conn: c, reply: r.text})
	s.watch(c)
	return false
}

// delayed is a reply that waits.
type delayed struct {
	at    time.Duration // since the server began
	conn  *conn
	reply []byte
}

// schedule is a heap of delayed replies.
type schedule []delayed

func (h schedule) Len() int           { return len(h) }
func (h schedule) Less(i, j int) bool { return h[i].at < h[j].at }
func (h schedule) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *schedule) Push(x any)        { *h = append(*h, x.(delayed)) }

func (h *schedule) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = delayed{}
	*h = old[:len(old)-1]
	return last
}

// wait is how long nothing is due; negative: for ever.
func (h schedule) wait(now time.Duration) time.Duration {
	if len(h) == 0 {
		return -1
	}
	return max(0, h[0].at-now)
}
