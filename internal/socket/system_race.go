//go:build race

package socket

import "syscall"

// The same calls by way of the standard library, which tells the race detector what
// the kernel reads and writes.

func read(fd uintptr, p []byte) (int, syscall.Errno) {
	n, err := syscall.Read(int(fd), p)
	return result(n, err)
}

func peek(fd uintptr) (int, syscall.Errno) {
	var one [1]byte
	n, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return result(n, err)
}

func write(fd uintptr, p []byte) (int, syscall.Errno) {
	n, err := syscall.Write(int(fd), p)
	return result(n, err)
}

func writeLast(fd uintptr, p []byte) (int, syscall.Errno) {
	n, err := syscall.SendmsgN(int(fd), p, nil, nil, syscall.MSG_MORE|syscall.MSG_NOSIGNAL)
	return result(n, err)
}

func result(n int, err error) (int, syscall.Errno) {
	if errno, _ := err.(syscall.Errno); errno != 0 {
		return 0, errno
	}
	return n, 0
}
