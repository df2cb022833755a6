package haproxy

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Each file below testdata becomes the .yaml beside it, with the notes in
// .notes; one whose name begins with "bad" gives the error in .err. To write them
// anew, and then to read every one:
//
//	WEIR_UPDATE=1 go test ./internal/haproxy
func TestImport(t *testing.T) {
	files, err := filepath.Glob("testdata/*.cfg")
	if err != nil || len(files) < 5 {
		t.Fatal("no test data", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		base := strings.TrimSuffix(file, ".cfg")
		yaml, notes, err := Import(filepath.Base(file), data)
		if strings.HasPrefix(filepath.Base(file), "bad") {
			if err == nil {
				t.Errorf("%s: no error", file)
				continue
			}
			golden(t, base+".err", err.Error()+"\n")
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		golden(t, base+".yaml", string(yaml))
		golden(t, base+".notes", strings.Join(notes, "\n")+"\n")
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if os.Getenv("WEIR_UPDATE") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got:\n%s\nwant:\n%s", path, got, want)
	}
}

func TestWords(t *testing.T) {
	for text, want := range map[string][]string{
		"":                              nil,
		"  # a comment":                 nil,
		"server a 10.0.0.1:25 # mail":   {"server", "a", "10.0.0.1:25"},
		`server "a b" 'c "d' e\ f`:      {"server", "a b", `c "d`, "e f"},
		`a "b\"c" 'd\' ""`:              {"a", `b"c`, `d\`, ""},
		"a\tb\r\n":                      {"a", "b"},
		`log-format "%ci \"x\" # here"`: {"log-format", `%ci "x" # here`},
	} {
		if got, err := words(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	}
	for _, text := range []string{`a "b`, "a 'b", strings.Repeat("a ", maxWords+1)} {
		if got, err := words(text); err == nil {
			t.Errorf("%.20q: got %q", text, got)
		}
	}
}

func TestAddresses(t *testing.T) {
	for text, want := range map[string][2]string{
		":25": {"", "25"}, "*:25": {"*", "25"}, ":::25": {"::", "25"}, "[::1]:25": {"::1", "25"}, "ipv6@2001:db8::1:25": {"2001:db8::1", "25"},
		"10.0.0.1": {"10.0.0.1", ""}, "mx:+5": {"mx", "+5"}, "": {"", ""}, "[::1]": {"::1", ""}, "[": {"[", ""}, "]:": {"]", ""},
	} {
		if host, port := splitAddress(text); host != want[0] || port != want[1] {
			t.Errorf("%q: got %q, %q", text, host, port)
		}
	}
	for text, want := range map[string]string{
		"10.0.0.1:25": "10.0.0.1:25", "10.0.0.1": "10.0.0.1:26", "10.0.0.1:+4": "10.0.0.1:30", "[::1]:25": "[::1]:25", "::ffff:10.0.0.1:25": "10.0.0.1:25",
		"0.0.0.0:25": "", "mx:25": "", "10.0.0.1:0": "", "10.0.0.1:65536": "", "fe80::1%eth0:25": "", "10.0.0.1:+65535": "",
	} {
		if got := serverAddress(text, 26); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"5000": 5 * time.Second, "5s": 5 * time.Second, "100us": 100 * time.Microsecond, "1d": 24 * time.Hour, "2h": 2 * time.Hour,
		"0": 0, "-1s": 0, "": 0, "s": 0, "1w": 0, "366d": 0, "99999999999999999999s": 0, "1.5s": 0,
	} {
		if got, ok := duration(text); got != want || ok != (want > 0) {
			t.Errorf("%q: got %s, %v", text, got, ok)
		}
	}
}

// Whatever the file holds, there is a result or an error, and every note has its place.
func TestAnyFile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOf(rapid.SampledFrom(fragments())).Draw(t, "lines")
		yaml, notes, err := Import("haproxy.cfg", []byte(strings.Join(lines, "\n")))
		if (yaml == nil) == (err == nil) {
			t.Fatalf("got %q and %v", yaml, err)
		}
		for _, n := range notes {
			if !strings.HasPrefix(n, "haproxy.cfg:") || strings.ContainsAny(n, "\n\r") {
				t.Fatalf("note %q", n)
			}
		}
	})
}

func fragments() []string {
	return []string{
		"listen a", "listen a :25", "frontend f", "backend b", "defaults", "defaults d", "backend c from d", "bind :25", "bind :465", "bind *:8025", "bind",
		"bind 10.0.0.1:25,:587 ssl", "server a 10.0.0.1:25", "server", "server a", "server b mx.example.com weight 3", "server a :25 disabled", "server-template x",
		"server-template x 3 _a._b.example.com resolvers r", "default_backend b", "use_backend c", "option smtpchk", "no option smtpchk", "default-server weight 7 backup",
		"timeout connect 1us", "bind :2526 ssl crt a.pem verify required ca-file b", "bind :2527 accept-proxy", "server t 10.0.0.9:465 ssl verify required verifyhost a_b sni str(",
		"server-template y 2 c.example:25 ssl send-proxy", "default-server ssl verify required sni str(mx.example.com) send-proxy-v2", "server u 10.0.0.8:25 no-ssl no-send-proxy",
		"stick-table type ip size 1m store conn_rate(7s),conn_rate(10s)", "tcp-request connection reject if { src_conn_rate ge 1 }", "tcp-request connection reject if { sc0_conn_cur gt 5 }",
		"tcp-request connection reject unless { src 10.1.2.3/8 }", "tcp-request connection reject if { src", "tcp-request connection expect-proxy layer4 if { src ::/0 }", "timeout queue x", "balance source", "balance", "balance hash src", "balance random(1)", "stick on src", "stick-table type ip expire 30m", "mode http", "mode tcp", "disabled", "maxconn 10", "resolvers r", "nameserver n 10.0.0.1",
	}
}
