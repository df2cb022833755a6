package front

import (
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"time"
)

// HAProxy is a running HAProxy, in TCP mode: it has no other for SMTP.
type HAProxy struct {
	*process
	Addr string
}

// haproxyConfig is as its manual has it for SMTP, without a log and with its own default of a thread for each core.
const haproxyConfig = `global
  stats socket @DIR@/s mode 600 level user
defaults
  mode tcp
  timeout connect 5s
  timeout client 5m
  timeout server 5m
  timeout check 5s
  option redispatch 1
listen smtp
  bind @ADDR@
  balance roundrobin
  option smtpchk EHLO edge.test.example
  default-server inter 1s observe layer4
`

// StartHAProxy runs the HAProxy of the system and waits until it has checked all connectors.
func StartHAProxy(ctx context.Context, backends []string) (*HAProxy, error) {
	addr, err := FreeAddr()
	if err != nil {
		return nil, err
	}
	config := strings.ReplaceAll(haproxyConfig, "@ADDR@", addr)
	for i, b := range backends {
		config += fmt.Sprintf("  server c%d %s check\n", i, b)
	}
	dir, err := room(map[string]string{"haproxy.cfg": config})
	if err != nil {
		return nil, err
	}
	h := &HAProxy{Addr: addr}
	if h.process, err = start("HAProxy", dir, "haproxy", "-db", "-f", filepath.Join(dir, "haproxy.cfg")); err != nil {
		return nil, err
	}
	if err := h.wait(ctx, func() bool { return h.checked() == len(backends) && listens(addr) }); err != nil {
		_ = h.Stop()
		return nil, err
	}
	return h, nil
}

// PID is for CPU and Memory.
func (h *HAProxy) PID() int { return h.cmd.Process.Pid }

// checked is how many connectors have passed their last check.
func (h *HAProxy) checked() int {
	conn, err := net.DialTimeout("unix", filepath.Join(h.dir, "s"), time.Second)
	if err != nil {
		return 0
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
	if _, err := io.WriteString(conn, "show stat -1 4 -1\n"); err != nil { // type 4: servers
		return 0
	}
	text, err := io.ReadAll(conn)
	if err != nil {
		return 0
	}
	return strings.Count(string(text), ",L7OK,")
}
