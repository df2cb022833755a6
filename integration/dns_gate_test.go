package integration

import (
	"bytes"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"
)

// gate stands between weir and a server, and can keep back what weir writes there, until long after. All else passes.
type gate struct {
	t    *testing.T
	addr string
	to   string
	ln   net.Listener
	done sync.WaitGroup
	is   func(sent []byte) bool // says whether this is a write

	mu      sync.Mutex
	closed  bool
	holding bool
	conns   []net.Conn
	kept    []*bytes.Buffer // writes, each with what followed on its connection
}

// newGate begins one before a server.
func newGate(t *testing.T, to string, is func(sent []byte) bool) *gate {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{t: t, addr: ln.Addr().String(), to: to, ln: ln, is: is}
	g.done.Go(g.accept)
	t.Cleanup(g.close)
	return g
}

func (g *gate) close() {
	g.mu.Lock()
	g.closed = true
	for _, c := range g.conns {
		_ = c.Close()
	}
	g.mu.Unlock()
	_ = g.ln.Close()
	g.done.Wait()
}

func (g *gate) accept() {
	for {
		c, err := g.ln.Accept()
		if err != nil {
			return
		}
		up, err := net.Dial("tcp", g.to)
		if err != nil {
			_ = c.Close()
			continue
		}
		if !g.own(c, up) {
			return
		}
		g.done.Go(func() { _, _ = io.Copy(c, up); _ = c.Close() })
		g.done.Go(func() { g.carry(c, up); _ = up.Close() })
	}
}

// own takes connections down for the end.
func (g *gate) own(conns ...net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		for _, c := range conns {
			_ = c.Close()
		}
		return false
	}
	g.conns = append(g.conns, conns...)
	return true
}

// carry passes on what weir sends on one connection, up to the first write that is kept.
func (g *gate) carry(c, up net.Conn) {
	buf := make([]byte, 64<<10)
	var kept *bytes.Buffer
	for {
		n, err := c.Read(buf)
		if n > 0 {
			if kept = g.keep(kept, buf[:n]); kept == nil {
				_, _ = up.Write(buf[:n])
			}
		}
		if err != nil {
			return
		}
	}
}

func (g *gate) keep(kept *bytes.Buffer, sent []byte) *bytes.Buffer {
	g.mu.Lock()
	defer g.mu.Unlock()
	if kept == nil {
		if !g.holding || !g.is(sent) {
			return nil
		}
		kept = new(bytes.Buffer)
		g.kept = append(g.kept, kept)
	}
	kept.Write(sent)
	return kept
}

// hold keeps back every write from now on.
func (g *gate) hold() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.holding = true
}

// writes is how many were kept back.
func (g *gate) writes() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.kept)
}

// release lets the writes that were kept reach the server now, late, and returns its answers.
func (g *gate) release() (answers [][]byte) {
	g.t.Helper()
	g.mu.Lock()
	g.holding = false
	late := slices.Clone(g.kept)
	g.mu.Unlock()
	for _, write := range late {
		answers = append(answers, g.late(write.Bytes()))
	}
	return answers
}

// late sends one write on a connection of its own: the one that it came on may be long dead.
func (g *gate) late(write []byte) []byte {
	g.t.Helper()
	up, err := net.Dial("tcp", g.to)
	if err != nil {
		g.t.Fatalf("sending what came late: %v", err)
	}
	defer func() { _ = up.Close() }()
	if _, err := up.Write(write); err != nil {
		g.t.Fatalf("sending what came late: %v", err)
	}
	var answer []byte
	for patience, buf := ceiling, make([]byte, 64<<10); ; patience = 500 * time.Millisecond {
		_ = up.SetReadDeadline(time.Now().Add(patience)) // nothing more is said for half a second: that was all
		n, err := up.Read(buf)
		answer = append(answer, buf[:n]...)
		if err != nil {
			return answer
		}
	}
}
