package serve

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	streamIdle  = 10 * time.Second // for the next question (RFC 7766 section 6.2.3)
	streamWrite = 10 * time.Second // for one message
	streamsAll  = 1000             // connections at once
	streamsEach = 50               // of one network
	frameMax    = 65535
	acceptPause = 100 * time.Millisecond // after a failure, such as no descriptors left
)

// streams counts TCP connections.
type streams struct {
	mu       sync.Mutex
	all      int
	networks map[netip.Prefix]int
}

func (c *streams) enter(network netip.Prefix, trusted bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !trusted && (c.all >= streamsAll || c.networks[network] >= streamsEach) {
		return false
	}
	c.all++
	c.networks[network]++
	return true
}

func (c *streams) leave(network netip.Prefix) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all--
	if c.networks[network]--; c.networks[network] == 0 {
		delete(c.networks, network)
	}
}

// serveListener accepts connections until ctx ends.
func (s *Server) serveListener(ctx context.Context, ln net.Listener) error {
	var open sync.WaitGroup
	defer open.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if d, ok := ln.(interface{ SetDeadline(t time.Time) error }); ok {
		stop, err := wakeAtEnd(ctx, d.SetDeadline)
		if err != nil {
			return fmt.Errorf("serving DNS on %s: %w", ln.Addr(), err)
		}
		defer stop()
	} else {
		defer context.AfterFunc(ctx, func() { _ = ln.Close() })()
	}
	for {
		conn, err := ln.Accept()
		switch {
		case err == nil:
			open.Go(func() { s.serveStream(ctx, conn) })
		case isTimeout(err), ctx.Err() != nil && errors.Is(err, net.ErrClosed):
			return nil // wakeAtEnd's doing
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("accepting DNS connections: %w", err)
		default:
			select {
			case <-ctx.Done():
			case <-time.After(acceptPause):
			}
		}
	}
}

// serveStream answers one connection's questions, one after the other.
func (s *Server) serveStream(ctx context.Context, conn net.Conn) {
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	from := addressOf(conn)
	network := networkOf(from)
	if !s.streams.enter(network, s.trusts(from)) {
		return
	}
	defer s.streams.leave(network)
	var (
		q   query
		in  = make([]byte, 512)
		out = make([]byte, 0, 1024)
	)
	for turn := uint32(0); ; turn++ {
		var err error
		if in, err = readFrame(conn, in); err != nil || !q.parse(in) {
			return // what is no question is no DNS: nothing behind it can be trusted
		}
		if z := s.find(&q); z != nil && q.opcode == dns.OpcodeQuery && (q.kind == dns.TypeAXFR || q.kind == dns.TypeIXFR) {
			if err := z.transfer(&q, conn, from); err != nil {
				return
			}
			continue
		}
		out = s.respond(&q, out, frameMax, turn)
		if err := writeFrame(conn, out); err != nil {
			return
		}
	}
}

func readFrame(conn net.Conn, buf []byte) ([]byte, error) {
	if err := conn.SetReadDeadline(time.Now().Add(streamIdle)); err != nil {
		return nil, err
	}
	var head [2]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return nil, err
	}
	size := int(binary.BigEndian.Uint16(head[:]))
	if size > cap(buf) {
		buf = make([]byte, size)
	}
	buf = buf[:size]
	_, err := io.ReadFull(conn, buf)
	return buf, err
}

func writeFrame(conn net.Conn, msg []byte) error {
	if err := conn.SetWriteDeadline(time.Now().Add(streamWrite)); err != nil {
		return err
	}
	head := binary.BigEndian.AppendUint16(nil, uint16(len(msg)))
	buffers := net.Buffers{head, msg}
	_, err := buffers.WriteTo(conn)
	return err
}

func addressOf(conn net.Conn) netip.Addr {
	if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}
