package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// describe says on what, and with what, was measured, in Markdown.
func describe(ctx context.Context, weir string, rounds int) string {
	var u unix.Utsname
	kernel := "unknown"
	if unix.Uname(&u) == nil {
		kernel = unix.ByteSliceToString(u.Release[:])
	}
	return fmt.Sprintf("%d × %s, %s of memory, Linux %s, %s. weir %s, HAProxy %s, nginx %s, Postfix %s. Rounds: %d.\n",
		runtime.NumCPU(), processor(), memory(), kernel, runtime.Version(),
		words(ctx, 1, weir, "version"), words(ctx, 2, "haproxy", "-v"), strings.TrimPrefix(words(ctx, 2, "nginx", "-v"), "nginx/"),
		words(ctx, 0, "postconf", "-hd", "mail_version"), rounds)
}

func processor() string { return field("/proc/cpuinfo", "model name") }

func memory() string {
	kb, err := strconv.Atoi(strings.TrimSuffix(field("/proc/meminfo", "MemTotal"), " kB"))
	if err != nil {
		return "unknown size"
	}
	return fmt.Sprintf("%.0f GB", float64(kb)*1024/1e9)
}

// field is the value of the first line `name: value` of a file.
func field(file, name string) string {
	f, err := os.Open(file)
	if err != nil {
		return "unknown"
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		key, value, found := strings.Cut(lines.Text(), ":")
		if found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// words is the nth word of the first line that a program says, on either output.
func words(ctx context.Context, n int, program string, args ...string) string {
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	if err != nil {
		return "none"
	}
	first, _, _ := strings.Cut(string(out), "\n")
	all := strings.Fields(first)
	if n >= len(all) {
		return "unknown"
	}
	return all[n]
}

// busyness is the load average of the last minute.
func busyness() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), " ")
	x, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return 0
	}
	return x
}
