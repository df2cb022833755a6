package poll_test

import (
	"net/netip"
	"testing"
	"time"

	"weir/integration/bench/poll"

	"golang.org/x/sys/unix"
)

const ceiling = 30 * time.Second

func newPoller(t *testing.T) *poll.Poller {
	t.Helper()
	p, err := poll.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// wait waits until a descriptor has one of some events.
func wait(t *testing.T, p *poll.Poller, fd int, want uint32) {
	t.Helper()
	for until := time.Now().Add(ceiling); time.Now().Before(until); {
		events, _, err := p.Wait(ceiling)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if int(e.Fd) == fd && e.Events&want != 0 {
				return
			}
		}
	}
	t.Fatalf("descriptor %d never had events %#x", fd, want)
}

func TestSockets(t *testing.T) {
	p := newPoller(t)
	listener, addr, err := poll.Listen(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	defer poll.CloseFD(listener)
	if err := p.Add(listener, unix.EPOLLIN); err != nil {
		t.Fatal(err)
	}
	if _, errno := poll.Accept(listener); errno != unix.EAGAIN {
		t.Errorf("accepting nothing: %v, want EAGAIN", errno)
	}
	client, err := poll.Connect(poll.Address(addr), netip.MustParseAddr("127.0.0.7"))
	if err != nil {
		t.Fatal(err)
	}
	defer poll.CloseFD(client)
	wait(t, p, listener, unix.EPOLLIN)
	server, errno := poll.Accept(listener)
	if errno != 0 {
		t.Fatal(errno)
	}
	peer, err := unix.Getpeername(server)
	if err != nil || peer.(*unix.SockaddrInet4).Addr != [4]byte{127, 0, 0, 7} {
		t.Errorf("the peer is %v, %v", peer, err)
	}
	if on, err := unix.GetsockoptInt(server, unix.IPPROTO_TCP, unix.TCP_NODELAY); err != nil || on == 0 {
		t.Errorf("TCP_NODELAY of what was accepted is %d, %v", on, err)
	}
	if err := p.Add(server, 0); err != nil {
		t.Fatal(err)
	}
	if err := p.Change(server, unix.EPOLLIN); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 16)
	if _, errno := poll.Read(server, buf); errno != unix.EAGAIN {
		t.Errorf("reading nothing: %v, want EAGAIN", errno)
	}
	if n, errno := poll.Write(client, []byte("hello")); n != 5 || errno != 0 {
		t.Errorf("wrote %d, %v", n, errno)
	}
	wait(t, p, server, unix.EPOLLIN)
	if n, errno := poll.Read(server, buf); string(buf[:n]) != "hello" || errno != 0 {
		t.Errorf("read %q, %v", buf[:n], errno)
	}
	poll.CloseFD(server)
	if err := p.Add(client, unix.EPOLLIN); err != nil {
		t.Fatal(err)
	}
	wait(t, p, client, unix.EPOLLIN)
	if n, errno := poll.Read(client, buf); n != 0 || errno != 0 {
		t.Errorf("read %d octets, %v; want the end", n, errno)
	}
}

func TestWake(t *testing.T) {
	p := newPoller(t)
	if events, woken, err := p.Wait(0); len(events) > 0 || woken || err != nil {
		t.Errorf("got %v, %v, %v of nothing", events, woken, err)
	}
	go p.Wake()
	for {
		events, woken, err := p.Wait(-1)
		if err != nil || len(events) > 0 {
			t.Fatalf("got %v, %v", events, err)
		}
		if woken {
			break // a signal may have interrupted it before
		}
	}
	if _, woken, _ := p.Wait(time.Nanosecond); woken {
		t.Error("woken twice by one Wake")
	}
}

func TestErrors(t *testing.T) {
	p := newPoller(t)
	if p.Add(-1, 0) == nil || p.Change(1<<20, 0) == nil {
		t.Error("a descriptor that is none was taken")
	}
	fd, addr, err := poll.Listen(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	defer poll.CloseFD(fd)
	if _, _, err := poll.Listen(addr); err == nil {
		t.Error("a port was bound twice")
	}
	if _, err := poll.Connect(poll.Address(addr), netip.MustParseAddr("192.0.2.1")); err == nil {
		t.Error("connected from an address of somebody else")
	}
}
