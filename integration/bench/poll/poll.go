package poll

import (
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Poller is an epoll set.
type Poller struct {
	fd     int
	wake   int // an eventfd
	events [1024]unix.EpollEvent
}

// New makes an empty set; Close gives it back.
func New() (*Poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("making an epoll set: %w", err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("making an eventfd: %w", err)
	}
	p := &Poller{fd: fd, wake: wake}
	if err := p.Add(wake, unix.EPOLLIN); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Close closes the set, not what is in it.
func (p *Poller) Close() {
	_ = unix.Close(p.wake)
	_ = unix.Close(p.fd)
}

// Add puts a descriptor into the set; events are EPOLLIN and the like. A descriptor leaves it when it is closed.
func (p *Poller) Add(fd int, events uint32) error {
	if err := p.control(unix.EPOLL_CTL_ADD, fd, events); err != 0 {
		return fmt.Errorf("adding to the epoll set: %w", err)
	}
	return nil
}

// Change gives a descriptor of the set other events to wait for.
func (p *Poller) Change(fd int, events uint32) error {
	if err := p.control(unix.EPOLL_CTL_MOD, fd, events); err != 0 {
		return fmt.Errorf("changing the epoll set: %w", err)
	}
	return nil
}

func (p *Poller) control(op, fd int, events uint32) unix.Errno {
	ev := unix.EpollEvent{Events: events, Fd: int32(fd)}
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(p.fd), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(&ev)), 0, 0)
	return errno
}

// Wake makes a Wait return, now or the next one. It may be called by any goroutine.
func (p *Poller) Wake() {
	_, _ = unix.Write(p.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
}

// Wait waits for events, at most for d, for ever if d is negative. The events are good until the next Wait. Woken says
// whether somebody called Wake. It needs Linux 5.11: timeouts in milliseconds would be too coarse for a paced load.
func (p *Poller) Wait(d time.Duration) (events []unix.EpollEvent, woken bool, err error) {
	var timeout *unix.Timespec
	if d >= 0 {
		ts := unix.NsecToTimespec(d.Nanoseconds())
		timeout = &ts
	}
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)),
		uintptr(unsafe.Pointer(timeout)), 0, 0)
	switch errno {
	case 0:
	case unix.EINTR:
		return nil, false, nil
	default:
		return nil, false, fmt.Errorf("waiting for events: %w", errno)
	}
	events = p.events[:n]
	for i := range events {
		if int(events[i].Fd) != p.wake {
			continue
		}
		var count [8]byte
		_, _ = unix.Read(p.wake, count[:])
		events[i] = events[len(events)-1]
		return events[:len(events)-1], true, nil
	}
	return events, false, nil
}
