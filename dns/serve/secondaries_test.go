package serve

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// need finds a program; where it is missing the test is skipped, or fails when
// WEIR_REQUIRE is set.
func need(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	what := program + " is not installed: apt-get install bind9 knot"
	if os.Getenv("WEIR_REQUIRE") != "" {
		t.Fatal(what)
	}
	t.Skip(what)
	return ""
}

const bindSecondary = `
options { directory "%[1]s"; pid-file none; session-keyfile none; lock-file none;
 listen-on port %[2]s {127.0.0.1;}; listen-on-v6 {none;}; recursion no; dnssec-validation no; notify no; };
controls { };
key "lb-key" { algorithm hmac-sha256; secret "%[3]s"; };
zone "mail.test" { type secondary; file "mail.test.db"; primaries { 127.0.0.1 port %[4]s key lb-key; }; };
`

const knotSecondary = `
server:
    listen: 127.0.0.1@%[2]s
    rundir: %[1]s
database:
    storage: %[1]s/db
key:
  - id: lb-key.
    algorithm: hmac-sha256
    secret: %[3]s
remote:
  - id: weir
    address: 127.0.0.1@%[4]s
    key: lb-key.
acl:
  - id: from-weir
    address: 127.0.0.1
    key: lb-key.
    action: notify
zone:
  - domain: mail.test.
    storage: %[1]s
    master: weir
    acl: from-weir
`

// freePort is one where nobody listens now.
func freePort(t *testing.T) string {
	t.Helper()
	pc, ln := sockets(t)
	defer func() { _, _ = pc.Close(), ln.Close() }()
	_, port, err := net.SplitHostPort(ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// output is what a program wrote, safe to read while it writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// run starts a program, and ends it with the test.
func run(t *testing.T, program string, args ...string) {
	t.Helper()
	var out output
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s wrote:\n%s", program, out.String())
		}
	})
}

// look asks a real server; nil: it does not answer.
func look(ctx context.Context, address, name string, kind uint16) *dns.Msg {
	client := dns.Client{Timeout: time.Second}
	reply, _, err := client.ExchangeContext(ctx, question(name, kind), address)
	if err != nil {
		return nil
	}
	return reply
}

func TestSecondaries(t *testing.T) {
	for _, c := range []struct{ program, conf string }{{"named", bindSecondary}, {"knotd", knotSecondary}} {
		t.Run(c.program, func(t *testing.T) {
			t.Parallel()
			testSecondary(t, need(t, c.program), c.conf)
		})
	}
}

func testSecondary(t *testing.T, program, conf string) {
	dir := t.TempDir()
	port := freePort(t)
	secondaryAt := "127.0.0.1:" + port

	cfg := withFile(t, testConfig(), zoneFile+manyRecords(800))
	cfg.Serve.Key = testKey()
	cfg.Serve.AllowTransfer = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	cfg.Serve.Notify = []string{secondaryAt}
	z := newZone(t, cfg, NewFileStore(t.TempDir(), cfg.Zone))
	publish(t, z, addresses("mx.mail.test.", 60, "192.0.2.9"))
	s := NewServer(z)
	_, primaryPort, err := net.SplitHostPort(start(t, s, z))
	if err != nil {
		t.Fatal(err)
	}

	if err := os.Mkdir(filepath.Join(dir, "db"), 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "conf")
	if err := os.WriteFile(file, fmt.Appendf(nil, conf, dir, port, testSecret, primaryPort), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"-c", file}
	if filepath.Base(program) == "named" {
		args = []string{"-g", "-c", file}
	}
	run(t, program, args...)
	eventually(t, "has the zone", func() bool {
		return slices.Equal(addressesOf(look(t.Context(), secondaryAt, "mx.mail.test.", dns.TypeA)), []string{"192.0.2.9"})
	})

	for _, want := range [][]string{{"192.0.2.1", "192.0.2.2"}, {"192.0.2.1"}, {"192.0.2.1", "192.0.2.2", "192.0.2.3"}} {
		publish(t, z, addresses("mx.mail.test.", 60, want...))
		begun := time.Now()
		eventually(t, "has "+strings.Join(want, " "), func() bool {
			return slices.Equal(addressesOf(look(t.Context(), secondaryAt, "mx.mail.test.", dns.TypeA)), want)
		})
		t.Logf("visible after %v", time.Since(begun).Round(time.Millisecond))
	}
	sameAnswers(t, s, secondaryAt)
}

// sameAnswers compares the secondary's answers with ours.
func sameAnswers(t *testing.T, s *Server, secondaryAt string) {
	t.Helper()
	for _, c := range []struct {
		name string
		kind uint16
	}{
		{testZone, dns.TypeSOA},
		{testZone, dns.TypeNS},
		{"_weir.mx.mail.test.", dns.TypeTXT},
		{"mx.mail.test.", dns.TypeTXT},
		{"alias.mail.test.", dns.TypeA},
		{"x.wild.mail.test.", dns.TypeA},
		{"x.wild.mail.test.", dns.TypeTXT},
		{"no.mail.test.", dns.TypeA},
		{"ent.mail.test.", dns.TypeA},
		{"x.sub.wild.mail.test.", dns.TypeA},
		{"child.mail.test.", dns.TypeA},
		{"r799.mail.test.", dns.TypeTXT},
		{"toempty.mail.test.", dns.TypeA},
		{"far.mail.test.", dns.TypeA},
	} {
		theirs, ours := look(t.Context(), secondaryAt, c.name, c.kind), ask(t, s, question(c.name, c.kind))
		if theirs == nil {
			t.Errorf("%s %d: no answer", c.name, c.kind)
			continue
		}
		if ours.Authoritative { // glue differs, as servers may choose
			theirs.Extra = nil
		}
		if got, want := show(theirs), show(ours); got != want {
			t.Errorf("%s %s:\nsecondary %s\n     weir %s", c.name, dns.TypeToString[c.kind], got, want)
		}
	}
}

func addressesOf(m *dns.Msg) []string {
	if m == nil {
		return nil
	}
	var list []string
	for _, rr := range m.Answer {
		if a, is := rr.(*dns.A); is {
			list = append(list, a.A.String())
		}
	}
	slices.Sort(list)
	return list
}

// manyRecords makes a transfer take several messages.
func manyRecords(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "r%d IN TXT \"%s\"\n", i, strings.Repeat("x", 60))
	}
	return b.String()
}
