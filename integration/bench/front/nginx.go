package front

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// Nginx is a running nginx with its mail proxy.
type Nginx struct {
	*process
	Addr string
	auth *http.Server
}

// nginxConfig: no authentication of senders, no XCLIENT towards connectors that do not offer it, no log.
const nginxConfig = `load_module @MODULE@;
daemon off;
worker_processes auto;
pid @DIR@/pid;
error_log stderr crit;
events { worker_connections 20000; }
mail {
  server_name edge.test.example;
  auth_http @AUTH@/;
  xclient off;
  smtp_auth none;
  smtp_capabilities PIPELINING "SIZE 104857600" ENHANCEDSTATUSCODES 8BITMIME;
  server { listen @ADDR@; protocol smtp; }
}
`

// nginxModule is where Debian's libnginx-mod-mail puts it.
const nginxModule = "/usr/lib/nginx/modules/ngx_mail_module.so"

// StartNginx runs the nginx of the system. It asks an HTTP server for the connector of each session: here one that takes
// them by turns, within the benchmark, so that what it spends is not counted against nginx.
func StartNginx(ctx context.Context, backends []string) (*Nginx, error) {
	addr, err := FreeAddr()
	if err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for nginx's questions: %w", err)
	}
	n := &Nginx{Addr: addr, auth: &http.Server{Handler: byTurns(backends), ReadHeaderTimeout: time.Minute}}
	go n.serveAuth(ln)
	config := strings.NewReplacer("@ADDR@", addr, "@AUTH@", ln.Addr().String(), "@MODULE@", nginxModule).Replace(nginxConfig)
	dir, err := room(map[string]string{"nginx.conf": config})
	if err != nil {
		return nil, errors.Join(err, n.auth.Close())
	}
	// -e: else it opens the log of the system's own.
	if n.process, err = start("nginx", dir, "nginx", "-e", "stderr", "-p", dir, "-c", filepath.Join(dir, "nginx.conf")); err != nil {
		return nil, errors.Join(err, n.auth.Close())
	}
	if err := n.wait(ctx, func() bool { return listens(addr) }); err != nil {
		_ = n.Stop()
		return nil, err
	}
	return n, nil
}

func (n *Nginx) serveAuth(ln net.Listener) { _ = n.auth.Serve(ln) }

// PID is for CPU and Memory: of the master, whose children are the workers.
func (n *Nginx) PID() int { return n.cmd.Process.Pid }

// Stop ends nginx and the server that it asks.
func (n *Nginx) Stop() error { return errors.Join(n.process.Stop(), n.auth.Close()) }

// byTurns answers each question of nginx with the next connector.
func byTurns(backends []string) http.HandlerFunc {
	var turn atomic.Uint64
	return func(w http.ResponseWriter, _ *http.Request) {
		host, port, _ := net.SplitHostPort(backends[turn.Add(1)%uint64(len(backends))])
		h := w.Header()
		h.Set("Auth-Status", "OK")
		h.Set("Auth-Server", host)
		h.Set("Auth-Port", port)
	}
}
