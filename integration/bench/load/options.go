package load

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Options says what the senders do.
type Options struct {
	Addr     netip.AddrPort // of what is measured, IPv4
	Conns    int            // connections at once, at least 1
	Each     int            // messages on a connection, at least 1
	Size     int            // octets of a message's content without its dot, at least MinSize
	Pipeline bool           // MAIL, RCPT and DATA in one write
	Group    bool           // the next group in one write with the content (RFC 2920 §3.1); with Pipeline
	Chunk    int            // octets of content a write; 0: all that the kernel takes
	Sources  int            // local addresses to connect from, 127.0.0.1 and up; 0: the kernel's choice

	// How much: Messages are sent and that is all, or after Warmup the messages of Duration are counted. In both cases every
	// message that was begun is finished, and each connection says QUIT.
	Messages int
	Warmup   time.Duration
	Duration time.Duration
	Mark     func() // called when the time that counts begins, and when it ends; nil: nobody wants to know

	// Pace is messages a second, evenly spaced, whatever the answers take: the time of a message then counts from when it
	// was due, so that a stall is not hidden by what it kept from being sent. 0: each sender goes on when it has its answer.
	Pace float64

	// Gather opens all connections before the first message; Warmup begins when they are open.
	Gather bool

	// Hold opens all connections, sends Each messages on each (here 0 is allowed: they wait behind EHLO) and keeps them open
	// until the context ends. Held is called once all wait.
	Hold bool
	Held func()
}

// MinSize is the smallest content: its header.
const MinSize = 200

func (o *Options) check() error {
	switch {
	case !o.Addr.Addr().Is4():
		return fmt.Errorf("the address %s is not IPv4", o.Addr)
	case o.Conns < 1:
		return errors.New("there must be at least one connection")
	case o.Each < 1 && !o.Hold:
		return errors.New("there must be at least one message a connection")
	case o.Size < MinSize:
		return fmt.Errorf("a message has at least %d octets, the header", MinSize)
	case o.Gather && (o.Hold || o.Pace > 0):
		return errors.New("to gather is for senders that send as fast as they can")
	case o.Group && !o.Pipeline:
		return errors.New("a group behind the dot is for senders that pipeline")
	case o.Chunk < 0 || o.Sources < 0 || o.Sources > 254 || o.Pace < 0:
		return errors.New("a number is out of range")
	case !o.Hold && (o.Messages > 0) == (o.Duration > 0):
		return errors.New("either a number of messages or a duration is needed, not both")
	}
	return nil
}

// Result is what a run came to. In a run by duration the rate and the latencies are those of the messages that were
// answered within it, without warm-up and end.
type Result struct {
	Messages     uint64            `json:"messages"`
	Seconds      float64           `json:"seconds"`
	Rate         float64           `json:"per_second"`
	Latency      Latency           `json:"latency_us"`
	Acknowledged uint64            `json:"acknowledged"` // of the whole run
	Connections  uint64            `json:"connections"`
	Codes        map[string]uint64 `json:"codes"` // replies by code
}

// Latency is in microseconds, to about 2 %.
type Latency struct {
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
}
