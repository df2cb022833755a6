package balancer

import (
	"fmt"
	"runtime"
	"sync"
	"syscall"
)

// pipe is a pipe of the kernel's, which what is spliced goes through.
type pipe struct{ r, w int }

// pipes are kept for whoever splices next. The zero value is ready for use.
type pipes struct{ kept sync.Pool }

// take returns an empty pipe, to be given back by give.
func (s *pipes) take() (*pipe, error) {
	if p, ok := s.kept.Get().(*pipe); ok {
		return p, nil
	}
	var fds [2]int
	if err := syscall.Pipe2(fds[:], syscall.O_CLOEXEC|syscall.O_NONBLOCK); err != nil {
		return nil, fmt.Errorf("opening a pipe: %w", err)
	}
	p := &pipe{r: fds[0], w: fds[1]}
	// A pipe keeps its usual size where the system allows no other.
	_, _, _ = syscall.Syscall(syscall.SYS_FCNTL, uintptr(p.w), setPipeSize, burst)
	runtime.SetFinalizer(p, (*pipe).close) // the pool drops what is not used for long
	return p, nil
}

// give takes a pipe back. One that is not empty is closed: it is of no use to others.
func (s *pipes) give(p *pipe, empty bool) {
	if empty {
		s.kept.Put(p)
	} else {
		p.close()
	}
}

func (p *pipe) close() {
	runtime.SetFinalizer(p, nil)
	_ = syscall.Close(p.r)
	_ = syscall.Close(p.w)
}

// What splice(2) and fcntl(2) are told.
const (
	spliceMove     = 1
	spliceNonblock = 2
	setPipeSize    = 1031
)

// splice moves what there is, without waiting: n is 0 at the end of the source.
func splice(from, to int) (n int, err error) {
	for {
		moved, err := syscall.Splice(from, nil, to, nil, burst, spliceMove|spliceNonblock)
		if err != syscall.EINTR {
			return int(max(moved, 0)), err
		}
	}
}
