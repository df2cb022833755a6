package integration

import (
	"crypto/tls"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// securedLoad is senders that speak STARTTLS: some make a connection for each message, some keep theirs.
type securedLoad struct {
	e       *edge
	t       *testing.T
	lane    string
	cfg     *tls.Config
	enough  atomic.Bool
	done    sync.WaitGroup
	mu      sync.Mutex
	taken   []*message
	serials map[string]int // of the certificates that were shown to new connections
	cursor  atomic.Int64
}

func startSecuredLoad(t *testing.T, e *edge, lane string, senders, keepers int) *securedLoad {
	t.Helper()
	l := &securedLoad{e: e, t: t, lane: lane, cfg: e.ca.trusts(), serials: map[string]int{}}
	for i := range senders + keepers {
		l.done.Go(func() { l.work(i >= senders) })
	}
	t.Cleanup(func() { l.enough.Store(true); l.done.Wait() })
	return l
}

// work sends until it is enough; whatever fails fails the test.
func (l *securedLoad) work(keep bool) {
	var c *client
	for !l.enough.Load() {
		var err error
		if c == nil {
			if c, err = l.connect(); err != nil {
				l.t.Errorf("a sender's connection: %v", err)
				return
			}
		}
		m := newMessage("secured", filler(2000))
		if _, err := c.sendData(m); err != nil {
			l.t.Errorf("a sender's message: %v", err)
			c.close()
			return
		}
		l.mu.Lock()
		l.taken = append(l.taken, m)
		l.mu.Unlock()
		l.cursor.Add(1)
		if !keep {
			c.quit()
			c = nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	if c != nil {
		c.quit()
	}
}

// connect is a connection after STARTTLS and EHLO.
func (l *securedLoad) connect() (*client, error) {
	c, err := dialSMTP(l.e.at(l.lane))
	if err != nil {
		return nil, err
	}
	rep, err := c.cmd("STARTTLS")
	if err == nil && rep.code != 220 {
		err = &replyError{"STARTTLS", rep}
	}
	if err != nil {
		return nil, err
	}
	conn := tls.Client(c.conn, l.cfg)
	_ = conn.SetDeadline(time.Now().Add(ceiling))
	if err := conn.Handshake(); err != nil {
		return nil, fmt.Errorf("the handshake: %w", err)
	}
	l.mu.Lock()
	l.serials[conn.ConnectionState().PeerCertificates[0].SerialNumber.String()]++
	l.mu.Unlock()
	secured := overConn(conn)
	return secured, secured.ehlo()
}

// flows waits for n more messages.
func (l *securedLoad) flows(n int) {
	l.t.Helper()
	from := l.cursor.Load()
	eventually(l.t, ceiling, func() bool { return l.cursor.Load() >= from+int64(n) }, "the mail does not flow")
}

// seen is how many certificates were shown so far, and how many new connections there were.
func (l *securedLoad) seen() (certificates, connections int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range l.serials {
		connections += n
	}
	return len(l.serials), connections
}

// TestTLS_CertificatesChangeUnderTraffic: new files are shown to new connections without an order, and at once on SIGHUP;
// broken ones are told of and the last good ones stay; no sender notices anything but the new certificate.
func TestTLS_CertificatesChangeUnderTraffic(t *testing.T) {
	t.Parallel()
	needWeir(t)
	ca := newAuthority(t)
	cert, key := ca.issue(edgeName)
	e := newEdge(t, ca, lane{name: "starttls", edge: fmt.Sprintf("{mode: starttls, certificates: [{cert: %q, key: %q}]}", cert, key)})
	load := startSecuredLoad(t, e, "starttls", 3, 3)
	load.flows(30)

	// As certbot does: one file after the other, each put into its place whole.
	replace := func() {
		fresh := newAuthorityLike(t, ca)
		newCert, newKey := fresh.issue(edgeName)
		for from, to := range map[string]string{newCert: cert, newKey: key} {
			if err := os.Rename(from, to); err != nil {
				t.Fatal(err)
			}
		}
	}
	replace()
	eventually(t, ceiling, func() bool { n, _ := load.seen(); return n == 2 }, "the new certificate is not shown")
	load.flows(30)

	replace()
	e.signal(syscall.SIGHUP)
	eventually(t, ceiling, func() bool { n, _ := load.seen(); return n == 3 }, "the third certificate is not shown after SIGHUP")

	if err := os.WriteFile(cert, []byte("half a certif"), 0o600); err != nil {
		t.Fatal(err)
	}
	told := func() []logLine {
		return e.logged(func(l logLine) bool { return l.msg() == "certificate" && strings.Contains(l.str("why"), cert) })
	}
	eventually(t, ceiling, func() bool { return len(told()) > 0 }, "nobody is told of the broken file")
	_, before := load.seen()
	eventually(t, ceiling, func() bool { _, now := load.seen(); return now > before+3 }, "no new connections")
	load.enough.Store(true)
	load.done.Wait()
	if n, _ := load.seen(); n != 3 {
		t.Errorf("%d certificates were shown, want 3", n)
	}
	for _, m := range load.taken {
		if n := e.stored(m); n != 1 {
			t.Errorf("%s is stored %d times", m.id, n)
		}
	}
}

// newAuthorityLike is the same authority with a directory of its own for files.
func newAuthorityLike(t *testing.T, a *authority) *authority {
	t.Helper()
	again := *a
	again.t, again.dir = t, t.TempDir()
	return &again
}
