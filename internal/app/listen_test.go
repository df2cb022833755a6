package app

import (
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"

	"weir/balancer"
	"weir/config"
)

// occupied returns an address that somebody listens on.
func occupied(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln.Addr().String()
}

func configOf(admin string, listeners ...balancer.ListenerConfig) *config.Config {
	return &config.Config{Balancer: balancer.Config{Listeners: listeners}, Admin: config.Admin{Address: admin}}
}

func TestBindNamesEveryAddressThatIsTaken(t *testing.T) {
	one, two := occupied(t), occupied(t)
	free := "127.0.0.1:0"
	_, err := bind(t.Context(), configOf(two, balancer.ListenerConfig{Name: "inbound", Address: one}, balancer.ListenerConfig{Name: "fine", Address: free}))
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("got %v", err)
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines: %v", len(lines), err)
	}
	_, port, _ := net.SplitHostPort(one)
	for _, want := range []string{`listener "inbound"`, one, "address already in use", "sport = :" + port} {
		if !strings.Contains(lines[0], want) {
			t.Errorf("no %q in %q", want, lines[0])
		}
	}
	if !strings.HasPrefix(lines[1], "admin: ") || !strings.Contains(lines[1], two) {
		t.Errorf("got %q", lines[1])
	}
}

func TestBindOpensAllOrNone(t *testing.T) {
	s, err := bind(t.Context(), configOf("", balancer.ListenerConfig{Name: "inbound", Address: "127.0.0.1:0"}))
	if err != nil {
		t.Fatal(err)
	}
	addr := s.smtp["inbound"].Addr().String()
	s.close()
	_, err = bind(t.Context(), configOf(occupied(t), balancer.ListenerConfig{Name: "inbound", Address: addr}))
	if err == nil {
		t.Fatal("an address that is taken was opened")
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatalf("the listener's socket was left open: %v", err)
	}
	_ = ln.Close()
}

func TestBindExplains(t *testing.T) {
	for errno, want := range map[syscall.Errno]string{
		syscall.EADDRINUSE:    "ss -ltnp 'sport = :25'",
		syscall.EACCES:        "CAP_NET_BIND_SERVICE",
		syscall.EADDRNOTAVAIL: "no interface",
		syscall.EMFILE:        "too many open files",
	} {
		err := explainBind("192.0.2.1:25", &net.OpError{Op: "listen", Err: errno})
		if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "192.0.2.1:25") || !errors.Is(err, errno) {
			t.Errorf("%v: got %q", errno, err)
		}
	}
}
