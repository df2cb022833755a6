package flow

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

// TestFlowBothWays: what one side says the other one hears, and either may close its
// half and still listen.
func TestFlowBothWays(t *testing.T) {
	p := carry(t, newCarrier(t), Limits{})
	say(t, p.connector, "220 hello\r\n")
	hear(t, p.sender, "220 hello\r\n")
	say(t, p.sender, "QUIT\r\n")
	hear(t, p.connector, "QUIT\r\n")
	_ = p.sender.CloseWrite()
	ends(t, p.connector)
	say(t, p.connector, "221 bye\r\n")
	hear(t, p.sender, "221 bye\r\n")
	_ = p.connector.CloseWrite()
	ends(t, p.sender)
	if e := p.over(t); e.By != Front || e.Err != nil || e.At.IsZero() {
		t.Errorf("it ended by %+v", e)
	}
	if in, out := p.Moved(Front), p.Moved(Back); in != 6 || out != 20 {
		t.Errorf("%d and %d octets have moved", in, out)
	}
}

// TestFlowReset: when one side is lost, so is the other one, and the loss is named.
func TestFlowReset(t *testing.T) {
	for _, lost := range []Spot{Front, Back} {
		p := carry(t, newCarrier(t), Limits{Linger: ceiling})
		who, other := p.sender, p.connector
		if lost == Back {
			who, other = other, who
		}
		say(t, who, "x")
		hear(t, other, "x")
		_ = who.SetLinger(0)
		_ = who.Close()
		ends(t, other)
		_ = other.Close()
		if e := p.over(t); e.By != lost || !errors.Is(e.Err, syscall.ECONNRESET) {
			t.Errorf("it ended by %+v", e)
		}
	}
}

// TestFlowLastWords: a sender that is still sending hears what the connector has said
// before it hung up, and gets an end and no reset.
func TestFlowLastWords(t *testing.T) {
	p := carry(t, newCarrier(t), Limits{Linger: ceiling})
	say(t, p.sender, "DATA\r\n")
	hear(t, p.connector, "DATA\r\n")
	say(t, p.connector, "554 no\r\n")
	_ = p.connector.Close()
	for range 100 { // into a connection that is closed: the connector answers with a reset
		say(t, p.sender, string(make([]byte, 32<<10)))
	}
	hear(t, p.sender, "554 no\r\n")
	ends(t, p.sender)
	_ = p.sender.Close()
	if e := p.over(t); e.By != Back || e.Err != nil {
		t.Errorf("it ended by %+v", e)
	}
}

// TestFlowLingersNotForEver: what has failed in part ends, whether or not the other
// side notices.
func TestFlowLingersNotForEver(t *testing.T) {
	p := carry(t, newCarrier(t), Limits{Linger: 50 * time.Millisecond})
	_ = p.connector.SetLinger(0)
	_ = p.connector.Close()
	if e := p.over(t); e.By != Back || e.Err == nil {
		t.Errorf("it ended by %+v", e)
	}
	ends(t, p.sender)
}

// TestFlowLimits: each limit ends a flow, by its own name.
func TestFlowLimits(t *testing.T) {
	const soon = 50 * time.Millisecond
	for name, test := range map[string]struct {
		limits Limits
		close  bool
		by     Spot
		err    error
	}{
		"idle":       {limits: Limits{Idle: soon}, by: Itself, err: ErrIdle},
		"until":      {limits: Limits{Idle: ceiling, Until: time.Now().Add(soon)}, by: Itself, err: ErrExpired},
		"past":       {limits: Limits{Until: time.Unix(1, 0)}, by: Itself, err: ErrExpired},
		"after back": {limits: Limits{Idle: 2 * ceiling, AfterBack: soon}, close: true, by: Back},
	} {
		t.Run(name, func(t *testing.T) {
			p := carry(t, newCarrier(t), test.limits)
			if test.close {
				_ = p.connector.CloseWrite()
			}
			if e := p.over(t); e.By != test.by || !errors.Is(e.Err, test.err) {
				t.Errorf("it ended by %+v", e)
			}
			ends(t, p.sender)
			ends(t, p.connector)
		})
	}
}

// TestFlowSoonerThanOthers: a loop that sleeps for a long limit wakes for a shorter one
// that comes later.
func TestFlowSoonerThanOthers(t *testing.T) {
	c := newCarrier(t)
	long := carry(t, c, Limits{Idle: time.Hour})
	say(t, long.sender, "x")
	hear(t, long.connector, "x") // the loop has this one in its order
	short := carry(t, c, Limits{Idle: 20 * time.Millisecond})
	if e := short.over(t); !errors.Is(e.Err, ErrIdle) {
		t.Errorf("it ended by %+v", e)
	}
	say(t, long.sender, "y")
	hear(t, long.connector, "y")
}

// TestFlowCut: anybody may cut a flow, more than once and after its end too.
func TestFlowCut(t *testing.T) {
	c := newCarrier(t)
	p, stays := carry(t, c, Limits{}), carry(t, c, Limits{})
	for range 4 {
		go p.Cut()
	}
	if e := p.over(t); e.By != Itself || !errors.Is(e.Err, ErrCut) {
		t.Errorf("it ended by %+v", e)
	}
	ends(t, p.sender)
	ends(t, p.connector)
	p.Cut()
	say(t, stays.sender, "x")
	hear(t, stays.connector, "x")
}

// TestFlowSlowSink: a sink that does not read stops its source, and neither of them
// stops other flows.
func TestFlowSlowSink(t *testing.T) {
	c := newCarrier(t)
	p, other := carry(t, c, Limits{}), carry(t, c, Limits{})
	sent := make(chan int64, 1)
	_ = p.sender.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
	go func() {
		n, _ := io.Copy(p.sender, io.LimitReader(endless{}, 1<<30))
		sent <- n
		_ = p.sender.CloseWrite()
	}()
	for range 100 {
		say(t, other.sender, "x")
		hear(t, other.connector, "x")
	}
	n := <-sent // the sender has given up: nobody takes any more
	got, err := io.Copy(io.Discard, p.connector)
	if err != nil || got < n {
		t.Errorf("the connector has heard %d of %d octets, %v", got, n, err)
	}
	_ = p.connector.Close()
	if p.over(t); p.Moved(Front) != got {
		t.Errorf("%d octets have moved, %d were heard", p.Moved(Front), got)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// TestFlowUrgentData: urgent data stops no flow. It is not carried on as such.
func TestFlowUrgentData(t *testing.T) {
	p := carry(t, newCarrier(t), Limits{})
	raw, err := p.sender.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		say(t, p.sender, "before")
		if err := raw.Control(func(fd uintptr) { err = syscall.Sendto(int(fd), []byte("!"), syscall.MSG_OOB, nil) }); err != nil {
			t.Fatal(err)
		}
		say(t, p.sender, "behind")
		hear(t, p.connector, "beforebehind")
	}
}

// TestFlowCostsNoAllocation: neither a piece nor a wait for one does.
func TestFlowCostsNoAllocation(t *testing.T) {
	p := carry(t, newCarrier(t), Limits{Idle: ceiling})
	ask, answer := []byte("NOOP\r\n"), []byte("250 2.0.0 Ok\r\n")
	buf := make([]byte, 64)
	round := func() {
		for _, step := range []struct {
			by, to net.Conn
			text   []byte
		}{{p.sender, p.connector, ask}, {p.connector, p.sender, answer}} {
			_, _ = step.by.Write(step.text)
			_, _ = io.ReadFull(step.to, buf[:len(step.text)])
		}
	}
	if n := testing.AllocsPerRun(200, round); n != 0 {
		t.Errorf("%v allocations a command", n)
	}
}
