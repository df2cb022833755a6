package app

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"weir/internal/fiber"
)

// A sender's connection has keepalives, and sends at once, without being told so.
func TestSendersConnectionsInherit(t *testing.T) {
	opened, err := listenSMTP(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	fibers := new(fiber.Group)
	defer fibers.Close()
	ln, err := fibers.Listen(opened)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	sender, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sender.Close() }()
	nc, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = nc.Close() }()
	raw, err := nc.(*fiber.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		for _, option := range []struct {
			name              string
			level, opt, value int
		}{
			{"SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
			{"TCP_KEEPIDLE", unix.SOL_TCP, unix.TCP_KEEPIDLE, keepIdle},
			{"TCP_KEEPINTVL", unix.SOL_TCP, unix.TCP_KEEPINTVL, keepInterval},
			{"TCP_KEEPCNT", unix.SOL_TCP, unix.TCP_KEEPCNT, keepCount},
			{"TCP_NODELAY", unix.SOL_TCP, unix.TCP_NODELAY, 1},
			{"SO_PROTOCOL", unix.SOL_SOCKET, unix.SO_PROTOCOL, unix.IPPROTO_TCP},
		} {
			if got, err := unix.GetsockoptInt(int(fd), option.level, option.opt); got != option.value || err != nil {
				t.Errorf("%s: got %d, %v, want %d", option.name, got, err, option.value)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}
