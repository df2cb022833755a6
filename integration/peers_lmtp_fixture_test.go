package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// dovecot is a Dovecot with everything of its own below dir: LMTP, and an authentication service for Postfix.
type dovecot struct {
	t     *testing.T
	dir   string
	lmtp  string // the address of its LMTP
	proxy string // the same, behind a PROXY header
	stop  func()
}

// The accounts of a dovecot; each has this password.
const (
	accountPassword = "secret-of-the-test"
	accountDomain   = "test.example"
)

const dovecotConf = `base_dir = @DIR@/base
state_dir = @DIR@/state
log_path = @DIR@/log/dovecot.log
protocols = lmtp
listen = 127.0.0.1
ssl = no
hostname = dovecot.test.example
postmaster_address = postmaster@test.example
mail_location = maildir:@DIR@/mail/%n
first_valid_uid = 1
login_trusted_networks = 127.0.0.0/8
haproxy_trusted_networks = 127.0.0.0/8
auth_mechanisms = plain login cram-md5 scram-sha-256
auth_verbose = yes
auth_failure_delay = 0
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%u @DIR@/accounts
}
userdb {
  driver = passwd-file
  args = username_format=%u @DIR@/accounts
  default_fields = uid=@UID@ gid=@UID@ home=@DIR@/mail/%n
}
service lmtp {
  inet_listener lmtp {
    address = 127.0.0.1
    port = @PORT@
  }
  inet_listener lmtp-proxy {
    address = 127.0.0.1
    port = @PROXY@
    haproxy = yes
  }
  unix_listener lmtp {
    mode = 0
  }
}
# Who guesses passwords is made to wait, by address: to Dovecot all of a test's senders are one.
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service auth {
  unix_listener auth-client {
    mode = 0666
  }
}
`

// startDovecot starts one that knows these accounts.
func startDovecot(t *testing.T, accounts ...string) *dovecot {
	t.Helper()
	needRoot(t)
	need(t, "dovecot", "dovecot-lmtpd")
	// Short and below /tmp, as for Postfix.
	dir, err := os.MkdirTemp("/tmp", "wd-")
	if err != nil {
		t.Fatalf("making Dovecot's directory: %v", err)
	}
	d := &dovecot{t: t, dir: dir, lmtp: freeAddr(t), proxy: freeAddr(t), stop: func() {}}
	t.Cleanup(d.cleanup)
	for _, name := range []string{"", "base", "state", "log", "mail"} {
		if err := os.MkdirAll(d.path(name), 0o755); err != nil {
			t.Fatalf("making %s: %v", name, err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil { // MkdirTemp made it 0700
		t.Fatalf("opening %s: %v", dir, err)
	}
	if err := os.Chown(d.path("mail"), mailUID, mailUID); err != nil {
		t.Fatalf("giving the mail away: %v", err)
	}
	fill := strings.NewReplacer("@DIR@", dir, "@UID@", strconv.Itoa(mailUID), "@PORT@", portOf(d.lmtp), "@PROXY@", portOf(d.proxy))
	d.writeFile("dovecot.conf", fill.Replace(dovecotConf))
	var known strings.Builder
	for _, name := range accounts {
		fmt.Fprintf(&known, "%s@%s:%s::::::\n", name, accountDomain, accountPassword)
	}
	d.writeFile("accounts", known.String())
	d.start()
	return d
}

func (d *dovecot) path(name string) string { return filepath.Join(d.dir, name) }

func (d *dovecot) writeFile(name, text string) {
	d.t.Helper()
	if err := os.WriteFile(d.path(name), []byte(text), 0o644); err != nil {
		d.t.Fatalf("writing %s: %v", name, err)
	}
}

// start runs the master and waits for its greeting.
func (d *dovecot) start() {
	d.t.Helper()
	cmd := exec.Command("dovecot", "-F", "-c", d.path("dovecot.conf"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		d.t.Fatalf("starting Dovecot: %v", err)
	}
	off := guard(d.t, cmd.Process.Pid)
	d.stop = func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // its children stay in its group
		_ = cmd.Wait()
		off()
	}
	eventually(d.t, ceiling, func() bool {
		c, greeting, err := dialRaw(d.lmtp)
		if err != nil {
			return false
		}
		defer c.quit()
		return greeting.code == 220
	}, "Dovecot does not greet: %s", d.log())
}

// log is all of its log.
func (d *dovecot) log() string {
	text, _ := os.ReadFile(d.path("log/dovecot.log"))
	return string(text)
}

// got waits until a message lies in the Maildir of an account, and returns its header.
func (d *dovecot) got(t *testing.T, m *message, account string) (header string) {
	t.Helper()
	return mailIn(t, d.path("mail/"+account), m)
}

func (d *dovecot) cleanup() {
	if d.t.Failed() {
		log := d.log()
		d.t.Logf("the end of Dovecot's log:\n%s", log[max(0, len(log)-2000):])
	}
	d.stop()
	_ = os.RemoveAll(d.dir)
}
