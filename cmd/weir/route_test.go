package main

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"weir/dashboard"
)

// routesOfTest are answers about three recipients, of which two share a way.
func routesOfTest() []dashboard.RouteAnswer {
	fax := []dashboard.RoutePool{
		{Pool: "fax", Cost: 10, Policy: "least-load", Affinity: "client", Used: true, Why: "the cheapest with an eligible connector", Candidates: []dashboard.RouteCandidate{
			{ID: "fax/fax-b", Address: "192.0.2.12:25", Weight: 10000, In: true, Why: "preferred: affinity client"},
			{ID: "fax/fax-a", Address: "192.0.2.11:25", Weight: 1050, In: true, Why: "next by least-load"},
			{ID: "fax/spool", Address: "[2001:db8::1]:25", Cost: 100, Weight: 10000, In: true, Why: "tier of cost 100"},
			{ID: "fax/fax-c", Address: "192.0.2.13:25", Weight: 5000, Why: "down: connect: connection\trefused"},
		}},
		{Pool: "fax-dr", Cost: 50, Policy: "random", Why: "asked when fax has nobody"},
	}
	return []dashboard.RouteAnswer{
		{Listener: "inbound", To: []string{"49301@fax.example.com"}, Route: "routes[0]", Match: "fax.example.com", Pools: fax, Backend: "fax/fax-b"},
		{Listener: "inbound", To: []string{"bob@example.net"}, Pools: []dashboard.RoutePool{}, Code: 550, Reply: "550 5.7.1 example.net is not served here"},
		{Listener: "inbound", To: []string{"49302@a.fax.example.com"}, Route: "routes[1]", Match: "*.fax.example.com", Pools: fax, Backend: "fax/fax-b"},
	}
}

// routing is a weir that gives those answers.
func routing(t *testing.T) *fakeWeir {
	t.Helper()
	answers := map[string]answer{
		"GET /v1/route?to=bob": {http.StatusBadRequest, `{"error":"to wants a mail address such as bob@example.com"}`},
	}
	for _, a := range routesOfTest() {
		text, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		answers["GET /v1/route?to="+strings.ReplaceAll(a.To[0], "@", "%40")] = answer{http.StatusOK, string(text)}
	}
	return newFakeWeir(t, answers)
}

func TestRouteOnATerminal(t *testing.T) {
	tty := screen{tty: true}
	one := routesOfTest()
	golden(t, "route.tty", tty.routes(one[:1]))
	var all []dashboard.RouteAnswer
	for _, a := range one {
		all = together(all, a)
	}
	own := routesOfTest()[0]
	own.Route, own.Match, own.To, own.Backend, own.Reply, own.Pools = "", "", []string{"carol@example.org"}, "", "451 4.3.2 No connector", own.Pools[:1]
	golden(t, "route-several.tty", tty.routes(append(all, own)))
	coloured := screen{tty: true, colour: true}.routes(one)
	bare := strings.NewReplacer("\x1b[0m", "", "\x1b[1m", "", "\x1b[31m", "", "\x1b[32m", "", "\x1b[33m", "")
	if bare.Replace(coloured) != tty.routes(one) || !strings.Contains(coloured, "\x1b[32mfax/fax-b") {
		t.Errorf("coloured:\n%s", coloured)
	}
}

func TestRouteBehindAPipe(t *testing.T) {
	routing(t)
	code, stdout, stderr := weir("route", "--to", "49301@fax.example.com", "--to", "bob@example.net", "--to", "49302@a.fax.example.com")
	if code != exitFailed || stderr != "" {
		t.Errorf("one has no route: exit %d, stderr %q", code, stderr)
	}
	golden(t, "route.plain", stdout)
}

func TestRouteExitCodes(t *testing.T) {
	f := routing(t)
	expect(t, "route --to bob@example.net", exitFailed, "message\tbob@example.net\t-\t550\t550 5.7.1 example.net is not served here\tinbound\t-\t-\n", "")
	if code, _, stderr := weir("route", "--to", "49301@fax.example.com"); code != exitDone || stderr != "" {
		t.Errorf("a connector is chosen: exit %d, %q", code, stderr)
	}
	for args, want := range map[string]string{
		"":                    "weir: --to is missing: the recipient, such as bob@example.com\n",
		"--to bob":            "weir: to wants a mail address such as bob@example.com\n",
		"bob@example.com":     "weir: weir route takes no argument",
		"--to a@b -o xml":     `weir: there is no --output "xml"`,
		"--to a@b --smtputf9": "weir: unknown flag: --smtputf9",
	} {
		code, stdout, stderr := weir(append([]string{"route"}, strings.Fields(args)...)...)
		if code != exitUsage || stdout != "" || !strings.HasPrefix(stderr, want) || !strings.Contains(stderr, "weir route --help") {
			t.Errorf("%q: exit %d, stdout %q, stderr %q", args, code, stdout, stderr)
		}
	}
	weir("route", "--to", "a@b", "--from", "c@d", "--size", "10MiB", "--client", "::1", "--listener", "in", "--smtputf8", "--8bit")
	asked := f.wasAsked()
	if got, want := asked[len(asked)-1], "GET /v1/route?8bit=true&client=%3A%3A1&from=c%40d&listener=in&size=10MiB&smtputf8=true&to=a%40b"; got != want {
		t.Errorf("asked %s, want %s", got, want)
	}
}

func TestRouteAsJSON(t *testing.T) {
	routing(t)
	code, stdout, _ := weir("route", "-o", "json", "--to", "49301@fax.example.com", "--to", "49302@a.fax.example.com", "--to", "bob@example.net")
	decoder := json.NewDecoder(strings.NewReader(stdout))
	var shared, refused dashboard.RouteAnswer
	if decoder.Decode(&shared) != nil || decoder.Decode(&refused) != nil || decoder.More() || code != exitFailed {
		t.Fatalf("exit %d, %q", code, stdout)
	}
	if len(shared.To) != 2 || shared.Backend != "fax/fax-b" || refused.Code != 550 {
		t.Errorf("got %+v and %+v", shared, refused)
	}
}

func TestCompletionOfListeners(t *testing.T) {
	text, err := os.ReadFile("testdata/status.json")
	if err != nil {
		t.Fatal(err)
	}
	with := strings.Replace(string(text), `"listeners": []`, `"listeners": [{"name":"inbound","address":"0.0.0.0:25"},{"name":"submission","address":"0.0.0.0:587"}]`, 1)
	newFakeWeir(t, map[string]answer{"GET /v1/status": {http.StatusOK, with}})
	for line, want := range map[string]string{
		"route --listener i": "inbound\t0.0.0.0:25\n:4\n",
		"route --to b":       ":4\n",
		"route ":             ":4\n",
	} {
		code, stdout, _ := weir(append([]string{"__complete"}, strings.Split(line, " ")...)...)
		if code != exitDone || stdout != want {
			t.Errorf("%s: exit %d, %q, want %q", line, code, stdout, want)
		}
	}
}
