package integration

import (
	"bytes"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// program is a sender that somebody else wrote: it sends one message, with arguments of its own, and returns what it said.
// Without an error the message was taken.
type program func(e *edge, t *testing.T, from guest, lane string, m *message, args ...string) (string, error)

// swaks is driven by its own arguments for TLS and AUTH.
func swaks(e *edge, t *testing.T, from guest, lane string, m *message, args ...string) (string, error) {
	t.Helper()
	need(t, "swaks", "swaks")
	needPerl(t)
	args = append(args, "--server", e.at(lane), "--local-interface", from.addr, "--ehlo", from.helo,
		"--from", m.from, "--to", strings.Join(m.to, ","), "--data", "@"+spooled(t, m, false))
	return run(t, "swaks", args...)
}

// needPerl wants the library that swaks speaks TLS with.
func needPerl(t *testing.T) {
	t.Helper()
	if _, err := run(t, "perl", "-MNet::SSLeay", "-e", "1"); err != nil {
		unmet(t, "swaks knows no TLS: apt-get install -y --no-install-recommends libnet-ssleay-perl")
	}
}

// curl takes its EHLO name from the path of the URL, and smtps from the lane's name.
func curl(e *edge, t *testing.T, from guest, lane string, m *message, args ...string) (string, error) {
	t.Helper()
	need(t, "curl", "curl")
	scheme := "smtp://"
	if lane == "implicit" {
		scheme = "smtps://"
	}
	args = append(args, "--silent", "--show-error", "--verbose", "--max-time", "60", "--interface", from.addr, "--mail-from", m.from,
		"--upload-file", spooled(t, m, true), scheme+e.at(lane)+"/"+from.helo)
	for _, to := range m.to {
		args = append(args, "--mail-rcpt", to)
	}
	return run(t, "curl", args...)
}

// smtplib is Python's; see the script for its arguments.
func smtplib(e *edge, t *testing.T, from guest, lane string, m *message, args ...string) (string, error) {
	t.Helper()
	need(t, "/usr/bin/python3", "python3")
	host, port := e.hostPort(lane)
	args = append([]string{filepath.Join("testdata", "smtplib_edge.py")}, append(args, "--ca", e.ca.file,
		host, port, from.addr, from.helo, m.from, strings.Join(m.to, ","), spooled(t, m, true))...)
	return run(t, "/usr/bin/python3", args...)
}

// wordsOf gathers what a running program says, and may be read meanwhile.
type wordsOf struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write takes what was said.
func (w *wordsOf) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

// String is all of it so far.
func (w *wordsOf) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}
