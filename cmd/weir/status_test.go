package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
)

func statusOfTest(t *testing.T) *view {
	t.Helper()
	text, err := os.ReadFile("testdata/status.json")
	if err != nil {
		t.Fatal(err)
	}
	v := new(view)
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatal(err)
	}
	return v
}

func testNow() time.Time { return time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC) }

func TestStatusOnATerminal(t *testing.T) {
	v := statusOfTest(t)
	tty := screen{tty: true}
	golden(t, "status.tty", tty.status(v, nil, nil, testNow()))
	golden(t, "status-pool.tty", tty.status(v, &v.Pools[1], nil, testNow()))
	golden(t, "status-connector.tty", tty.status(v, nil, &v.Pools[0].Backends[0], testNow())+"\n"+
		tty.status(v, nil, &v.Pools[2].Backends[1], testNow()))
	coloured := screen{tty: true, colour: true}
	golden(t, "status.colour", coloured.status(v, nil, nil, testNow()))
	// Without its colours it is the same.
	bare := strings.NewReplacer("\x1b[0m", "", "\x1b[1m", "", "\x1b[31m", "", "\x1b[32m", "", "\x1b[33m", "", "\x1b[36m", "")
	if got := bare.Replace(coloured.status(v, nil, nil, testNow())); got != tty.status(v, nil, nil, testNow()) {
		t.Errorf("columns move with the colours:\n%s", got)
	}
}

func TestStatusWhenAllIsWell(t *testing.T) {
	v := &view{Ready: true, Verdict: "mail flows", Pools: []poolView{{Name: "internet", Policy: "random", Redundant: true, Eligible: 1, Total: 1}}}
	if got := (screen{tty: true, colour: true}).status(v, nil, nil, testNow()); got != "\x1b[32mmail flows\x1b[0m\n\n\x1b[1minternet\x1b[0m: 1 of 1 eligible, random\n" {
		t.Errorf("got %q", got)
	}
}

func TestStatusBehindAPipe(t *testing.T) {
	newFakeWeir(t, nil)
	for args, file := range map[string]string{"": "status.plain", "fax": "status-pool.plain", "mx-b": "status-connector.plain"} {
		code, stdout, stderr := weir(append([]string{"status"}, strings.Fields(args)...)...)
		if code != exitDone || stderr != "" {
			t.Errorf("exit %d, stderr %q", code, stderr)
		}
		golden(t, file, stdout)
	}
}

func TestStatusAsJSON(t *testing.T) {
	newFakeWeir(t, nil)
	for args, want := range map[string]string{"": "version", "fax": "policy", "internet/mx-a": "extra"} {
		code, stdout, stderr := weir(append([]string{"status", "-o", "json"}, strings.Fields(args)...)...)
		var got map[string]any
		if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != exitDone || stderr != "" || got[want] == nil {
			t.Errorf("exit %d, stdout %q, stderr %q: %v", code, stdout, stderr, err)
		}
	}
}

func TestStatusOfWhatIsNotThere(t *testing.T) {
	newFakeWeir(t, nil)
	expect(t, "status intrnet", exitFailed, "", "weir: there is no pool or connector \"intrnet\"; did you mean \"internet\"?\n")
	expect(t, "status swim", exitFailed, "", "weir: there is no pool or connector \"swim\"; there are internet, fax, notes\n")
	expect(t, "status mx-a", exitFailed, "", "weir: the name \"mx-a\" is not unique: say which of internet/mx-a, fax/mx-a\n")
}

func TestStatusUsage(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"a b", "takes one POOL or BACKEND at the most"},
		{"--check --watch", "--check is one line"},
		{"--check -o json", "--check is one line"},
		{"-o yaml", `there is no --output "yaml"`},
	} {
		code, stdout, stderr := weir(append([]string{"status"}, strings.Fields(tt.args)...)...)
		if code != exitUsage || stdout != "" || !strings.Contains(stderr, tt.want) {
			t.Errorf("%s: exit %d, stdout %q, stderr %q", tt.args, code, stdout, stderr)
		}
	}
}

// Watching outlives a weir that goes away, and ends quietly.
func TestWatch(t *testing.T) {
	f := newFakeWeir(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out notifying
	out.seen = func(text string) {
		if strings.Count(text, "pool fax: no eligible") == 2 {
			cancel()
		}
	}
	code := run(ctx, []string{"status", "--watch"}, strings.NewReader(""), &out, &out)
	if text := out.buf.String(); code != exitDone || strings.Count(text, "\n\npool fax: no eligible") != 1 {
		t.Errorf("exit %d, %q", code, text)
	}
	f.mu.Lock()
	f.answers = map[string]answer{"GET /v1/status": {401, ""}}
	f.mu.Unlock()
	if code, _, _ := weir("status", "--watch"); code != exitFailed {
		t.Errorf("exit %d", code)
	}
}

// notifying tells what has been written so far.
type notifying struct {
	buf  bytes.Buffer
	seen func(string)
}

func (n *notifying) Write(p []byte) (int, error) {
	n.buf.Write(p)
	n.seen(n.buf.String())
	return len(p), nil
}

func TestCheckLine(t *testing.T) {
	v := statusOfTest(t)
	code, text, err := v.monitor("", testNow())
	if err != nil || code != monitorCritical {
		t.Errorf("%d, %v", code, err)
	}
	golden(t, "check", text+"\n")
	for wanted, want := range map[string]struct {
		code int
		text string
	}{
		"internet": {monitorOK, "pool internet: 2 of 2 eligible|internet_eligible=2;2:;1:;0;2 internet_inflight=3;;;0"},
		"notes":    {monitorWarning, "pool notes: 1 of 2 eligible, min_redundancy is 2; notes/n2: drain for 3d|notes_eligible=1;2:;1:;0;2 notes_inflight=1;;;0"},
		"mx-b":     {monitorOK, "internet/mx-b: recovering, slow start: 40 % of its weight|mx-b_inflight=0;;;0"},
		"fax/mx-a": {monitorCritical, "fax/mx-a: down, 3 probes in a row failed: connect: connection refused|mx-a_inflight=0;;;0"},
		"n2":       {monitorWarning, "notes/n2: drain, new\tdisk, by alice until 2026-01-02T12:00:00Z|n2_inflight=1;;;0"},
	} {
		if code, text, err := v.monitor(wanted, testNow()); code != want.code || text != want.text || err != nil {
			t.Errorf("%s: %d %q %v", wanted, code, text, err)
		}
	}
	if code, text, _ := (&view{Ready: true}).monitor("", testNow()); code != monitorOK || text != "there are no pools" {
		t.Errorf("%d %q", code, text)
	}
	if code, text, _ := (&view{}).monitor("", testNow()); code != monitorWarning || text != "starting or stopping" {
		t.Errorf("%d %q", code, text)
	}
}

func TestCheckExitCodes(t *testing.T) {
	f := newFakeWeir(t, nil)
	expect(t, "status internet --check", exitDone, "OK - pool internet: 2 of 2 eligible|internet_eligible=2;2:;1:;0;2 internet_inflight=3;;;0\n", "")
	expect(t, "status fax --check", 2, "CRITICAL - pool fax: none of 1 connector eligible|fax_eligible=0;1:;1:;0;1 fax_inflight=0;;;0\n", "")
	expect(t, "status swim --check", 3, "UNKNOWN - there is no pool or connector \"swim\"; there are internet, fax, notes\n", "")
	if code, stdout, _ := weir("status", "notes", "--check"); code != 1 || !strings.HasPrefix(stdout, "WARNING - ") {
		t.Errorf("exit %d, %q", code, stdout)
	}
	f.answers = map[string]answer{"GET /v1/status": {401, ""}}
	expect(t, "status --check", 3, "UNKNOWN - a token is needed for the weir at "+f.url+": --token-file or WEIR_TOKEN_FILE name its file\n", "")
	t.Setenv("WEIR_ADMIN", "http://"+closedPort(t))
	if code, stdout, _ := weir("status", "--check"); code != 3 || !strings.HasPrefix(stdout, "UNKNOWN - weir is not reachable at ") {
		t.Errorf("exit %d, %q", code, stdout)
	}
}

func TestAges(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 0: "0s", 59 * time.Second: "59s", time.Minute: "1m", 59 * time.Minute: "59m",
		time.Hour: "1h", 47 * time.Hour: "47h", 48 * time.Hour: "2d",
	} {
		if got := age(d); got != want {
			t.Errorf("%s: %s", d, got)
		}
	}
	for ms, want := range map[float64]string{0: "-", 0.03: "<0.1ms", 0.25: "0.2ms", 9.94: "9.9ms", 12.25: "12ms", 1250: "1.2s"} {
		if got := took(ms); got != want {
			t.Errorf("%v: %s", ms, got)
		}
	}
}

// The table is for terminals, and NO_COLOR for those who want it plain.
func TestStatusKnowsATerminal(t *testing.T) {
	newFakeWeir(t, nil)
	t.Setenv("TERM", "xterm")
	for _, noColour := range []string{"", "1"} {
		t.Setenv("NO_COLOR", noColour)
		keyboard, tty := terminal(t)
		read := make(chan string)
		go func() {
			text := make([]byte, 0, 8<<10)
			for !strings.Contains(string(text), "n2") {
				n, err := keyboard.Read(text[len(text):cap(text)])
				if err != nil {
					break
				}
				text = text[:len(text)+n]
			}
			read <- string(text)
		}()
		if code := run(t.Context(), []string{"status", "notes"}, strings.NewReader(""), tty, tty); code != exitDone {
			t.Errorf("exit %d", code)
		}
		if text := <-read; !strings.Contains(text, "CONNECTOR") || strings.Contains(text, "\x1b[32m") != (noColour == "") {
			t.Errorf("got %q", text)
		}
	}
}
