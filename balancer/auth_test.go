package balancer_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weir/balancer"
	"weir/internal/backend"
	"weir/internal/connector"
)

// TestAuthDialogues plays the scripts in testdata/auth (P34): a sender, under TLS
// from the start, and two connectors, whose greeting, STARTTLS and EHLO go by
// themselves. Who waits in vain fails.
//
//	# what it shows, with the rule
//	! setting                       see directive; before the first other line
//	> AUTH PLAIN AHUAcA==           the sender writes a line
//	< 235 *                         the sender reads a line; * stands for anything
//	hello PLAIN LOGIN               the sender is greeted and says EHLO; what AUTH is announced
//	a< AUTH PLAIN *                 connector a hears a line; EOF is the end of its connection
//	a> 235 2.7.0 welcome            connector a says a line; \n begins another one
//	tls                             the sender begins TLS
//	until 421                       the sender says NOOP until that is the answer
//	a next                          a's next connection: what follows is said there
//	a close                         a closes its connection
//	drain a | disable a | undrain a | refuse a | reload
//	= auth 235 a                    the last AUTH's code and connector; see check
//
// Nothing that is recorded may contain a secret: anything with "U0VDUkVU" or
// "SECRET" in it.
func TestAuthDialogues(t *testing.T) {
	files, err := filepath.Glob("testdata/auth/*.smtp")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts found: %v", err)
	}
	certificate := selfSigned(t)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".smtp"), func(t *testing.T) {
			t.Parallel()
			playAuth(t, file, certificate)
		})
	}
}

// authPlayer plays one script.
type authPlayer struct {
	*bench
	puppets map[string]*puppet
	sender  *strung
	started bool
	greeted bool
	max     int
}

func newAuthPlayer(t *testing.T, certificate *tls.Config) *authPlayer {
	p := &authPlayer{bench: newBench(t), puppets: map[string]*puppet{}}
	for _, name := range []string{"a", "b"} {
		p.puppets[name] = newPuppet(t, name, certificate, "AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256")
		p.caps[name] = backend.Capabilities{Known: true, Ext: backend.ExtAuth, Auth: backend.ParseWords("PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256")}
	}
	p.dialer.TLS = connector.Security{Mode: connector.TLSRequired}
	p.edge = map[string]*tls.Config{"inbound": certificate}
	p.listener().TLS = balancer.TLSImplicit
	return p
}

func playAuth(t *testing.T, file string, certificate *tls.Config) {
	script, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p := newAuthPlayer(t, certificate)
	defer p.hangUp()
	for i, line := range strings.Split(string(script), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := p.line(line); err != nil {
			t.Fatalf("%s:%d: %s\n%v", file, i+1, line, err)
		}
	}
	p.hangUp()
	p.leavesNothing()
}

func (p *authPlayer) hangUp() {
	if p.sender != nil {
		_ = p.sender.Close()
		p.sender = nil
	}
	for _, pup := range p.puppets {
		pup.close() // goodbyes are not waited for
	}
}

// leavesNothing checks what every script must leave: no place taken, no connection
// open, no ticket, no secret.
func (p *authPlayer) leavesNothing() {
	for _, name := range []string{"a", "b"} {
		b := p.member(name)
		waitFor(p.t, name+" to be left", func() bool { return b.InFlight() == 0 && b.Traffic.Open.Load() == 0 })
	}
	p.stop()
	if n := p.witness.tickets.Load(); n != 0 {
		p.t.Errorf("%d tickets were not ended", n)
	}
	p.witness.mu.Lock()
	defer p.witness.mu.Unlock()
	all := fmt.Sprintf("%+v %+v %+v %+v", p.witness.auths, p.witness.transactions, p.witness.sessions, p.witness.outcomes)
	for _, secret := range []string{"SECRET", "U0VDUkVU"} {
		if strings.Contains(all, secret) {
			p.t.Errorf("a secret was recorded: %s", all)
		}
	}
}

func (p *authPlayer) line(line string) error {
	mark, rest, _ := strings.Cut(line, " ")
	if mark == "!" {
		return p.directive(rest)
	}
	p.begin()
	name := strings.TrimRight(mark, "<>")
	if pup := p.puppets[name]; pup != nil {
		if mark == name {
			return pup.line(rest, "")
		}
		return pup.line(mark[len(name):], unescape(rest))
	}
	switch mark {
	case "<", ">":
		if err := p.connect(); err != nil {
			return err
		}
		return p.sender.step(strings.TrimPrefix(mark, ">") + unescape(rest))
	case "=":
		return p.await(rest)
	case "tls":
		p.startTLS()
		return nil
	case "until":
		return p.until(rest)
	case "hello":
		return p.hello(rest)
	case "close":
		err := p.sender.Close()
		p.sender, p.greeted = nil, false
		return err
	}
	return p.order(mark, rest)
}

// begin starts the balancer with the puppets as members of the first pool.
func (p *authPlayer) begin() {
	if p.started {
		return
	}
	p.started = true
	p.start(p.max)
	specs := map[string][]backend.Spec{}
	for _, name := range []string{"a", "b"} {
		pool := p.poolOf(name)
		specs[pool] = append(specs[pool], backend.Spec{Pool: pool, Name: name, Address: p.puppets[name].ln.Addr().String(), Weight: 100})
	}
	for pool, members := range specs {
		p.registry.SetMembers(pool, members)
	}
	for name := range p.puppets {
		p.setHealth(name, backend.HealthUp)
	}
}

// connect has the sender connect, with TLS where it begins with that.
func (p *authPlayer) connect() error {
	if p.sender != nil {
		return nil
	}
	nc, err := net.DialTimeout("tcp", p.addr, ceiling)
	if err != nil {
		return err
	}
	p.sender = &strung{nc, bufio.NewReader(nc)}
	if p.listener().TLS == balancer.TLSImplicit {
		p.startTLS()
	}
	return nc.SetDeadline(time.Now().Add(2 * ceiling))
}

// startTLS has the sender go on in TLS, with a handshake when it next speaks.
func (p *authPlayer) startTLS() {
	secure := tls.Client(p.sender.Conn, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // a test's own server
	p.sender = &strung{secure, bufio.NewReader(secure)}
}

// hello says EHLO and compares the mechanisms that are announced; "-" is none.
func (p *authPlayer) hello(want string) error {
	if err := p.connect(); err != nil {
		return err
	}
	if !p.greeted {
		p.greeted = true
		if err := p.sender.hear("220 *"); err != nil {
			return err
		}
	}
	if err := p.sender.step("EHLO client.test"); err != nil {
		return err
	}
	offered := "-"
	for more := true; more; {
		line, err := p.sender.in.ReadString('\n')
		if err != nil {
			return err
		}
		if words, ok := strings.CutPrefix(line[4:], "AUTH "); ok {
			offered = strings.TrimSpace(words)
		}
		more = line[3] == '-'
	}
	return like(offered, want)
}

// until says NOOP until something has come of what a connector did.
func (p *authPlayer) until(code string) error {
	for {
		if err := p.sender.step("NOOP"); err != nil {
			return err
		}
		line, err := p.sender.in.ReadString('\n')
		if err != nil || strings.HasPrefix(line, code) {
			return err
		}
	}
}

// await checks until it is so.
func (p *authPlayer) await(what string) error {
	deadline := time.Now().Add(ceiling)
	for {
		err := p.check(what)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// Auth keeps the record of an AUTH.
func (w *witness) Auth(r *balancer.AuthRecord) {
	if w.deaf {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	c := *r
	c.Tries = append([]balancer.Try(nil), r.Tries...)
	w.auths = append(w.auths, c)
}
