package balancer

import (
	"io"
	"os"
	"syscall"
)

// burst is how many octets are moved at once at most, and how large a pipe is.
const burst = 256 << 10

// splicer moves octets from one socket to another within the kernel, by splice(2)
// through a pipe. The standard library does so too, but holds a pipe for as long as
// it waits; here a connection on which nothing moves has none, and it is known when
// something last moved.
type splicer struct {
	from, to syscall.RawConn
	pipes    *pipes
	pipe     *pipe
	n        int   // octets that the last call has found, or those that are in the pipe
	err      error // of the last call

	// Made once, so that a burst costs no allocation.
	peek, fill, pour func(fd uintptr) bool
}

func newSplicer(from, to syscall.RawConn, pipes *pipes) *splicer {
	s := &splicer{from: from, to: to, pipes: pipes}
	s.peek, s.fill, s.pour = s.awaitSome, s.fillPipe, s.pourOut
	return s
}

// run moves octets as [way.carry] does.
func (s *splicer) run(w *way) (by spot, err error) {
	for {
		if err := s.do(s.from.Read, s.peek, "recvfrom"); err != nil || s.n == 0 {
			return w.source, err
		}
		if by, err := s.burst(w); by != nowhere {
			return by, err
		}
	}
}

// do has a descriptor worked on, and says what went wrong.
func (s *splicer) do(with func(func(uintptr) bool) error, what func(uintptr) bool, name string) error {
	if err := with(what); err != nil {
		return err
	}
	return os.NewSyscallError(name, s.err)
}

// burst moves what is there. It returns nowhere when there is no more for now.
func (s *splicer) burst(w *way) (by spot, err error) {
	s.n = 0
	if s.pipe, err = s.pipes.take(); err != nil {
		return atBridge, err
	}
	defer s.giveBack()
	for more := true; more; {
		err := s.do(s.from.Read, s.fill, "splice")
		switch {
		case s.err == syscall.EAGAIN:
			return nowhere, nil
		case err != nil || s.n == 0:
			return w.source, err
		}
		more = s.n >= burst/4
		for s.n > 0 {
			was := s.n
			err := s.do(s.to.Write, s.pour, "splice")
			w.count(was - s.n)
			if err != nil {
				return w.sink, err
			}
		}
	}
	return nowhere, nil
}

// giveBack lets others have the pipe, if it is empty.
func (s *splicer) giveBack() {
	s.pipes.give(s.pipe, s.n == 0)
	s.pipe = nil
}

// awaitSome waits for octets or an end, and takes nothing.
func (s *splicer) awaitSome(fd uintptr) bool {
	var one [1]byte
	for {
		s.n, _, s.err = syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		if s.err != syscall.EINTR {
			return s.err != syscall.EAGAIN
		}
	}
}

// fillPipe takes what the source has, without waiting.
func (s *splicer) fillPipe(fd uintptr) bool {
	s.n, s.err = splice(int(fd), s.pipe.w)
	return true
}

// pourOut gives the sink some of it, and waits until it can take any.
func (s *splicer) pourOut(fd uintptr) bool {
	n, err := splice(s.pipe.r, int(fd))
	if n == 0 && err == nil {
		err = io.ErrUnexpectedEOF
	}
	s.n, s.err = s.n-n, err
	return err != syscall.EAGAIN
}
