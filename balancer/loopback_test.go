package balancer_test

import (
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
)

// loopback listens at a port that is free.
func loopback(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// dialFrom connects from a loopback address of the test's choice; "" leaves it to the system.
func dialFrom(local, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: ceiling}
	if local != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(local)}
	}
	return d.Dial("tcp", addr)
}

// connectTo connects over loopback, until the test ends.
func connectTo(t testing.TB, addr string) *net.TCPConn {
	t.Helper()
	nc, err := dialFrom("", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	return nc.(*net.TCPConn)
}

// serveEach serves each connection in a goroutine, and closes it then, until the listener
// is closed; all counts who serves.
func serveEach(ln net.Listener, all *sync.WaitGroup, serve func(*net.TCPConn)) {
	all.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer nc.Close()
				serve(nc.(*net.TCPConn))
			})
		}
	})
}

// socketPair is a connection with descriptors at both ends, and without ports.
func socketPair(t testing.TB) (net.Conn, net.Conn) {
	t.Helper()
	fds := bareSocketPair(t)
	return connOf(t, fds[0]), connOf(t, fds[1])
}

// bareSocketPair is the same in descriptors.
func bareSocketPair(t testing.TB) [2]int {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	return fds
}

// connOf makes a connection of a descriptor, which is its own from here on.
func connOf(t testing.TB, fd int) net.Conn {
	t.Helper()
	file := os.NewFile(uintptr(fd), "pair")
	defer file.Close()
	nc, err := net.FileConn(file)
	if err != nil {
		t.Fatal(err)
	}
	return nc
}
