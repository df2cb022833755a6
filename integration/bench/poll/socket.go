package poll

import (
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// backlog is how many connections may wait to be accepted: as many as the kernel lets.
const backlog = 65535

// Listen binds an IPv4 address and listens. What is accepted from it has TCP_NODELAY. Port 0 picks a free one; the
// address that was bound is returned.
func Listen(addr netip.AddrPort) (fd int, bound netip.AddrPort, err error) {
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, addr, fmt.Errorf("making a socket: %w", err)
	}
	if bound, err = listen(fd, addr); err != nil {
		_ = unix.Close(fd)
		return -1, addr, fmt.Errorf("listening at %s: %w", addr, err)
	}
	return fd, bound, nil
}

func listen(fd int, addr netip.AddrPort) (bound netip.AddrPort, err error) {
	if err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return addr, err
	}
	// Linux hands the option on to what is accepted.
	if err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return addr, err
	}
	if err = unix.Bind(fd, &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}); err != nil {
		return addr, err
	}
	if err = unix.Listen(fd, backlog); err != nil {
		return addr, err
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return addr, err
	}
	return netip.AddrPortFrom(addr.Addr(), uint16(name.(*unix.SockaddrInet4).Port)), nil
}

// Accept takes one connection; EAGAIN when none waits.
func Accept(fd int) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), 0, 0, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	return int(n), errno
}

// Connect begins a connection, from an address of this machine if from is valid. How it ends shows in the first Read.
func Connect(to *unix.RawSockaddrInet4, from netip.Addr) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("making a socket: %w", err)
	}
	if err := connect(fd, to, from); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func connect(fd int, to *unix.RawSockaddrInet4, from netip.Addr) error {
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return fmt.Errorf("setting TCP_NODELAY: %w", err)
	}
	if from.IsValid() {
		// The port is picked at connect(2), where one may serve several destinations.
		if err := unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
			return fmt.Errorf("setting IP_BIND_ADDRESS_NO_PORT: %w", err)
		}
		if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: from.As4()}); err != nil {
			return fmt.Errorf("binding to %s: %w", from, err)
		}
	}
	_, _, errno := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(to)), unix.SizeofSockaddrInet4)
	if errno != 0 && errno != unix.EINPROGRESS {
		return fmt.Errorf("connecting: %w", errno)
	}
	return nil
}

// Address is an IPv4 address as the kernel takes it.
func Address(a netip.AddrPort) *unix.RawSockaddrInet4 {
	raw := &unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: a.Addr().As4()}
	port := (*[2]byte)(unsafe.Pointer(&raw.Port))
	port[0], port[1] = byte(a.Port()>>8), byte(a.Port())
	return raw
}

// Read reads what is there; EAGAIN when nothing is, 0 and no error at the end.
func Read(fd int, b []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// Write writes what there is room for; EAGAIN when there is none. A peer that is gone is EPIPE, never a signal.
func Write(fd int, b []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// CloseFD closes a socket.
func CloseFD(fd int) {
	_, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
}
