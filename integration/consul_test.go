package integration

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

// consulUp is how long a Consul may take to have a leader: a second on a free machine.
const consulUp = 90 * time.Second

// rootToken may do everything with a Consul that has ACLs.
const rootToken = "11111111-2222-3333-4444-555555555555"

// consulOptions are what a Consul of a test is started with.
type consulOptions struct {
	reach []string // further addresses of this machine on which its API answers
	acl   bool     // without a token nothing can be read
}

// consulAgent is one Consul process: a server, whose API is all that tests and weir use of it.
type consulAgent struct {
	t     *testing.T
	http  string // host:port of its API
	root  string // the token that may do everything; empty: there are no ACLs
	args  []string
	cmd   *exec.Cmd
	ended chan struct{}
	off   func() // calls its guard off

	mu  sync.Mutex
	out bytes.Buffer
}

// consulBin is the Consul that tools/setup built, or that WEIR_CONSUL names.
func consulBin(t *testing.T) string {
	t.Helper()
	bin := os.Getenv("WEIR_CONSUL")
	if bin == "" {
		text, err := os.ReadFile("../tools/consul/go.mod")
		if err != nil {
			t.Fatalf("reading which Consul the tests want: %v", err)
		}
		version := regexp.MustCompile(`(?m)^\tgithub.com/hashicorp/consul v(\S+)`).FindStringSubmatch(string(text))
		cache, err := os.UserCacheDir()
		if err != nil || version == nil {
			t.Fatalf("finding the Consul in the cache: %v, version %v", err, version)
		}
		bin = filepath.Join(cache, "weir", "consul-"+version[1])
	}
	if _, err := os.Stat(bin); err != nil {
		unmet(t, fmt.Sprintf("there is no Consul at %s: tools/setup consul builds it once (a few minutes), or WEIR_CONSUL=PATH names another", bin))
	}
	return bin
}

// startConsul starts a Consul of one server that keeps all in memory, and waits until it can be written to.
func startConsul(t *testing.T, o consulOptions) *consulAgent {
	t.Helper()
	c := &consulAgent{t: t, http: freeAddr(t)}
	c.args = []string{
		"agent", "-dev", "-node", "c" + port(c.http), "-bind", "127.0.0.1",
		"-client", strings.Join(append([]string{"127.0.0.1"}, o.reach...), " "),
		"-http-port", port(c.http), "-dns-port", "-1", "-grpc-port", "-1",
		"-serf-lan-port", port(freeAddr(t)), "-serf-wan-port", port(freeAddr(t)), "-server-port", port(freeAddr(t)),
	}
	if o.acl {
		c.root = rootToken
		c.args = append(c.args, "-hcl", fmt.Sprintf(
			"acl {\n enabled = true\n default_policy = \"deny\"\n tokens {\n initial_management = %[1]q\n agent = %[1]q\n }\n}", rootToken))
	}
	c.start()
	return c
}

// port is the port of a host:port.
func port(addr string) string {
	_, p, _ := net.SplitHostPort(addr)
	return p
}

// start runs the process and waits until it can be written to.
func (c *consulAgent) start() {
	c.t.Helper()
	c.launch()
	c.waitLeader()
}

func (c *consulAgent) launch() {
	c.t.Helper()
	c.ended = make(chan struct{})
	c.cmd = exec.Command(consulBin(c.t), c.args...)
	c.cmd.Stdout, c.cmd.Stderr = c, c
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.cmd.Start(); err != nil {
		c.t.Fatalf("starting Consul: %v", err)
	}
	c.off = guard(c.t, c.cmd.Process.Pid)
	go c.reap(c.cmd, c.ended)
	c.t.Cleanup(func() {
		c.kill9()
		if c.t.Failed() {
			c.t.Logf("the end of the log of Consul %s:\n%s", c.http, c.log())
		}
	})
}

func (c *consulAgent) reap(cmd *exec.Cmd, ended chan struct{}) {
	_ = cmd.Wait()
	close(ended)
}

// Write takes down what Consul prints.
func (c *consulAgent) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.Write(p)
}

// log is the end of what Consul printed.
func (c *consulAgent) log() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.out.String()
	return s[max(0, len(s)-3000):]
}

// waitLeader waits until the cluster has a leader and takes writes.
func (c *consulAgent) waitLeader() {
	c.t.Helper()
	var err error
	ok := poll(consulUp, func() bool {
		_, err = c.api().KV().Put(&api.KVPair{Key: "test/written"}, nil)
		return err == nil
	})
	if !ok {
		c.t.Fatalf("Consul %s cannot be written to after %s: %v\n%s", c.http, consulUp, err, c.log())
	}
}

// api is a client with every right. It keeps no connections, for the leak check.
func (c *consulAgent) api() *api.Client {
	c.t.Helper()
	cfg := api.DefaultNonPooledConfig()
	cfg.Address, cfg.Token = c.http, c.root
	client, err := api.NewClient(cfg)
	if err != nil {
		c.t.Fatalf("making a Consul client: %v", err)
	}
	return client
}

// kill9 ends the process; a server in memory forgets everything. It may be called again.
func (c *consulAgent) kill9() {
	select {
	case <-c.ended:
	default:
		_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
		<-c.ended
	}
	c.off()
}

// freeze stops the process where it stands: connections are taken by the kernel, and nothing is answered. The returned
// function lets it go on.
func (c *consulAgent) freeze() (thaw func()) {
	c.t.Helper()
	pid := c.cmd.Process.Pid
	if err := syscall.Kill(-pid, syscall.SIGSTOP); err != nil {
		c.t.Fatalf("stopping Consul: %v", err)
	}
	return func() { _ = syscall.Kill(-pid, syscall.SIGCONT) }
}
