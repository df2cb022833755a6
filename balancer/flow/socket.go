package flow

import (
	"fmt"
	"net"
	"os"
	"syscall"
	"unsafe"
)

// take returns a descriptor of a connection for ourselves. The connection's own is
// watched by the runtime, which would be woken by all that comes: it must be closed.
func take(nc net.Conn) (int, error) {
	if own, ok := nc.(interface{ Detach() (int, error) }); ok {
		return own.Detach()
	}
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return -1, fmt.Errorf("taking the descriptor: %T has none", nc)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return -1, fmt.Errorf("taking the descriptor: %w", err)
	}
	own, errno := -1, syscall.Errno(0)
	err = raw.Control(func(fd uintptr) {
		n, _, e := syscall.RawSyscall(syscall.SYS_FCNTL, fd, syscall.F_DUPFD_CLOEXEC, 0)
		own, errno = int(n), e
	})
	switch {
	case err != nil:
		return -1, fmt.Errorf("taking the descriptor: %w", err)
	case errno != 0:
		return -1, fmt.Errorf("taking the descriptor: %w", named("fcntl", errno))
	}
	return own, nil
}

// The calls below never wait, as the descriptors are non-blocking. So the runtime is
// not told of them: it would look for other work for the processor meanwhile, at more
// cost than most of these calls have.

func receive(fd int, p []byte) (int, syscall.Errno) {
	return transfer(syscall.SYS_RECVFROM, fd, p, 0)
}

// send sends what the socket takes. Where the end of the half is to follow at once the
// last octets go with it, in one packet.
func send(fd int, p []byte, endFollows bool) (int, syscall.Errno) {
	flags := uintptr(syscall.MSG_NOSIGNAL)
	if endFollows {
		flags |= syscall.MSG_MORE
	}
	return transfer(syscall.SYS_SENDTO, fd, p, flags)
}

func transfer(call uintptr, fd int, p []byte, flags uintptr) (int, syscall.Errno) {
	for {
		n, _, errno := syscall.RawSyscall6(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), flags, 0, 0)
		switch errno {
		case 0:
			return int(n), 0
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}

// closeHalf says that no more will come.
func closeHalf(fd int) {
	_, _, _ = syscall.RawSyscall(syscall.SYS_SHUTDOWN, uintptr(fd), syscall.SHUT_WR, 0)
}

func closeDescriptor(fd int) {
	_, _, _ = syscall.RawSyscall(syscall.SYS_CLOSE, uintptr(fd), 0, 0)
}

// named is a failure of a call.
func named(call string, errno syscall.Errno) error { return os.NewSyscallError(call, errno) }
