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

// openSMTPD is a mail server that the distribution does not let stand beside Postfix. It knows its own paths only, so it
// runs below a root of its own, made of mounts that nobody else sees and that vanish with it.
type openSMTPD struct {
	t    *testing.T
	root string
	addr string // where it takes mail
	log  wordsOf
}

// openSMTPDInside makes the root and becomes the server. $1 is the root, $2 the unpacked package.
const openSMTPDInside = `set -e
mount --make-rprivate /
mount -t tmpfs none "$1/run"
for d in usr dev proc; do mount --rbind /$d "$1/$d"; done
mount --bind "$2/usr/libexec" "$1/usr/libexec"
mount --bind "$2/usr/sbin" "$1/usr/sbin"
exec chroot "$1" /usr/sbin/smtpd -d`

const openSMTPDPasswd = `root:x:0:0::/root:/bin/sh
opensmtpd:x:5101:5101::/var/lib/opensmtpd/empty:/bin/false
opensmtpq:x:5102:5102::/var/lib/opensmtpd/empty:/bin/false
`

const openSMTPDGroup = `root:x:0:
opensmtpd:x:5101:
opensmtpq:x:5102:
`

// startOpenSMTPD runs one. Each relay is `NAME=URL`: mail for NAME.example goes there, with anna's password if the URL names
// her.
func startOpenSMTPD(t *testing.T, ca *authority, helo string, relays ...string) *openSMTPD {
	t.Helper()
	needRoot(t)
	pkg := openSMTPDPackage(t)
	o := &openSMTPD{t: t, root: t.TempDir(), addr: freeAddr(t)}
	_, port, _ := strings.Cut(o.addr, ":")
	var conf strings.Builder
	fmt.Fprintf(&conf, "listen on 127.0.0.1 port %s hostname %s\n", port, helo)
	// It would let seconds pass between two connections to the same address.
	conf.WriteString("mta limit reconn-delay-route 0\n")
	for _, of := range []string{"host", "route", "source", "connector", "relay", "domain"} {
		fmt.Fprintf(&conf, "mta limit conn-delay-%s 0\n", of)
	}
	for _, r := range relays {
		name, url, _ := strings.Cut(r, "=")
		auth := ""
		if strings.Contains(url, "anna@") {
			fmt.Fprintf(&conf, "table secrets { anna = \"anna@%s:%s\" }\n", accountDomain, accountPassword)
			auth = " auth <secrets>"
		}
		fmt.Fprintf(&conf, "action %q relay host %s%s helo %s\nmatch from any for domain %q action %q\n", name, url, auth, helo, name+".example", name)
	}
	authorities, err := os.ReadFile(ca.file)
	if err != nil {
		t.Fatalf("reading the authority: %v", err)
	}
	for name, text := range map[string]string{
		"etc/passwd": openSMTPDPasswd, "etc/group": openSMTPDGroup, "etc/smtpd.conf": conf.String(), "etc/mailname": helo + "\n",
		"etc/hosts": "127.0.0.1 localhost " + edgeName + "\n", "etc/resolv.conf": "", "etc/ssl/certs/ca-certificates.crt": string(authorities),
		"run/x": "", "usr/x": "", "dev/x": "", "proc/x": "", "tmp/x": "", "var/lib/opensmtpd/empty/x": "", "var/spool/smtpd/x": "",
	} {
		o.lay(name, text)
	}
	for link, to := range map[string]string{"lib": "usr/lib", "lib64": "usr/lib64", "bin": "usr/bin", "var/run": "/run"} {
		if err := os.Symlink(to, filepath.Join(o.root, link)); err != nil {
			t.Fatalf("linking %s: %v", link, err)
		}
	}
	o.run(pkg)
	return o
}

// openSMTPDPackage is where tools/setup has unpacked it.
func openSMTPDPackage(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatalf("finding the cache: %v", err)
	}
	pkg := filepath.Join(cache, "weir", "opensmtpd")
	if _, err := os.Stat(filepath.Join(pkg, "usr/sbin/smtpd")); err != nil {
		unmet(t, "OpenSMTPD is missing: make setup, as root")
	}
	return pkg
}

// lay writes a file, and makes its directory. A file x is not written.
func (o *openSMTPD) lay(name, text string) {
	o.t.Helper()
	path := filepath.Join(o.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		o.t.Fatalf("making the directory of %s: %v", name, err)
	}
	if filepath.Base(name) == "x" {
		return
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		o.t.Fatalf("writing %s: %v", name, err)
	}
}

func (o *openSMTPD) run(pkg string) {
	o.t.Helper()
	// Its own check wants nobody but root to look into the spool.
	if err := os.Chmod(filepath.Join(o.root, "var/spool/smtpd"), 0o711); err != nil {
		o.t.Fatalf("closing the spool: %v", err)
	}
	for dir := o.root; strings.HasPrefix(dir, os.TempDir()+"/"); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil { // its daemons run as other users
			o.t.Fatalf("opening %s: %v", dir, err)
		}
	}
	cmd := exec.Command("unshare", "--mount", "sh", "-c", openSMTPDInside, "sh", o.root, pkg)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stdout, cmd.Stderr = &o.log, &o.log
	if err := cmd.Start(); err != nil {
		o.t.Fatalf("starting OpenSMTPD: %v", err)
	}
	off := guard(o.t, cmd.Process.Pid)
	o.t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		_ = cmd.Wait()
		off()
		if o.t.Failed() {
			o.t.Logf("OpenSMTPD said:\n%s", o.log.String())
		}
	})
	eventually(o.t, ceiling, func() bool {
		c, greeting, err := dialRaw(o.addr)
		if err == nil {
			c.quit()
		}
		return err == nil && greeting.code == 220
	}, "OpenSMTPD does not greet: %s", o.log.String())
}

// TestEdge_OpenSMTPD: OpenSMTPD as the sender, in each mode of TLS; it verifies weir's certificate by its name.
func TestEdge_OpenSMTPD(t *testing.T) {
	t.Parallel()
	needWeir(t)
	ca := newAuthority(t)
	e := newEdge(t, ca, lane{name: "starttls", edge: ca.edge("starttls")}, lane{name: "required", edge: ca.edge("required")},
		lane{name: "implicit", edge: ca.edge("implicit")}, lane{name: "off"})
	urls := map[string]string{"starttls": "smtp+tls://", "required": "smtp+tls://", "implicit": "smtps://", "off": "smtp://"}
	var relays []string
	for name, scheme := range urls {
		_, port := e.hostPort(name)
		relays = append(relays, fmt.Sprintf("%s=%s%s:%s", name, scheme, edgeName, port))
	}
	const helo = "opensmtpd.sender.example"
	o := startOpenSMTPD(t, ca, helo, relays...)
	for name := range urls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMessage("open", filler(20_000))
			m.to = []string{"one@" + name + ".example", "two@" + name + ".example"}
			c, err := dialSMTP(o.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.quit()
			if _, err := c.sendData(m); err != nil {
				t.Fatalf("OpenSMTPD does not take it: %v", err)
			}
			eventually(t, ceiling, func() bool { return e.stored(m) > 0 }, "%s has not arrived; OpenSMTPD says:\n%s", m.id, o.log.String())
			want := said{addr: "127.0.0.1", helo: helo}
			if name != "off" {
				want.tls = []string{"1.3"}
			}
			e.arrived(t, m, want)
			for _, got := range e.c.Messages() {
				if got.From == m.from && (!bytes.HasSuffix(got.Content, filler(20_000)) || len(got.To) != 2) {
					t.Errorf("%d octets for %q", len(got.Content), got.To)
				}
			}
		})
	}
}
