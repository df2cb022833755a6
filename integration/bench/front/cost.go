package front

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// CPU is what a process, and its descendants that run now, have spent so far, user and system, to the nanosecond: the sum over
// their threads of the first field of schedstat. What a thread or descendant spent that has ended is not in it: front ends keep
// theirs.
func CPU(pid int) (time.Duration, error) {
	var sum time.Duration
	err := eachOf(pid, func(pid int) error {
		files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
		if err != nil || len(files) == 0 {
			return fmt.Errorf("reading what process %d spent: it has ended, or the kernel keeps no schedstat (%w)", pid, os.ErrNotExist)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				continue // the thread has ended
			}
			first, _, _ := strings.Cut(string(text), " ")
			ns, err := strconv.ParseInt(first, 10, 64)
			if err != nil {
				return fmt.Errorf("reading what process %d spent: %w", pid, err)
			}
			sum += time.Duration(ns)
		}
		return nil
	})
	return sum, err
}

// tick is the unit of /proc where the kernel counts in none finer: USER_HZ is 100 wherever Linux has a stable interface.
const tick = 10 * time.Millisecond

// reaped is what the children of a process had spent that have ended, to the hundredth of a second (proc(5), cutime and
// cstime).
func reaped(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("reading what the children of process %d spent: %w", pid, err)
	}
	// Fields are counted from the end of the name, which may have blanks.
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	const cutime = 13
	if len(fields) < cutime+2 {
		return 0, fmt.Errorf("reading what the children of process %d spent: got %q", pid, text)
	}
	var sum int64
	for _, f := range fields[cutime : cutime+2] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("reading what the children of process %d spent: %w", pid, err)
		}
		sum += n
	}
	return time.Duration(sum) * tick, nil
}

// MachineCPU is what the machine was not idle for since it started, to the hundredth of a second. It has the time of
// interrupts in it, as CPU has: the kernel charges them to the process that they interrupt.
func MachineCPU() (time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, fmt.Errorf("reading what the machine spent: %w", err)
	}
	var user, nice, system, idle, iowait, irq, softirq int64
	if _, err := fmt.Sscanf(string(text), "cpu %d %d %d %d %d %d %d", &user, &nice, &system, &idle, &iowait, &irq, &softirq); err != nil {
		return 0, fmt.Errorf("reading what the machine spent: %w", err)
	}
	return time.Duration(user+nice+system+irq+softirq) * tick, nil
}

// Memory is the resident memory of a process and its descendants, in octets.
func Memory(pid int) (int64, error) {
	var sum int64
	err := eachOf(pid, func(pid int) error {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
		if err != nil {
			return fmt.Errorf("reading the memory of process %d: %w", pid, err)
		}
		fields := strings.Fields(string(text))
		if len(fields) < 2 {
			return fmt.Errorf("reading the memory of process %d: got %q", pid, text)
		}
		pages, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			return fmt.Errorf("reading the memory of process %d: %w", pid, err)
		}
		sum += pages * int64(os.Getpagesize())
		return nil
	})
	return sum, err
}

// eachOf visits a process and its descendants.
func eachOf(pid int, visit func(pid int) error) error {
	if err := visit(pid); err != nil {
		return err
	}
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return fmt.Errorf("looking for the children of process %d: %w", pid, err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue // the thread has ended
		}
		for _, child := range strings.Fields(string(text)) {
			n, err := strconv.Atoi(child)
			if err != nil {
				return fmt.Errorf("looking for the children of process %d: %w", pid, err)
			}
			// A descendant may end between two looks.
			if err := eachOf(n, visit); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}
