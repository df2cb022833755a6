package flow

import (
	"fmt"
	"syscall"
)

// pipe is a pipe of the kernel's, through which a way splices.
type pipe struct {
	r, w int
	held int // octets in it
}

// pipeSize is how large a pipe is, and how much goes into it at once at most.
const pipeSize = 256 << 10

// maxPipes is how many empty ones a loop keeps.
const maxPipes = 8

// lendPipe returns an empty one.
func (l *loop) lendPipe() (*pipe, error) {
	if n := len(l.pipes); n > 0 {
		p := l.pipes[n-1]
		l.pipes = l.pipes[:n-1]
		return p, nil
	}
	var fds [2]int
	if err := syscall.Pipe2(fds[:], syscall.O_CLOEXEC|syscall.O_NONBLOCK); err != nil {
		return nil, fmt.Errorf("opening a pipe: %w", err)
	}
	// A pipe keeps its usual size where the system allows no other.
	_, _, _ = syscall.RawSyscall(syscall.SYS_FCNTL, uintptr(fds[1]), setPipeSize, pipeSize)
	return &pipe{r: fds[0], w: fds[1]}, nil
}

// takeBackPipe takes one back. One that is not empty is closed: what is in it is
// nobody else's.
func (l *loop) takeBackPipe(p *pipe) {
	if p.held == 0 && len(l.pipes) < maxPipes {
		l.pipes = append(l.pipes, p)
	} else {
		p.close()
	}
}

func (p *pipe) close() {
	closeDescriptor(p.r)
	closeDescriptor(p.w)
}

// fill takes what a socket has; 0 is its end.
func (p *pipe) fill(from int) (int, syscall.Errno) {
	n, errno := splice(from, p.w, pipeSize, 0)
	p.held += n
	return n, errno
}

// empty gives a socket what it takes.
func (p *pipe) empty(to int, endFollows bool) (int, syscall.Errno) {
	flags := 0
	if endFollows {
		flags = spliceMore
	}
	n, errno := splice(p.r, to, p.held, flags)
	p.held -= n
	return n, errno
}

// What splice(2) and fcntl(2) are told.
const (
	spliceMove     = 1
	spliceNonblock = 2
	spliceMore     = 4
	setPipeSize    = 1031
)

func splice(from, to, n, flags int) (int, syscall.Errno) {
	for {
		moved, _, errno := syscall.RawSyscall6(syscall.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(n),
			uintptr(spliceMove|spliceNonblock|flags))
		switch errno {
		case 0:
			return int(moved), 0
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}
