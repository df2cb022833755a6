package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// readers is how many goroutines answer from one UDP socket: one works while
// another waits for the kernel.
const readers = 2

// readBuffer is how many octets of questions may wait in the kernel.
const readBuffer = 1 << 20

// datagrams is what is needed of a UDP socket. A datagram is answered from the
// address that it was sent to, which on a socket of all addresses only the control
// message (oob) tells.
type datagrams interface {
	ReadMsgUDPAddrPort(b, oob []byte) (n, oobn, flags int, addr netip.AddrPort, err error)
	WriteMsgUDPAddrPort(b, oob []byte, addr netip.AddrPort) (n, oobn int, err error)
}

// servePackets answers datagrams until ctx ends.
func (s *Server) servePackets(ctx context.Context, pc net.PacketConn) error {
	stop, err := wakeAtEnd(ctx, pc.SetReadDeadline)
	if err != nil {
		return fmt.Errorf("serving DNS on %s: %w", pc.LocalAddr(), err)
	}
	defer stop()
	conn, isUDP := pc.(*net.UDPConn)
	if !isUDP {
		return fmt.Errorf("serving DNS on %s: a UDP socket is needed", pc.LocalAddr())
	}
	if err := askDestination(conn); err != nil {
		return fmt.Errorf("serving DNS on %s: %w", pc.LocalAddr(), err)
	}
	_ = conn.SetReadBuffer(readBuffer) // the kernel may give less
	var jobs []func(context.Context) error
	for i := range readers {
		jobs = append(jobs, func(context.Context) error { return s.readPackets(conn, uint32(i)) })
	}
	return together(ctx, jobs...)
}

func (s *Server) readPackets(conn datagrams, turn uint32) error {
	var (
		q   query
		in  = make([]byte, 4096) // longer questions are cut off, and so no questions
		out = make([]byte, 0, ednsUDP)
		oob = make([]byte, 128)
	)
	for {
		n, oobn, _, from, err := conn.ReadMsgUDPAddrPort(in, oob)
		switch {
		case err == nil:
		case isTimeout(err):
			return nil // wakeAtEnd's doing
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("reading datagrams: %w", err)
		default:
			continue // an ICMP error of an earlier reply
		}
		turn++
		reply := s.packet(&q, in[:n], out, from, turn)
		if reply == nil {
			continue
		}
		control := oob[:oobn]
		anyInterface(control)
		_, _, _ = conn.WriteMsgUDPAddrPort(reply, control, from) // who asks again is answered again
	}
}

// packet returns the reply to a datagram; nil: none.
func (s *Server) packet(q *query, in, out []byte, from netip.AddrPort, turn uint32) []byte {
	if from.Port() == 0 || !q.parse(in) {
		return nil
	}
	switch s.limiter.judge(from.Addr(), int64(time.Since(s.begun))) {
	case drop:
		return nil
	case truncate:
		return cutShort(q, out)
	}
	return s.respond(q, out, q.size, turn)
}

// askDestination makes the kernel tell where each datagram was sent to, if the
// socket is one of all addresses.
func askDestination(conn *net.UDPConn) error {
	local, ok := conn.LocalAddr().(*net.UDPAddr)
	if !ok || !local.IP.IsUnspecified() {
		return nil
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		domain, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DOMAIN)
		switch {
		case err != nil:
			failed = err
		case domain == unix.AF_INET6:
			failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
		default:
			failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
		}
	})
	return errors.Join(err, failed)
}

// anyInterface turns the control message of a datagram into that of its reply: the
// address stays, but by which interface to go is for the routes to say. A
// link-local address keeps it.
func anyInterface(control []byte) {
	const head = unix.SizeofCmsghdr
	switch len(control) {
	case head + unix.SizeofInet4Pktinfo, unix.CmsgSpace(unix.SizeofInet4Pktinfo):
		clear(control[head : head+4])
	case head + unix.SizeofInet6Pktinfo, unix.CmsgSpace(unix.SizeofInet6Pktinfo):
		address, _ := netip.AddrFromSlice(control[head : head+16])
		if !address.IsLinkLocalUnicast() {
			clear(control[head+16 : head+20])
		}
	}
}
