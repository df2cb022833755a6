package integration

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// mailUID owns the Maildirs: any account that is not root, not Postfix's, and need not exist.
const mailUID = 5000

// postfix is one real Postfix with everything of its own below dir: config, queue, data, log and one Maildir that
// takes every recipient.
type postfix struct {
	t    *testing.T
	dir  string
	host string // its name, as it signs Received lines
	addr string
	pid  int    // of the running master; 0 while it is stopped
	off  func() // calls the guard of the running master off

	maildir *maildir
}

// startPostfixes starts n instances named p0, p1 …, side by side: most of a first start is waiting.
func startPostfixes(t *testing.T, n int) []*postfix {
	t.Helper()
	all := newPostfixes(t, n)
	launchAll(t, all)
	return all
}

// newPostfixes lays n instances out without starting them.
func newPostfixes(t *testing.T, n int) []*postfix {
	t.Helper()
	all := make([]*postfix, n)
	for i := range all {
		all[i] = newPostfix(t, fmt.Sprintf("p%d.test.example", i))
	}
	return all
}

// launchAll starts instances side by side.
func launchAll(t *testing.T, all []*postfix) {
	t.Helper()
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, p := range all {
		wg.Go(func() { errs[i] = p.launch() })
	}
	wg.Wait()
	for i, p := range all {
		if errs[i] != nil {
			t.Fatal(errs[i])
		}
		p.adopt()
	}
}

// newPostfix lays an instance out without starting it.
func newPostfix(t *testing.T, host string) *postfix {
	t.Helper()
	needRoot(t)
	need(t, "postfix", "postfix")
	// Short and below /tmp: Postfix's daemons run as other users, and their sockets' paths have 108 octets.
	dir, err := os.MkdirTemp("/tmp", "wp-")
	if err != nil {
		t.Fatalf("making Postfix's directory: %v", err)
	}
	p := &postfix{t: t, dir: dir, host: host, addr: freeAddr(t), off: func() {}}
	p.maildir = newMaildir(host, p.path("mail/box"))
	t.Cleanup(p.cleanup)
	p.layOut()
	return p
}

func (p *postfix) path(name string) string { return filepath.Join(p.dir, name) }

// layOut makes the directories with the owners that Postfix's own check wants.
func (p *postfix) layOut() {
	p.t.Helper()
	account, err := user.Lookup("postfix")
	if err != nil {
		unmet(p.t, "no user postfix: apt-get install -y --no-install-recommends postfix")
	}
	postfixUID, _ := strconv.Atoi(account.Uid)
	// The log is postfix's: while postlogd is down, its programs write there themselves (as they do on a start after a
	// kill -9, when something is left in the queue).
	owners := map[string]int{"": 0, "etc": 0, "queue": 0, "log": postfixUID, "data": postfixUID, "mail": mailUID}
	for _, name := range []string{"", "etc", "queue", "log", "data", "mail"} {
		_ = os.Mkdir(p.path(name), 0o755)
		// MkdirTemp made the top one 0700; the umask may have been strict with the others.
		if err := os.Chmod(p.path(name), 0o755); err != nil {
			p.t.Fatalf("opening %s: %v", name, err)
		}
		if err := os.Chown(p.path(name), owners[name], -1); err != nil {
			p.t.Fatalf("giving %s away: %v", name, err)
		}
	}
	p.writeFile("etc/main.cf", strings.NewReplacer("@DIR@", p.dir, "@HOST@", p.host, "@UID@", strconv.Itoa(mailUID)).Replace(mainCF))
	p.writeFile("etc/master.cf", strings.ReplaceAll(masterCF, "@ADDR@", p.addr))
	p.writeFile("log/mail.log", "")
	if err := os.Chown(p.path("log/mail.log"), postfixUID, -1); err != nil {
		p.t.Fatalf("giving the log away: %v", err)
	}
}

func (p *postfix) writeFile(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(p.path(name), []byte(text), 0o644); err != nil {
		p.t.Fatalf("writing %s: %v", name, err)
	}
	// Postfix reads a file that is younger than two seconds again and again, lest it be half written.
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(p.path(name), old, old); err != nil {
		p.t.Fatalf("ageing %s: %v", name, err)
	}
}

// control runs a command of postfix(1).
func (p *postfix) control(verb string) (string, error) {
	out, err := exec.Command("postfix", "-c", p.path("etc"), verb).CombinedOutput()
	return string(out), err
}

// start starts the master and waits for its greeting.
func (p *postfix) start() {
	p.t.Helper()
	if err := p.launch(); err != nil {
		p.t.Fatal(err)
	}
	p.adopt()
}

// launch runs `postfix start`. After a kill -9 the old master may hold its lock for a moment longer.
func (p *postfix) launch() error {
	var out string
	var err error
	if poll(20*time.Second, func() bool { out, err = p.control("start"); return err == nil }) {
		return nil
	}
	return fmt.Errorf("starting Postfix %s: %w: %s\n%s", p.host, err, out, p.log())
}

// adopt takes the running master under guard and waits for its greeting.
func (p *postfix) adopt() {
	p.t.Helper()
	if p.pid = p.masterPID(); p.pid <= 1 {
		p.t.Fatalf("Postfix %s has no pid file: %s", p.host, p.log())
	}
	p.off = guard(p.t, p.pid)
	eventually(p.t, 20*time.Second, p.greets, "Postfix %s does not greet: %s", p.host, p.log())
}

// greets says whether a connection gets a 220.
func (p *postfix) greets() bool {
	c, greeting, err := dialRaw(p.addr)
	if err != nil {
		return false
	}
	defer c.quit()
	return greeting.code == 220
}

// stop is `postfix stop`: orderly for the queue, abrupt for open connections.
func (p *postfix) stop() {
	p.t.Helper()
	if out, err := p.control("stop"); err != nil {
		p.t.Fatalf("stopping Postfix %s: %v: %s", p.host, err, out)
	}
	p.waitGone()
}

// kill9 pulls the plug: the master and all its children at once.
func (p *postfix) kill9() {
	p.t.Helper()
	// The master leads its own process group; its children stay in it.
	if err := syscall.Kill(-p.pid, syscall.SIGKILL); err != nil {
		p.t.Fatalf("killing Postfix %s: %v", p.host, err)
	}
	p.waitGone()
}

func (p *postfix) waitGone() {
	p.t.Helper()
	p.off()
	p.pid = 0
	eventually(p.t, 20*time.Second, func() bool {
		conn, err := net.DialTimeout("tcp", p.addr, time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	}, "Postfix %s still accepts connections", p.host)
}

// masterPID reads the pid file; 0 when there is none.
func (p *postfix) masterPID() int {
	text, _ := os.ReadFile(p.path("queue/pid/master.pid"))
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid
}

// log is the end of its mail log.
func (p *postfix) log() string {
	text, _ := os.ReadFile(p.path("log/mail.log"))
	return string(text[max(0, len(text)-1200):])
}

// queued is the number of messages it has accepted and not yet delivered.
func (p *postfix) queued() int {
	n := 0
	for _, q := range []string{"maildrop", "incoming", "active", "deferred"} {
		_ = filepath.WalkDir(p.path("queue/"+q), func(_ string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				// A file without the execute bit is one that cleanup has not finished, or that lost its sender:
				// nobody was told that it is accepted (Postfix's cleanup sets it last).
				if info, err := d.Info(); err == nil && info.Mode()&0o100 != 0 {
					n++
				}
			}
			return nil
		})
	}
	return n
}

func (p *postfix) cleanup() {
	if p.t.Failed() {
		p.t.Logf("the end of %s's mail log:\n%s", p.host, p.log())
	}
	if p.pid > 1 {
		_, _ = p.control("stop")
		_ = syscall.Kill(-p.pid, syscall.SIGKILL)
	}
	p.off()
	_ = os.RemoveAll(p.dir)
}
