package integration

import (
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// crowdKB is what a crowd may cost in these tests: a bound that something without bounds passes. Most of what is measured is
// the race detector's; what a connection costs without it, `make bench-abuse` shows, and the tests of an idle session.
const crowdKB = 192 << 10

// Nobody is exempt here, loopback neither.
const nobodyExempt = "exempt: []"

// TestAbuse_ConnectionFlood: 1500 connections from 300 addresses want a listener that has 600 places. Those in, at all their
// stages, are the first to go; senders of other networks are served all the while.
func TestAbuse_ConnectionFlood(t *testing.T) {
	t.Parallel()
	needWeir(t)
	e := newEdge(t, newAuthority(t), lane{name: "open", listener: []string{nobodyExempt, "limits: {connections: 600}"}})
	honest := startHonest(t, e.at("open"), 3)
	honest.flows(10)
	before := e.weighed()
	crowd := storm(t, e.at("open"), 1500, 50, func(i int) string { return source(1, i%300) }, stagesBy)
	honest.flows(30)
	if n := crowd.open(); n > 600 {
		t.Errorf("%d of them are inside, at a limit of 600", n)
	}
	if added := e.since(t, before, "1500 connections"); added > crowdKB {
		t.Errorf("they have cost %d KiB", added)
	}
	t.Logf("greeted %d, refused %d, not let in %d", crowd.in.Load(), crowd.refused.Load(), crowd.cut.Load())
	honest.end()
	crowd.leave()
	eventually(t, ceiling, func() bool { return e.openFiles() < 100 }, "%d descriptors stay open", e.openFiles())
}

// TestAbuse_OneAddress: many connections of one address at once, and many one after the other, meet their limits; other
// addresses do not.
func TestAbuse_OneAddress(t *testing.T) {
	t.Parallel()
	needWeir(t)
	e := newEdge(t, newAuthority(t),
		lane{name: "few", listener: []string{nobodyExempt, "limits: {per_ip: 5}"}},
		lane{name: "seldom", listener: []string{nobodyExempt, "limits: {rate_per_ip: 600/m}"}})
	t.Run("per_ip", func(t *testing.T) {
		t.Parallel()
		honest := startHonest(t, e.at("few"), 2)
		crowd := storm(t, e.at("few"), 300, 20, func(int) string { return "127.64.0.1" }, noSteps)
		if in, refused := crowd.in.Load(), crowd.refused.Load(); in != 5 || refused != 295 {
			t.Errorf("%d were let in and %d refused, want 5 and 295", in, refused)
		}
		honest.flows(10)
		honest.end()
		e.sessionEnd(t, "127.64.0.1:", "too many connections from this address")
	})
	t.Run("rate_per_ip", func(t *testing.T) {
		t.Parallel()
		honest := startHonest(t, e.at("seldom"), 1) // with its pauses it is near the limit, which is no matter here
		began := time.Now()
		crowd := storm(t, e.at("seldom"), 1500, 1, func(int) string { return "127.64.0.2" }, noSteps)
		if in, most := crowd.in.Load(), 600+int64(10*time.Since(began).Seconds())+1; in > most || in < 600 || crowd.refused.Load() == 0 {
			t.Errorf("%d were let in and %d refused, want at most %d", in, crowd.refused.Load(), most)
		}
		honest.enough.Store(true)
		honest.end()
		e.sessionEnd(t, "127.64.0.2:", "connects too often")
	})
}

// TestAbuse_DistinctAddresses: what is remembered of addresses is bounded, however many there are.
func TestAbuse_DistinctAddresses(t *testing.T) {
	t.Parallel()
	needWeir(t)
	e := newEdge(t, newAuthority(t), lane{name: "open", listener: []string{nobodyExempt, "limits: {per_ip: 100, rate_per_ip: 100/s, tarpit: 1ms, errors: 1}"}})
	offend := func(from int) {
		crowd := storm(t, e.at("open"), 2500, 25, func(i int) string { return source(65, from+i) }, func(int) []string { return []string{"HOCUS\r\n"} })
		crowd.leave()
	}
	honest := startHonest(t, e.at("open"), 1)
	offend(0) // everything has its size after it
	before := e.weighed()
	offend(2500)
	if added := e.since(t, before, "2500 further addresses, each with an offence"); added > crowdKB {
		t.Errorf("they have cost %d KiB", added)
	}
	honest.flows(5)
	honest.end()
}

// TestAbuse_CommandFlood: commands without end from some, pipelined and as fast as they can, do not keep others out, and bad
// ones end their sessions (P24).
func TestAbuse_CommandFlood(t *testing.T) {
	t.Parallel()
	needWeir(t)
	e := newEdge(t, newAuthority(t), lane{name: "open", listener: []string{nobodyExempt}})
	honest := startHonest(t, e.at("open"), 2)
	honest.flows(5)
	before := e.weighed()
	floods := []string{
		"HOCUS\r\n", "RCPT TO:<box@test.example>\r\n",
		"NOOP\r\n", "EHLO flood.example\r\n", "MAIL FROM:<flood@sender.example>\r\nRSET\r\n",
		"MAIL FROM:<flood@sender.example>\r\nRCPT TO:<box@test.example>\r\nRSET\r\n",
	}
	var enough atomic.Bool
	var wg sync.WaitGroup
	const bad = 2 // as many are errors
	ended, began := make([]int, len(floods)), time.Now()
	for i, commands := range floods {
		wg.Go(func() {
			for !enough.Load() || i < bad && ended[i] == 0 && time.Since(began) < ceiling {
				if flood(source(66, i), e.at("open"), commands) {
					ended[i]++
				}
			}
		})
	}
	honest.flows(40)
	enough.Store(true)
	wg.Wait()
	if added := e.since(t, before, "six senders' commands"); added > 200<<10 { // the race detector takes most of it
		t.Errorf("they have cost %d KiB", added)
	}
	honest.end()
	for i, commands := range floods[:bad] {
		if ended[i] == 0 {
			t.Errorf("%q goes on for ever", commands)
		}
	}
}

// flood says the same commands again and again, until weir ends the session, or for a second. It says whether weir did.
func flood(from, to, commands string) (ended bool) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: ceiling}
	conn, err := dialer.Dial("tcp", to)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	block := []byte("EHLO flood.example\r\n" + strings.Repeat(commands, 1000))
	answers := make(chan bool, 1)
	go func() {
		var last [64 << 10]byte
		for n := 0; ; {
			got, err := conn.Read(last[:])
			if err != nil {
				answers <- strings.Contains(string(last[:n]), "421 4.7.0")
				return
			}
			n = got
		}
	}()
	for {
		if _, err := conn.Write(block); err != nil {
			break
		}
	}
	return <-answers
}
