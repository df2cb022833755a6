package main

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"weir/dashboard"
	"weir/internal/faulty"
)

func connectorFor(t *testing.T, behaviour faulty.Behaviour) *faulty.Server {
	t.Helper()
	s, err := faulty.New(faulty.Options{Name: "mx.test", Behaviour: behaviour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestProbeOfAHost(t *testing.T) {
	s := connectorFor(t, faulty.Honest())
	code, stdout, stderr := weir("probe", s.Addr())
	if code != exitDone || stderr != "" {
		t.Errorf("exit %d, stderr %q", code, stderr)
	}
	hostname, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	form := regexp.MustCompile(`(?s)^probing ` + s.Addr() + `, envelope
 +[\d.]+ ms \* connected to ` + s.Addr() + `
 +[\d.]+ ms < 220 mx\.test .*
 +[\d.]+ ms > EHLO ` + regexp.QuoteMeta(hostname) + `
 +[\d.]+ ms < 250-mx\.test
.* +[\d.]+ ms > MAIL FROM:<>
.* +[\d.]+ ms > RCPT TO:<postmaster>
.* +[\d.]+ ms > QUIT
.*passed in [\d.]+ ms
$`)
	if !form.MatchString(stdout) {
		t.Errorf("it reads\n%s", stdout)
	}
}

func TestProbeThatFails(t *testing.T) {
	behaviour := faulty.Honest()
	behaviour.Faults = []faulty.Fault{{Stage: faulty.RCPT, Reply: "450 4.2.0 later"}}
	s := connectorFor(t, behaviour)
	code, stdout, stderr := weir("probe", s.Addr(), "--from", "a@example.org", "--to", "b@example.net")
	if code != exitFailed || stderr != "" || !strings.Contains(stdout, "ms: rcpt: 450 4.2.0 later\n") ||
		!strings.Contains(stdout, "> MAIL FROM:<a@example.org>\n") || !strings.Contains(stdout, "> RCPT TO:<b@example.net>\n") {
		t.Errorf("exit %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	code, stdout, _ = weir("probe", s.Addr(), "--starttls", "-o", "json")
	var answer dashboard.ProbeAnswer
	if err := json.Unmarshal([]byte(stdout), &answer); err != nil {
		t.Fatalf("%v: %s", err, stdout)
	}
	if code != exitFailed || answer.OK || answer.Error != "tls: STARTTLS is not offered" || answer.Stage != "tls" || answer.Depth != "starttls" {
		t.Errorf("exit %d, %s", code, stdout)
	}
	s.Set(faulty.Behaviour{Faults: []faulty.Fault{{Stage: faulty.Banner, Do: faulty.Mute}}})
	code, stdout, _ = weir("probe", s.Addr(), "--timeout", "100ms", "--depth", "banner")
	if code != exitFailed || !strings.Contains(stdout, "ms: banner: no answer in time\n") {
		t.Errorf("exit %d, stdout %q", code, stdout)
	}
}

func TestProbeWithAMessage(t *testing.T) {
	s := connectorFor(t, faulty.Honest())
	code, stdout, stderr := weir("probe", s.Addr(), "--depth", "message", "--to", "sink@example.com")
	if code != exitDone {
		t.Fatalf("exit %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	messages := s.Messages()
	if len(messages) != 1 || !strings.Contains(string(messages[0].Content), "\r\nX-Weir-Probe: ") {
		t.Errorf("the connector got %+v", messages)
	}
}

func TestProbeUsage(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"", "takes one BACKEND or HOST:PORT"},
		{"a b", "takes one BACKEND or HOST:PORT"},
		{"mx-a --depth bottom", `there is no --depth "bottom"`},
		{"mx-a --starttls --depth ehlo", "contradict each other"},
		{"mx-a --timeout 0s", "--timeout wants"},
		{"mx-a --timeout soon", "--timeout"},
		{"mx-a --to a@example.com", "--from and --to are for HOST:PORT"},
		{"mx-a -o yaml", `there is no --output "yaml"`},
		{"mx-a --admin 127.0.0.1:8025", "is no URL of a running weir"},
		{"127.0.0.1:25 --depth message", "say --to whom"},
		{"127.0.0.1:25 --to <a@example.com>", "without brackets"},
	} {
		code, stdout, stderr := weir(append([]string{"probe"}, strings.Fields(tt.args)...)...)
		if code != exitUsage || stdout != "" || !strings.Contains(stderr, tt.want) || !strings.Contains(stderr, "weir probe --help") {
			t.Errorf("%s: exit %d, stdout %q, stderr %q", tt.args, code, stdout, stderr)
		}
	}
	code, _, stderr := weir("probe", "127.0.0.1:25", "--to", "a@example.com\r\nDATA")
	if code != exitUsage || !strings.Contains(stderr, "without brackets") {
		t.Errorf("exit %d, stderr %q", code, stderr)
	}
}

func TestWhatIsAnAddress(t *testing.T) {
	for target, want := range map[string]bool{
		"127.0.0.1:25": true, "[::1]:25": true, "mx.example.com:25": true,
		"mx-a": false, "internet/mx-a": false, "internet/10.0.0.11:25": false, "mx:smtp": false, ":25": false, "mx:0": false, "mx:65536": false,
	} {
		if got := isAddress(target); got != want {
			t.Errorf("%s: %t, want %t", target, got, want)
		}
	}
}

// fakeAdmin answers every request so, and tells what it was asked.
func fakeAdmin(t *testing.T, code int, body string) (admin string, asked *string) {
	t.Helper()
	asked = new(string)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var request dashboard.ProbeRequest
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
			t.Error(err)
		}
		*asked = r.Method + " " + r.URL.EscapedPath() + " " + request.Depth + " " + request.Timeout
		w.WriteHeader(code)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

func TestProbeOfAConnector(t *testing.T) {
	admin, asked := fakeAdmin(t, 200, `{"backend":"internet/mx-a","address":"10.0.0.1:25","ok":true,"depth":"ehlo","took_ms":1.25,`+
		`"remark":"the certificate has 3 days left","dialogue":[{"at_ms":0.5,"from":"note","text":"connected"},{"at_ms":1,"from":"weir","text":"QUIT"}]}`)
	t.Setenv("WEIR_ADMIN", admin)
	code, stdout, stderr := weir("probe", "internet/mx-a", "--depth", "ehlo", "--timeout", "3s")
	want := `probing internet/mx-a at 10.0.0.1:25, ehlo
       0.5 ms * connected
       1.0 ms > QUIT
passed in 1.2 ms
note: the certificate has 3 days left
`
	if code != exitDone || stdout != want || stderr != "" {
		t.Errorf("exit %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	if want := "POST /v1/backends/internet/mx-a/probe ehlo 3s"; *asked != want {
		t.Errorf("asked %q, want %q", *asked, want)
	}
	_, _, _ = weir("probe", "mx a%?", "--admin", admin+"/")
	if want := "POST /v1/backends/mx%20a%25%3F/probe  "; *asked != want {
		t.Errorf("asked %q, want %q", *asked, want)
	}
}

func TestProbeWithoutAnAnswer(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = ln.Close()
	missing, _ := fakeAdmin(t, 404, `{"error":"no connector \"mx-z\"; there are internet/mx-a"}`)
	odd, _ := fakeAdmin(t, 502, "<html>")
	broken, _ := fakeAdmin(t, 200, "<html>")
	for admin, want := range map[string]string{
		"http://" + ln.Addr().String(): "connection refused; is it running there? --admin or WEIR_ADMIN say where",
		missing:                        `weir: no connector "mx-z"; there are internet/mx-a`,
		odd:                            "answers 502 Bad Gateway",
		broken:                         "reading the answer of " + broken,
	} {
		code, stdout, stderr := weir("probe", "mx-z", "--admin", admin)
		if code != exitFailed || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("exit %d, stdout %q, stderr %q; want %s", code, stdout, stderr, want)
		}
	}
}
