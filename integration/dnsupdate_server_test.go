package integration

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	mdns "github.com/miekg/dns"
)

const (
	dnsZone = "mail.test."
	dnsKey  = "Tr8q1ApKh2FgU4M1X/3IFxLJ3zGtTEwJt4dMvF9xD08="
	// dnsZoneText is the zone before weir comes: all of it is somebody else's.
	dnsZoneText = "$TTL 300\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\n@ TXT \"v=spf1 -all\"\nns A 192.0.2.53\nwww A 192.0.2.80\n"
)

// namePrimary is a real name server that takes updates of a zone, with no more rights for weir's key than the docs say.
type namePrimary struct {
	t     *testing.T
	kind  string // bind or knot
	addr  string
	dir   string
	key   string // the file for weir
	cmd   *exec.Cmd
	ended chan struct{}
	off   func()

	mu  sync.Mutex
	out bytes.Buffer
}

func startPrimary(t *testing.T, kind string) *namePrimary {
	t.Helper()
	p := &namePrimary{t: t, kind: kind, addr: freeAddr(t), dir: t.TempDir()}
	p.key = filepath.Join(p.dir, "weir.key")
	p.write("weir.key", fmt.Sprintf("key \"weir\" {\n\talgorithm hmac-sha256;\n\tsecret %q;\n};\n", dnsKey))
	p.write("zone", dnsZoneText)
	if kind == "bind" {
		p.write("conf", p.bindConfig())
	} else {
		p.write("conf", p.knotConfig())
	}
	p.start()
	return p
}

func (p *namePrimary) write(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
		p.t.Fatalf("writing %s: %v", name, err)
	}
}

func (p *namePrimary) bindConfig() string {
	return fmt.Sprintf(`options { directory %q; pid-file none; session-keyfile none; lock-file none;
 listen-on port %s { 127.0.0.1; }; listen-on-v6 { none; }; recursion no; dnssec-validation no; notify no; };
controls { };
include %q;
zone "mail.test" { type primary; file "zone"; update-policy {
 grant weir name _epoch.weir-default.mail.test. TXT;
 grant weir name mx.mail.test. A AAAA;
 grant weir name _weir.mx.mail.test. TXT;
}; };
`, p.dir, port(p.addr), p.key)
}

func (p *namePrimary) knotConfig() string {
	return fmt.Sprintf(`server:
    listen: 127.0.0.1@%[2]s
    rundir: %[1]s
    tcp-workers: 1
log:
  - target: stderr
    any: info
database:
    storage: %[1]s
key:
  - id: weir.
    algorithm: hmac-sha256
    secret: %[3]s
acl:
  - id: weir
    key: weir.
    action: update
    update-type: [A, AAAA, TXT]
    update-owner: name
    update-owner-match: equal
    update-owner-name: [_epoch.weir-default, mx, _weir.mx]
zone:
  - domain: mail.test
    file: %[1]s/zone
    acl: weir
`, p.dir, port(p.addr), dnsKey)
}

// start runs the server and waits until it answers for the zone.
func (p *namePrimary) start() {
	p.t.Helper()
	args := map[string][]string{"bind": {"named", "bind9", "-g", "-n", "1"}, "knot": {"knotd", "knot"}}[p.kind]
	program := args[0]
	if _, err := exec.LookPath(program); err != nil {
		program = "/usr/sbin/" + program // not in everybody's path
	}
	need(p.t, program, args[1])
	p.cmd = exec.Command(program, append(args[2:], "-c", filepath.Join(p.dir, "conf"))...)
	p.cmd.Stdout, p.cmd.Stderr = p, p
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatalf("starting %s: %v", program, err)
	}
	p.ended = make(chan struct{})
	p.off = guard(p.t, p.cmd.Process.Pid)
	go p.reap(p.cmd, p.ended)
	p.t.Cleanup(func() {
		p.kill9()
		if p.t.Failed() {
			p.t.Logf("the end of the log of %s:\n%s", p.kind, p.log())
		}
	})
	if !poll(60*time.Second, func() bool { return len(p.ask(dnsZone, mdns.TypeSOA)) == 1 }) {
		p.t.Fatalf("%s does not answer:\n%s", p.kind, p.log())
	}
}

func (p *namePrimary) reap(cmd *exec.Cmd, ended chan struct{}) {
	_ = cmd.Wait()
	close(ended)
}

// kill9 ends the process at once. It may be called again.
func (p *namePrimary) kill9() {
	select {
	case <-p.ended:
	default:
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.ended
	}
	p.off()
}

// Write takes down what the server prints.
func (p *namePrimary) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

func (p *namePrimary) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.out.String()
	return s[max(0, len(s)-3000):]
}

// ask is what the server publishes of a name, each record without its name, "TTL IN TYPE DATA", sorted.
func (p *namePrimary) ask(name string, kind uint16) []string {
	reply, _, err := (&mdns.Client{Net: "tcp", Timeout: 5 * time.Second}).Exchange(new(mdns.Msg).SetQuestion(name, kind), p.addr)
	if err != nil {
		return nil
	}
	var all []string
	for _, rr := range reply.Answer {
		all = append(all, strings.Join(strings.Fields(rr.String())[1:], " "))
	}
	slices.Sort(all)
	return all
}

// waitShown waits until the pool's name has just these addresses (of 192.0.2.0/24, by their last number), with their TTL.
func (p *namePrimary) waitShown(w *weir, last ...int) {
	p.t.Helper()
	var want, got []string
	for _, n := range last {
		want = append(want, fmt.Sprintf("45 IN A 192.0.2.%d", n))
	}
	slices.Sort(want)
	ok := poll(60*time.Second, func() bool {
		got = p.ask("mx."+dnsZone, mdns.TypeA)
		return slices.Equal(got, want)
	})
	if !ok {
		p.t.Fatalf("%s shows %v, want %v; weir says:\n%s", p.kind, got, want, w.ctl("dns").stdout)
	}
}
