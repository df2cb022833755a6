package integration

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"weir/internal/faulty"
)

// badConfig is a file that must be refused, with what the message has to say.
type badConfig struct {
	name string
	text string
	says []string // all of them; @FILE@ stands for the path
}

func badConfigs() []badConfig {
	one := func(o opts) string {
		if o.backends == nil {
			o.backends = []string{"127.0.0.1:1025"}
		}
		return basicConfig(o)
	}
	return []badConfig{
		{"unknown key", one(opts{pool: []string{"replay_bufer: 1KiB"}}), []string{"@FILE@:", "replay_bufer", "replay_buffer"}},
		{"unknown key at the top", one(opts{top: []string{"startup_wiat: 1s"}}), []string{"@FILE@:3", "startup_wiat", "startup_wait"}},
		{"unknown key in a flow map", one(opts{timeouts: "{conect: 1s}"}), []string{"@FILE@:", "conect", "connect"}},
		{"duplicate connector", strings.ReplaceAll(one(opts{backends: []string{"127.0.0.1:1", "127.0.0.1:2"}}), "name: c1", "name: c0"), []string{"@FILE@:", "c0"}},
		{"duplicate key", one(opts{pool: []string{"policy: round-robin"}}), []string{"@FILE@:", "policy"}},
		{"impossible duration", one(opts{timeouts: "{connect: 5 parsecs}"}), []string{"@FILE@:", "5 parsecs"}},
		{"negative duration", one(opts{timeouts: "{connect: -5s}"}), []string{"@FILE@:", "connect"}},
		{"zero where it is no limit", one(opts{timeouts: "{connect: 0s}"}), []string{"@FILE@:", "connect"}},
		{"impossible size", one(opts{pool: []string{"replay_buffer: 12XB"}}), []string{"@FILE@:", "12XB"}},
		{"address without port", one(opts{backends: []string{"127.0.0.1"}}), []string{"@FILE@:", "127.0.0.1", "port"}},
		{"unknown value", one(opts{listener: []string{"bare_newlines: accept"}}), []string{"@FILE@:", "accept", "normalize", "reject"}},
		{"pool that is not there", strings.Replace(one(opts{}), "pool: internet", "pool: internat", 1), []string{"@FILE@:", "internat"}},
		{"no YAML", "listeners: [\n", []string{"@FILE@:"}},
		{"no listener", "pools:\n  internet:\n    backends: [\"127.0.0.1:1025\"]\n", []string{"listener"}},
	}
}

func TestBadConfig_IsRefusedWithItsPlace(t *testing.T) { refusedWithPlace(t, badConfigs()) }

// refusedWithPlace has `weir check` and `weir serve` refuse each file.
func refusedWithPlace(t *testing.T, files []badConfig) {
	t.Helper()
	for _, x := range files {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			smtp, admin := freeAddr(t), freeAddr(t)
			path := filepath.Join(t.TempDir(), "bad.yaml")
			text := strings.NewReplacer("@SMTP@", smtp, "@ADMIN@", admin, "@STATE@", t.TempDir()).Replace(x.text)
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, command := range []string{"check", "serve"} {
				refused(t, runWeir(t, command, "-c", path), path, x.says)
			}
		})
	}
}

// refused wants exit 1 and a message that says all it should.
func refused(t *testing.T, r result, path string, says []string) {
	t.Helper()
	said := r.stdout + r.stderr
	if r.code != 1 {
		t.Errorf("exit %d, want 1; said %q", r.code, said)
	}
	for _, s := range says {
		if s = strings.ReplaceAll(s, "@FILE@", path); !strings.Contains(said, s) {
			t.Errorf("%q is not said in:\n%s", s, said)
		}
	}
	for _, s := range []string{"panic", "goroutine ", "reflect"} {
		if strings.Contains(said, s) {
			t.Errorf("%q in:\n%s", s, said)
		}
	}
}

func TestBadConfig_AllErrorsAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bad.yaml")
	text := strings.NewReplacer("@SMTP@", freeAddr(t), "@ADMIN@", freeAddr(t), "@STATE@", t.TempDir()).Replace(basicConfig(opts{
		backends: []string{"127.0.0.1", "127.0.0.1:1025"}, timeouts: "{connect: 5 parsecs, mial: 1s}",
		top: []string{"startup_wiat: 1s"}, listener: []string{"bare_newlines: accept"}, pool: []string{"hash: recipient"},
	}))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r := runWeir(t, "check", "-c", path)
	refused(t, r, path, []string{"startup_wiat", "5 parsecs", "mial", "accept", "recipient", "port"})
	places := regexp.MustCompile(regexp.QuoteMeta(path)+`:\d+`).FindAllString(r.stdout+r.stderr, -1)
	if len(places) < 6 {
		t.Errorf("%d errors with their place, want 6:\n%s", len(places), r.stdout+r.stderr)
	}
}

func TestBadConfig_UnreadableFile(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{filepath.Join(dir, "absent.yaml"), dir} {
		refused(t, runWeir(t, "serve", "-c", path), path, []string{"@FILE@"})
		refused(t, runWeir(t, "check", "-c", path), path, []string{"@FILE@"})
	}
}

// A port in use is seen before anything is started: no connector is dialled, no other port is taken.
func TestBadConfig_PortInUseStartsNothing(t *testing.T) {
	t.Parallel()
	for _, which := range []string{"@SMTP@", "@ADMIN@"} {
		t.Run(strings.Trim(which, "@"), func(t *testing.T) {
			c, err := faulty.New(faulty.Options{Behaviour: faulty.Honest()})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Close)
			taken, err := net.Listen("tcp", freeAddr(t))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = taken.Close() }()
			text := strings.ReplaceAll(basicConfig(opts{backends: []string{c.Addr()}}), which, taken.Addr().String())
			text = strings.NewReplacer("@SMTP@", freeAddr(t), "@ADMIN@", freeAddr(t), "@STATE@", t.TempDir()).Replace(text)
			path := filepath.Join(t.TempDir(), "weir.yaml")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			refused(t, runWeir(t, "serve", "-c", path), path, []string{taken.Addr().String(), "in use"})
			if n := c.Stats().Connections; n != 0 {
				t.Errorf("%d connections to the connector before the start was known to fail", n)
			}
		})
	}
}
