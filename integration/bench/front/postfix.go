package front

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Postfixes are real connectors: each takes every message into its queue, as safely as Postfix does, and then discards it.
type Postfixes struct {
	Addrs []string
	dirs  []string
}

// mainCF is a whole main.cf: nothing is taken from the machine's own Postfix.
const mainCF = `compatibility_level = 3.6
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
data_directory = @DIR@/data
queue_directory = @DIR@/queue
mail_owner = postfix
setgid_group = postdrop
maillog_file = @DIR@/log/mail.log
maillog_file_prefixes = @DIR@/log
myhostname = @HOST@
mydomain = test.example
myorigin = test.example
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
virtual_mailbox_domains = test.example
virtual_transport = discard:
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_error_sleep_time = 0
smtpd_client_connection_count_limit = 0
in_flow_delay = 0
default_process_limit = 100
`

const masterCF = `@ADDR@ inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
`

// StartPostfixes starts n instances; it takes root.
func StartPostfixes(ctx context.Context, n int) (*Postfixes, error) {
	account, err := user.Lookup("postfix")
	if err != nil || os.Geteuid() != 0 {
		return nil, errors.New("real connectors need Postfix, and root to start it: make setup, then run this as root")
	}
	owner, err := strconv.Atoi(account.Uid)
	if err != nil {
		return nil, fmt.Errorf("reading Postfix's uid: %w", err)
	}
	p := &Postfixes{}
	if p.Addrs, err = freeAddrs(n); err != nil {
		return nil, err
	}
	for i, addr := range p.Addrs {
		if err := p.startOne(ctx, fmt.Sprintf("p%d.test.example", i), addr, owner); err != nil {
			return nil, errors.Join(err, p.Stop())
		}
	}
	return p, nil
}

func (p *Postfixes) startOne(ctx context.Context, host, addr string, owner int) error {
	dir, err := room(nil)
	if err != nil {
		return err
	}
	p.dirs = append(p.dirs, dir)
	if err := layOut(dir, host, addr, owner); err != nil {
		return fmt.Errorf("laying out Postfix: %w", err)
	}
	if out, err := postfix(ctx, dir, "start"); err != nil {
		return fmt.Errorf("starting Postfix: %w: %s", err, out)
	}
	ctx, cancel := context.WithTimeout(ctx, startCeiling)
	defer cancel()
	return until(ctx, "Postfix's greeting", func() (bool, error) { return listens(addr), nil })
}

// layOut makes the directories and files with the owners that Postfix wants.
func layOut(dir, host, addr string, owner int) error {
	if err := os.Chmod(dir, 0o755); err != nil { // its daemons run as other users
		return err
	}
	for name, uid := range map[string]int{"etc": 0, "queue": 0, "log": owner, "data": owner} {
		if err := errors.Join(os.Mkdir(filepath.Join(dir, name), 0o755), os.Chown(filepath.Join(dir, name), uid, -1)); err != nil {
			return err
		}
	}
	replace := strings.NewReplacer("@DIR@", dir, "@HOST@", host, "@ADDR@", addr)
	// A file that is younger than two seconds it reads again and again, lest it be half written.
	old := time.Now().Add(-time.Hour)
	for name, text := range map[string]string{"etc/main.cf": mainCF, "etc/master.cf": masterCF} {
		name = filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(name, []byte(replace.Replace(text)), 0o644), os.Chtimes(name, old, old)); err != nil {
			return err
		}
	}
	return nil
}

func postfix(ctx context.Context, dir, verb string) ([]byte, error) {
	return exec.CommandContext(ctx, "postfix", "-c", filepath.Join(dir, "etc"), verb).CombinedOutput()
}

// Counts is how many messages they have taken and delivered, and how many connections they had, all together; it is read
// from their logs.
func (p *Postfixes) Counts() (messages, connections uint64, err error) {
	for _, dir := range p.dirs {
		text, err := os.ReadFile(filepath.Join(dir, "log/mail.log"))
		if err != nil && !errors.Is(err, os.ErrNotExist) { // before the first message there is none
			return 0, 0, fmt.Errorf("reading Postfix's log: %w", err)
		}
		messages += uint64(bytes.Count(text, []byte("status=sent")))
		connections += uint64(bytes.Count(text, []byte(": connect from ")))
	}
	return messages, connections, nil
}

// CPU is what they have spent, with those of their processes that have ended.
func (p *Postfixes) CPU() (time.Duration, error) {
	var sum time.Duration
	for _, dir := range p.dirs {
		text, err := os.ReadFile(filepath.Join(dir, "queue/pid/master.pid"))
		if err != nil {
			return 0, fmt.Errorf("looking for Postfix's master: %w", err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			return 0, fmt.Errorf("looking for Postfix's master: %w", err)
		}
		running, err := CPU(pid)
		if err != nil {
			return 0, err
		}
		ended, err := reaped(pid)
		if err != nil {
			return 0, err
		}
		sum += running + ended
	}
	return sum, nil
}

// Settle waits until they have delivered want messages, and so until their queues are empty.
func (p *Postfixes) Settle(ctx context.Context, want uint64) error {
	ctx, cancel := context.WithTimeout(ctx, startCeiling)
	defer cancel()
	return until(ctx, fmt.Sprintf("Postfix to deliver %d messages", want), func() (bool, error) {
		n, _, err := p.Counts()
		return n >= want, err
	})
}

// Stop ends them all and removes what they wrote.
func (p *Postfixes) Stop() error {
	var errs []error
	for _, dir := range p.dirs {
		ctx, cancel := context.WithTimeout(context.Background(), stopCeiling)
		if out, err := postfix(ctx, dir, "stop"); err != nil {
			errs = append(errs, fmt.Errorf("stopping Postfix: %w: %s", err, out))
		}
		cancel()
		errs = append(errs, os.RemoveAll(dir))
	}
	return errors.Join(errs...)
}

// until waits for something that is asked for again and again.
func until(ctx context.Context, what string, done func() (bool, error)) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, ctx.Err())
		}
	}
}
