package integration

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// exim is an Exim with everything of its own below dir. It takes every recipient, and keeps all mail in its queue: what it
// was given is read there.
type exim struct {
	t             *testing.T
	dir           string
	direct, proxy string // addresses: without, and with a PROXY header; both offer STARTTLS
	wrapped       string // with a PROXY header, and then TLS at once
	ca            *authority
	stop          func()
}

// eximUID is the account that Exim becomes. The tests give it the name that Debian's build wants.
const eximUID = 5001

const eximConf = `keep_environment =
primary_hostname = exim.test.example
spool_directory = @DIR@/spool
log_file_path = @DIR@/log/%s
log_selector = +all
local_interfaces = <; 127.0.0.1.@DIRECT@ ; 127.0.0.1.@PROXY@ ; 127.0.0.1.@WRAPPED@
hosts_proxy = ${if = {$received_port}{@DIRECT@} {:}{*}}
tls_certificate = @DIR@/cert.pem
tls_privatekey = @DIR@/key.pem
tls_on_connect_ports = @WRAPPED@
queue_only = true
chunking_advertise_hosts = *
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
tls_advertise_hosts = *
host_lookup =
rfc1413_hosts =
acl_smtp_rcpt = accept
acl_smtp_data = accept
begin routers
begin transports
`

// eximRoot is where tools/setup unpacks Debian's package, as it does not stand beside Postfix.
func eximRoot(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatalf("finding the cache: %v", err)
	}
	root := filepath.Join(cache, "weir", "exim4-daemon-heavy")
	if _, err := os.Stat(filepath.Join(root, "usr/sbin/exim4")); err != nil {
		unmet(t, "Exim is missing: make setup")
	}
	return root
}

// startExim starts one and waits for its greeting.
func startExim(t *testing.T) *exim {
	t.Helper()
	needRoot(t)
	need(t, "unshare", "util-linux")
	root := eximRoot(t)
	dir, err := os.MkdirTemp("/tmp", "we-")
	if err != nil {
		t.Fatalf("making Exim's directory: %v", err)
	}
	e := &exim{t: t, dir: dir, direct: freeAddr(t), proxy: freeAddr(t), wrapped: freeAddr(t), ca: newAuthority(t), stop: func() {}}
	t.Cleanup(e.cleanup)
	e.layOut()
	e.run(root)
	eventually(t, ceiling, func() bool {
		c, greeting, err := dialRaw(e.direct)
		if err != nil {
			return false
		}
		defer c.quit()
		return greeting.code == 220
	}, "Exim does not greet: %s", e.log())
	return e
}

func (e *exim) path(name string) string { return filepath.Join(e.dir, name) }

// layOut makes the directories, the config, and files of accounts in which Exim's is named.
func (e *exim) layOut() {
	e.t.Helper()
	if err := os.Chmod(e.dir, 0o755); err != nil {
		e.t.Fatalf("opening %s: %v", e.dir, err)
	}
	for _, name := range []string{"spool", "log"} {
		if err := os.Mkdir(e.path(name), 0o755); err != nil {
			e.t.Fatalf("making %s: %v", name, err)
		}
		if err := os.Chown(e.path(name), eximUID, eximUID); err != nil {
			e.t.Fatalf("giving %s away: %v", name, err)
		}
	}
	conf := strings.NewReplacer("@DIR@", e.dir, "@DIRECT@", portOf(e.direct), "@PROXY@", portOf(e.proxy), "@WRAPPED@", portOf(e.wrapped)).Replace(eximConf)
	e.writeFile("exim.conf", []byte(conf))
	cert, key := e.ca.issue("exim.test.example")
	e.writeFile("cert.pem", fileBytes(e.t, cert))
	e.writeFile("key.pem", fileBytes(e.t, key))
	for file, line := range map[string]string{"passwd": "Debian-exim:x:%d:%d::/nonexistent:/bin/false\n", "group": "Debian-exim:x:%[2]d:\n"} {
		e.writeFile(file, append(fileBytes(e.t, "/etc/"+file), fmt.Sprintf(line, eximUID, eximUID)...))
	}
}

func (e *exim) writeFile(name string, text []byte) {
	e.t.Helper()
	if err := os.WriteFile(e.path(name), text, 0o644); err != nil {
		e.t.Fatalf("writing %s: %v", name, err)
	}
}

// run starts the daemon in a mount namespace of its own, where its files of accounts lie over the machine's.
func (e *exim) run(root string) {
	e.t.Helper()
	script := `mount --bind "$1/passwd" /etc/passwd && mount --bind "$1/group" /etc/group && exec "$2/usr/sbin/exim4" -C "$1/exim.conf" -bdf`
	cmd := exec.Command("unshare", "-m", "sh", "-c", script, "sh", e.dir, root)
	libs, _ := filepath.Glob(filepath.Join(root, "usr/lib/*-linux-gnu"))
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+strings.Join(append(libs, filepath.Join(root, "usr/lib")), ":"))
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		e.t.Fatalf("starting Exim: %v", err)
	}
	off := guard(e.t, cmd.Process.Pid)
	e.stop = func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		off()
		if e.t.Failed() {
			e.t.Logf("Exim said: %s\nthe end of its log:\n%s", said.String(), e.log())
		}
	}
}

func (e *exim) cleanup() {
	e.stop()
	_ = os.RemoveAll(e.dir)
}

// log is the end of its main log.
func (e *exim) log() string {
	text, _ := os.ReadFile(e.path("log/main"))
	return string(text[max(0, len(text)-3000):])
}

// took waits for the line in its log that tells of the arrival of a message, and checks the content in its queue.
func (e *exim) took(t *testing.T, m *message) (arrival string) {
	t.Helper()
	var lines []string
	eventually(t, ceiling, func() bool { lines = e.arrivals(m); return len(lines) > 0 }, "%s did not arrive: %s", m.id, e.log())
	if len(lines) > 1 {
		t.Errorf("%s arrived %d times, want once", m.id, len(lines))
	}
	before, _, _ := strings.Cut(lines[0], " <= ")
	id := before[strings.LastIndex(before, " ")+1:]
	data, err := os.ReadFile(e.path("spool/input/" + id + "-D"))
	if err != nil {
		t.Fatalf("reading Exim's queue: %v", err)
	}
	_, body, _ := bytes.Cut(data, []byte("\n")) // the first line is its name
	_, sent, _ := bytes.Cut(m.raw, []byte("\r\n\r\n"))
	if digest(body) != digest(sent) {
		t.Errorf("%s: Exim has another body, of %d octets: %.60q", m.id, len(body), body)
	}
	return lines[0]
}

// arrivals are the lines of a message's arrivals.
func (e *exim) arrivals(m *message) (lines []string) {
	text, _ := os.ReadFile(e.path("log/main"))
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, " <= "+m.from+" ") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}
