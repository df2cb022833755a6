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

// Postfixes are real connectors: each takes every message into its queue on disk, as safely as Postfix does. What becomes
// of it then is up to who starts them.
type Postfixes struct {
	Addrs []string
	dirs  []string
}

// mainCF is a whole main.cf: nothing is taken from the machine's own Postfix. The first part is what Debian's package
// installs for an Internet site: most operators begin there, and change what they have to. The second is what
// docs/connectors.md tells them to set behind weir, whose address here is loopback's. The third is what a test needs: a log
// that can be counted in, recipients without a map of them, and where mail goes.
//
// One thing of Debian's is left out, TLS: smtp-source speaks none, but weir would with connectors that offer it, and do
// more than the others (its ratio to HAProxy is lower by 2 to 5 % then).
//
// A pool's connectors are alike, so they are not where mail ends: they pass it on (nextHop) to where mailboxes are. That costs
// as much behind every front end, and hides in a ratio what a front end spares them; to throw it away (discard) shows what
// taking mail in costs, and nothing else. So both are measured. Nothing was chosen for its ratio: without chroot, without
// flow control, with anvil counting weir's connections, and with mailboxes on the spot it was the same within its noise, or lower.
const mainCF = `compatibility_level = 3.6
smtpd_banner = $myhostname ESMTP $mail_name (Debian/GNU)
biff = no
append_dot_mydomain = no
smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated defer_unauth_destination
mydestination = $myhostname, localhost
mailbox_size_limit = 0
recipient_delimiter = +

mynetworks = [::1]/128
smtpd_client_event_limit_exceptions = $mynetworks 127.0.0.0/8
default_process_limit = 200

command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
data_directory = @DIR@/data
queue_directory = @DIR@/queue
maillog_file = @DIR@/log/mail.log
maillog_file_prefixes = @DIR@/log
myhostname = @HOST@
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
`

const (
	discard = `virtual_mailbox_domains = test.example
virtual_transport = discard:
`
	nextHop = `relay_domains = test.example
relay_transport = relay:@HOP@
`
)

// masterCF is Debian's, without services that nothing here uses: who faces strangers is confined to the queue's directory.
const masterCF = `@ADDR@ inet n - y - - smtpd
pickup unix n - y 60 1 pickup
cleanup unix n - y - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - y 1000? 1 tlsmgr
rewrite unix - - y - - trivial-rewrite
bounce unix - - y - 0 bounce
defer unix - - y - 0 bounce
trace unix - - y - 0 bounce
verify unix - - y - 1 verify
proxymap unix - - n - - proxymap
relay unix - - y - - smtp
showq unix n - y - - showq
error unix - - y - - error
retry unix - - y - - error
discard unix - - y - - discard
anvil unix - - y - 1 anvil
scache unix - - y - 1 scache
postlog unix-dgram n - n - 1 postlogd
`

// ofChroot is what Debian copies into that directory when it starts Postfix; without the hosts a lookup of loopback's name would
// ask the network.
const ofChroot = "hosts resolv.conf services nsswitch.conf localtime"

// StartPostfixes starts n instances that pass mail on to the server at hop, or throw it away if hop is empty; it takes root.
func StartPostfixes(ctx context.Context, n int, hop string) (*Postfixes, error) {
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
		if err := p.startOne(ctx, fmt.Sprintf("p%d.test.example", i), addr, hop, owner); err != nil {
			return nil, errors.Join(err, p.Stop())
		}
	}
	return p, nil
}

func (p *Postfixes) startOne(ctx context.Context, host, addr, hop string, owner int) error {
	dir, err := room(nil)
	if err != nil {
		return err
	}
	p.dirs = append(p.dirs, dir)
	if err := layOut(dir, host, addr, hop, owner); err != nil {
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
func layOut(dir, host, addr, hop string, owner int) error {
	if err := os.Chmod(dir, 0o755); err != nil { // its daemons run as other users
		return err
	}
	for name, uid := range map[string]int{"etc": 0, "queue": 0, "log": owner, "data": owner} {
		if err := errors.Join(os.Mkdir(filepath.Join(dir, name), 0o755), os.Chown(filepath.Join(dir, name), uid, -1)); err != nil {
			return err
		}
	}
	if err := fillChroot(filepath.Join(dir, "queue/etc")); err != nil {
		return err
	}
	then := discard
	if hop != "" {
		then = nextHop
		hop = "[" + strings.Replace(hop, ":", "]:", 1) // an address, not a domain whose MX is asked for
	}
	replace := strings.NewReplacer("@DIR@", dir, "@HOST@", host, "@ADDR@", addr, "@HOP@", hop)
	// A file that is younger than two seconds it reads again and again, lest it be half written.
	old := time.Now().Add(-time.Hour)
	for name, text := range map[string]string{"etc/main.cf": mainCF + then, "etc/master.cf": masterCF} {
		name = filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(name, []byte(replace.Replace(text)), 0o644), os.Chtimes(name, old, old)); err != nil {
			return err
		}
	}
	return nil
}

// fillChroot copies those of its files that the machine has.
func fillChroot(etc string) error {
	if err := os.Mkdir(etc, 0o755); err != nil {
		return err
	}
	for _, name := range strings.Fields(ofChroot) {
		text, err := os.ReadFile(filepath.Join("/etc", name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(etc, name), text, 0o644); err != nil {
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
