package app

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"weir/dashboard"
	"weir/internal/faulty"
)

// post asks the admin server to do something.
func (r *running) post(t *testing.T, path, body string) (code int, answer dashboard.ProbeAnswer, text string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: ceiling}
	resp, err := client.Post("http://"+r.AdminAddr().String()+path, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var raw json.RawMessage
	if err := json.NewDecoder(resp.Body).Decode(&raw); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, answer, string(raw)
}

// A connector of the running weir is probed as its pool says, and the dialogue
// comes back line by line, each not before the one above it.
func TestProbeThroughTheAdminServer(t *testing.T) {
	connectors, addrs := startConnectors(t, 2)
	r := start(t, parse(t, addrs))
	r.awaitReady(t)
	path := "/v1/backends/internet/" + addrs[0] + "/probe"

	code, answer, text := r.post(t, path, "")
	if code != http.StatusOK || !answer.OK || answer.Error != "" || answer.Depth != "envelope" || answer.Stage != "rcpt" ||
		answer.Backend != "internet/"+addrs[0] || answer.Address != addrs[0] || answer.TookMS <= 0 {
		t.Fatalf("got %d %s", code, text)
	}
	var said []string
	last := 0.0
	for _, line := range answer.Dialogue {
		if line.AtMS < last {
			t.Errorf("out of order: %s", text)
		}
		last = line.AtMS
		said = append(said, line.From+" "+line.Text)
	}
	all := strings.Join(said, "\n")
	for _, want := range []string{
		"note connected to " + addrs[0] + "\nconnector 220 ", "\nweir EHLO weir.test.example\n",
		"\nweir MAIL FROM:<>\n", "\nweir RCPT TO:<postmaster>\n", "\nweir QUIT\n",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in\n%s", want, all)
		}
	}

	code, answer, text = r.post(t, path, `{"depth":"ehlo"}`)
	if code != http.StatusOK || !answer.OK || answer.Depth != "ehlo" || strings.Contains(text, "MAIL FROM") {
		t.Errorf("got %d %s", code, text)
	}
	behaviour := faulty.Honest()
	behaviour.Faults = []faulty.Fault{{Stage: faulty.MAIL, Do: faulty.Mute}}
	connectors[0].Set(behaviour)
	code, answer, text = r.post(t, path, `{"timeout":"200ms"}`)
	if code != http.StatusOK || answer.OK || answer.Error != "mail: no answer in time" || answer.Stage != "mail" {
		t.Errorf("got %d %s", code, text)
	}
}

func TestProbesThatAreRefused(t *testing.T) {
	_, addrs := startConnectors(t, 1)
	r := start(t, parse(t, addrs))
	r.awaitReady(t)
	for body, want := range map[string]string{
		`{"depth":"bottom"}`:  `refused: there is no probe \"bottom\"`,
		`{"depth":"message"}`: "does not say that somebody wants it",
		`{"timeout":"soon"}`:  `\"soon\" is no timeout`,
		`{"timeout":"-1s"}`:   `\"-1s\" is no timeout`,
	} {
		if code, _, text := r.post(t, "/v1/backends/"+addrs[0]+"/probe", body); code != http.StatusBadRequest || !strings.Contains(text, want) {
			t.Errorf("%s: got %d %s", body, code, text)
		}
	}
	if code, _, text := r.post(t, "/v1/backends/internet/nobody/probe", ""); code != http.StatusNotFound || !strings.Contains(text, addrs[0]) {
		t.Errorf("got %d %s", code, text)
	}
}

func TestReadersMayNotProbe(t *testing.T) {
	_, addrs := startConnectors(t, 1)
	cfg := parse(t, addrs)
	cfg.Admin.Anonymous = "read"
	r := start(t, cfg)
	r.awaitReady(t)
	if code, _, text := r.post(t, "/v1/backends/"+addrs[0]+"/probe", ""); code != http.StatusForbidden || !strings.Contains(text, "admin.anonymous") {
		t.Errorf("got %d %s", code, text)
	}
}
