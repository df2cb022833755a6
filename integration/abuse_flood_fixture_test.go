package integration

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// crowdOf is connections of senders that mean no good: each got so far with its dialogue and then waits.
type crowdOf struct {
	t     *testing.T
	to    string
	conns []net.Conn

	in, refused, cut atomic.Int64 // greeted; told 421 or 554; closed without a word, or not let in at all
}

// storm connects n times, from address(i), at most so many at once, and leaves the connections open. Each is driven through
// the commands that steps has for it.
func storm(t *testing.T, to string, n, atOnce int, address func(i int) string, steps func(i int) []string) *crowdOf {
	t.Helper()
	c := &crowdOf{t: t, to: to, conns: make([]net.Conn, n)}
	t.Cleanup(c.leave)
	var wg sync.WaitGroup
	next := make(chan int)
	for range atOnce {
		wg.Go(func() {
			for i := range next {
				c.conns[i] = c.come(address(i), steps(i))
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	return c
}

// come is one of them.
func (c *crowdOf) come(from string, steps []string) net.Conn {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: ceiling}
	conn, err := dialer.Dial("tcp", c.to)
	if err != nil {
		c.cut.Add(1)
		return nil
	}
	code, err := code(conn)
	switch {
	case err != nil:
		c.cut.Add(1)
	case code != 220:
		c.refused.Add(1)
	default:
		c.in.Add(1)
		for _, s := range steps {
			if _, err := conn.Write([]byte(s)); err != nil {
				break
			}
			if strings.HasSuffix(s, "\n") {
				if _, err := reading(conn); err != nil {
					break
				}
			}
		}
		return conn
	}
	_ = conn.Close()
	return nil
}

// code is that of the next reply.
func code(conn net.Conn) (int, error) {
	text, err := reading(conn)
	if err != nil || len(text) < 3 {
		return 0, errors.Join(err, errors.New("no reply"))
	}
	return strconv.Atoi(text[:3])
}

// reading is what comes next; a reply comes in one piece here.
func reading(conn net.Conn) (string, error) {
	var buf [1024]byte
	_ = conn.SetReadDeadline(time.Now().Add(ceiling))
	n, err := conn.Read(buf[:])
	return string(buf[:n]), err
}

// leave closes all connections.
func (c *crowdOf) leave() {
	for _, conn := range c.conns {
		if conn != nil {
			_ = conn.Close()
		}
	}
}

// open is how many are not closed by weir.
func (c *crowdOf) open() (n int) {
	for _, conn := range c.conns {
		if conn == nil {
			continue
		}
		_ = conn.SetReadDeadline(time.Now().Add(time.Millisecond))
		if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
			n++
		}
	}
	return n
}

// drip has all of them send an octet a second, of a command that does not end, until done is closed.
func (c *crowdOf) drip(done <-chan struct{}) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		for _, conn := range c.conns {
			if conn != nil {
				_, _ = conn.Write([]byte("x"))
			}
		}
		select {
		case <-tick.C:
		case <-done:
			return
		}
	}
}

// stagesBy spreads senders over the stages that hold no connector: silent, greeted, in half a command, with a sender.
func stagesBy(i int) []string {
	hello := fmt.Sprintf("EHLO flood%d.example\r\n", i)
	return [][]string{nil, {hello}, {hello, "MAIL FR"}, {hello, "MAIL FROM:<flood@sender.example>\r\n"}}[i%4]
}

// noSteps lets senders wait behind the greeting.
func noSteps(int) []string { return nil }

// weight is what weir takes of the machine.
type weight struct {
	rssKB int
	cpu   time.Duration
	at    time.Time
}

func (w *weir) weighed() weight { return weight{w.rssKB(), w.cpu(), time.Now()} }

// since tells what has been added.
func (w *weir) since(t *testing.T, before weight, what string) (addedKB int) {
	t.Helper()
	now := w.weighed()
	added, cpu, took := now.rssKB-before.rssKB, now.cpu-before.cpu, now.at.Sub(before.at)
	t.Logf("%s: memory %+.1f MiB to %.1f, CPU %s in %s (%.0f %% of one)", what, float64(added)/1024, float64(now.rssKB)/1024,
		cpu, took.Round(time.Millisecond), 100*cpu.Seconds()/took.Seconds())
	return added
}
