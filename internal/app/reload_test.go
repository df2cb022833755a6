package app

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weir/config"
)

// site is a config file on disk, and a weir that runs by it.
type site struct {
	*running
	path  string
	addrs []string
}

func (s *site) write(t *testing.T, text string) {
	t.Helper()
	text = strings.NewReplacer("@A@", s.addrs[0], "@B@", s.addrs[1], "@STATE@", filepath.Join(filepath.Dir(s.path), "state")).Replace(text)
	if err := os.WriteFile(s.path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

const siteFile = `hostname: weir.test.example
state_dir: "@STATE@"
listeners:
  - {name: inbound, address: "127.0.0.1:0", pool: internet, tls: {mode: off}}
pools:
  internet: {tls: {mode: off}, min_redundancy: 1, backends: [{address: "@A@", name: a}]}
admin: {address: "127.0.0.1:0"}
`

func startSite(t *testing.T) *site {
	t.Helper()
	_, addrs := startConnectors(t, 2)
	s := &site{path: filepath.Join(t.TempDir(), "weir.yaml"), addrs: addrs}
	s.write(t, siteFile)
	cfg, _, err := config.Load(s.path)
	if err != nil {
		t.Fatal(err)
	}
	s.running = start(t, cfg)
	s.awaitReady(t)
	return s
}

func (s *site) reloads(t *testing.T, previous bool, want ...string) {
	t.Helper()
	changes, err := s.Reload(previous, "test")
	if err != nil || strings.Join(changes, "\n") != strings.Join(want, "\n") {
		t.Fatalf("%v, changes %q, want %q", err, changes, want)
	}
}

func (s *site) members(pool string) (names string) {
	p := s.Registry().Snapshot().Pool(pool)
	if p == nil {
		return "no pool"
	}
	for _, m := range p.Members {
		names += m.Spec.Name
	}
	return names
}

func TestReloadIsWholeOrNothing(t *testing.T) {
	s := startSite(t)
	client := s.dial(t)
	defer client.Close()
	s.reloads(t, false)

	s.write(t, strings.Replace(siteFile, `name: a}]`, `name: a}, {address: "@B@", name: b}]`, 1)+"log: {level: warn}\n")
	s.reloads(t, false, "log.level: info → warn", "pools.internet.backends.b: new")
	eventually(t, "the new connector", func() bool { return s.members("internet") == "ab" })

	s.write(t, "listeners: 7\nbogus: 1\n")
	_, err := s.Reload(false, "test")
	if err == nil || len(strings.Split(err.Error(), "\n")) < 2 || s.members("internet") != "ab" {
		t.Errorf("every mistake is told and nothing is changed: %v, members %s", err, s.members("internet"))
	}
	s.write(t, strings.Replace(siteFile, "weir.test.example", "other.example", 1))
	if _, err = s.Reload(false, "test"); err == nil || !strings.Contains(err.Error(), "need a restart: hostname") {
		t.Errorf("got %v", err)
	}
	if err := client.Noop(); err != nil {
		t.Errorf("the sender was disconnected: %v", err)
	}

	s.reloads(t, true, "log.level: warn → info", "pools.internet.backends.b: removed")
	eventually(t, "the old connectors", func() bool { return s.members("internet") == "a" })
	if err := os.Remove(s.path); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Reload(false, "test"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestReloadMovesListeners(t *testing.T) {
	s := startSite(t)
	old := s.ListenerAddr("inbound").String()
	kept, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	second := kept.Addr().String()
	two := strings.Replace(siteFile, "pools:\n", `  - {name: second, address: "`+second+"\", pool: fax, tls: {mode: off}}\npools:\n  fax: {tls: {mode: off}, min_redundancy: 1, backends: [\"@B@\"]}\n", 1)
	s.write(t, two)
	if _, err := s.Reload(false, "test"); err == nil || !strings.Contains(err.Error(), `listener "second"`) || s.members("fax") != "no pool" {
		t.Errorf("a port in use must change nothing: %v, fax: %s", err, s.members("fax"))
	}
	_ = kept.Close()
	s.reloads(t, false, "listeners.second: new", "pools.fax: new")
	for _, addr := range []string{old, second} {
		greeted(t, addr)
	}
	s.write(t, strings.Replace(two, "name: second", "name: renamed", 1))
	s.reloads(t, false, "listeners.second: removed", "listeners.renamed: new")
	greeted(t, second)
	s.write(t, siteFile)
	s.reloads(t, false, "listeners.renamed: removed", "pools.fax: removed")
	if _, err := net.Dial("tcp", second); err == nil {
		t.Error("a listener that is gone still takes connections")
	}
	greeted(t, old)
}

// takesFreePort reloads a file with a port that is free on all addresses, and
// returns it. Another process may be quicker to take one.
func (s *site) takesFreePort(t *testing.T, file func(port string) string) string {
	t.Helper()
	var err error
	for range 20 {
		free, bad := net.Listen("tcp", "0.0.0.0:0")
		if bad != nil {
			t.Fatal(bad)
		}
		_, port, _ := net.SplitHostPort(free.Addr().String())
		_ = free.Close()
		s.write(t, file(port))
		if _, err = s.Reload(false, "test"); err == nil {
			return port
		}
	}
	t.Fatal(err)
	return ""
}

// Weir itself is in the way of an address that overlaps with one of its own, and
// says so instead of sending people after another process.
func TestReloadToAnAddressOfItsOwn(t *testing.T) {
	s := startSite(t)
	for from, to := range map[string]string{"127.0.0.1": "0.0.0.0", "0.0.0.0": "127.0.0.1"} {
		at := func(host, port string) string {
			return strings.Replace(siteFile, "127.0.0.1:0", net.JoinHostPort(host, port), 1)
		}
		port := s.takesFreePort(t, func(port string) string { return at(from, port) })
		s.write(t, at(to, port))
		_, err := s.Reload(false, "test")
		want := `weir listens there itself, as listener "inbound", on ` + from + ":" + port + ": this change needs a restart"
		if err == nil || !strings.HasSuffix(err.Error(), want) || strings.Contains(err.Error(), "ss -ltnp") {
			t.Errorf("%s to %s: %v", from, to, err)
		}
		greeted(t, net.JoinHostPort("127.0.0.1", port))
	}
	_, admin, _ := net.SplitHostPort(s.AdminAddr().String())
	s.write(t, strings.Replace(siteFile, "127.0.0.1:0", "0.0.0.0:"+admin, 1))
	if _, err := s.Reload(false, "test"); err == nil || !strings.Contains(err.Error(), "itself, as admin server, on 127.0.0.1:"+admin) {
		t.Errorf("got %v", err)
	}
}

func greeted(t *testing.T, addr string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	line := make([]byte, 3)
	if _, err := conn.Read(line); err != nil || string(line) != "220" {
		t.Errorf("%s: %q %v", addr, line, err)
	}
}

func TestReloadWithoutAFile(t *testing.T) {
	_, addrs := startConnectors(t, 1)
	cfg := parse(t, addrs)
	cfg.Path = ""
	r := start(t, cfg)
	r.awaitReady(t)
	if _, err := r.Reload(false, "test"); err == nil || !strings.Contains(err.Error(), "without a config file") {
		t.Errorf("got %v", err)
	}
}

// Each --previous goes one further back, and the file begins anew.
func TestReloadStepsBack(t *testing.T) {
	s := startSite(t)
	write := func(kept string) { s.write(t, siteFile+"history: {transactions: "+kept+"}\n") }
	step := func(previous bool, change string) {
		t.Helper()
		s.reloads(t, previous, "history.transactions: "+change)
	}
	write("10")
	step(false, "100000 → 10")
	write("20")
	step(false, "10 → 20")
	for range 2 {
		step(true, "20 → 10")
		step(true, "10 → 100000")
		if _, err := s.Reload(true, "test"); err == nil || !strings.Contains(err.Error(), "no earlier config") {
			t.Errorf("before the first: %v", err)
		}
		step(false, "100000 → 20")
	}
	step(true, "20 → 10")
	write("30")
	step(false, "10 → 30")
	step(true, "30 → 20")
}

// One that cannot be gone back to is named, and stays the next one.
func TestReloadStepsBackToWhatNeedsARestart(t *testing.T) {
	s := startSite(t)
	kept := s.history()
	other := strings.Replace(string(s.source), "weir.test.example", "other.example", 1)
	for _, text := range []string{other, string(s.source)} {
		if err := kept.keep([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		_, err := s.Reload(true, "test")
		if err == nil || !strings.Contains(err.Error(), "000002.yaml") || !strings.Contains(err.Error(), "need a restart: hostname") {
			t.Errorf("got %v", err)
		}
	}
}

func TestHistoryKeepsTheLastTen(t *testing.T) {
	h := history{filepath.Join(t.TempDir(), "configs")}
	if _, _, err := h.before([]byte("x"), 0); err == nil {
		t.Error("there is something before the first")
	}
	for _, text := range strings.Fields("a b b c d e f g h i j k l") {
		if err := h.keep([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	list, err := h.entries()
	if err != nil || len(list) != configsKept || list[0].number != 3 {
		t.Errorf("%v, %v", list, err)
	}
	now, at := "l", 0
	for _, want := range strings.Fields("k j i h g f e d c") {
		e, text, err := h.before([]byte(now), at)
		if err != nil || string(text) != want {
			t.Fatalf("before %s: %q, %v; want %s", now, text, err, want)
		}
		now, at = want, e.number
	}
	if _, _, err := h.before([]byte(now), at); err == nil {
		t.Error("there is something before the oldest")
	}
	if err := os.WriteFile(filepath.Join(h.dir, "readme.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if list, _ := h.entries(); len(list) != configsKept {
		t.Errorf("%d entries", len(list))
	}
}
