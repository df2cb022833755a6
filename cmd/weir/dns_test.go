package main

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	mdns "github.com/miekg/dns"

	"weir/dashboard"
	"weir/internal/faulty"
)

// withZones is a fake weir that keeps two zones.
func withZones(t *testing.T, answers map[string]answer) *fakeWeir {
	t.Helper()
	text, err := os.ReadFile("testdata/status-dns.json")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]answer{"GET /v1/status": {200, string(text)}}
	for what, a := range answers {
		all[what] = a
	}
	return newFakeWeir(t, all)
}

func TestZonesOnATerminal(t *testing.T) {
	text, err := os.ReadFile("testdata/status-dns.json")
	if err != nil {
		t.Fatal(err)
	}
	v := new(view)
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatal(err)
	}
	tty := screen{tty: true}
	var b strings.Builder
	for i := range v.DNS {
		tty.zone(&b, v, &v.DNS[i], false, testNow())
	}
	b.WriteString(tty.status(v, nil, nil, testNow()))
	golden(t, "dns.tty", b.String())
	code, line, err := v.monitor("", testNow())
	if want := "zone example.net: serve, dry run, frozen for 1h by alice (it\tmoves): the disk is full"; code != monitorWarning || line != want || err != nil {
		t.Errorf("%d %q %v, want %q", code, line, err, want)
	}
}

func TestZonesBehindAPipe(t *testing.T) {
	f := withZones(t, nil)
	for args, file := range map[string]string{"dns": "dns.plain", "dns --diff example.com": "dns-diff.plain", "dns --diff -o json Example.com.": "dns-diff.json"} {
		code, stdout, stderr := weir(strings.Fields(args)...)
		if code != exitDone || stderr != "" {
			t.Errorf("exit %d, stderr %q", code, stderr)
		}
		golden(t, file, stdout)
	}
	expect(t, "dns example.co", exitFailed, "", "weir: there is no zone \"example.co\"; did you mean \"example.com\"?\n")
	f.answers = nil // a weir without zones
	expect(t, "dns", exitDone, "this weir keeps no zone in DNS\n", "")
	expect(t, "dns -o json", exitDone, "[]\n", "")
	expect(t, "dns example.com", exitFailed, "", "weir: there is no zone \"example.com\"; there are none\n")
	expect(t, "dns thaw", exitFailed, "", "weir: this weir keeps no zone in DNS\n")
}

func TestOrdersAboutZones(t *testing.T) {
	well, err := json.Marshal(dashboard.DNSStatus{Zone: "example.com"})
	if err != nil {
		t.Fatal(err)
	}
	f := withZones(t, map[string]answer{
		"POST /v1/dns/example.com/freeze":  {200, string(well)},
		"POST /v1/dns/example.net/freeze":  {200, string(well)},
		"POST /v1/dns/example.com/thaw":    {200, string(well)},
		"POST /v1/dns/example.net/thaw":    {409, `{"error":"not possible now: the disk is full"}`},
		"POST /v1/dns/example.com/release": {200, string(well)},
	})
	expect(t, "dns freeze --reason moving", exitDone,
		"example.com: frozen: nothing is written until weir dns thaw\nexample.net: frozen: nothing is written until weir dns thaw\n", "")
	expect(t, "dns thaw", exitFailed, "example.com: written again\n",
		"weir: example.net: not possible now: the disk is full\nthaw is in force for example.com; not for example.net\n")
	expect(t, "dns release example.com", exitFailed, "",
		"weir: release gives the records away, and nobody can be asked here: say --yes if it is meant, or use weir dns freeze\n")
	expect(t, "dns release example.com --yes", exitDone, "example.com: released: its records stand as they are, and are no longer weir's\n", "")
	want := []string{
		`POST /v1/dns/example.com/freeze {"reason":"moving"}`, `POST /v1/dns/example.net/freeze {"reason":"moving"}`,
		"POST /v1/dns/example.com/thaw {}", "POST /v1/dns/example.net/thaw {}", "POST /v1/dns/example.com/release {}",
	}
	got := slices.DeleteFunc(f.wasAsked(), func(what string) bool { return what == "GET /v1/status" })
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("asked %q, want %q", got, want)
	}
}

func TestUsageOfDNS(t *testing.T) {
	withZones(t, nil)
	for line, want := range map[string]string{
		"dns freeze":               "--reason is missing",
		"dns freeze --reason":      "--reason",
		"dns a b":                  "takes one ZONE at the most",
		"dns thaw a b":             "takes one ZONE at the most",
		"dns --output xml":         `there is no --output "xml"`,
		"dns --admin ftp://x thaw": "is no URL of a running weir",
	} {
		code, stdout, stderr := weir(strings.Fields(line)...)
		if code != exitUsage || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("weir %s: exit %d, stdout %q, stderr %q, want %q", line, code, stdout, stderr, want)
		}
	}
}

func TestCompletionOfZones(t *testing.T) {
	withZones(t, nil)
	for line, want := range map[string]string{
		"dns thaw ":              "example.com\tlate\nexample.net\tfrozen\n:4\n",
		"dns example.n":          "example.net\tfrozen\n:4\n",
		"dns thaw example.com e": ":4\n",
	} {
		code, stdout, _ := weir(append([]string{"__complete"}, strings.Split(line, " ")...)...)
		if code != exitDone || stdout != want {
			t.Errorf("%s: exit %d, %q, want %q", line, code, stdout, want)
		}
	}
}

const secretOfTest = "MDEyMzQ1Njc4OWFiY2RlZg=="

// primary is a name server for example.com that knows one key. It says that an A
// record of mx-pool is owned as told; empty: it does not exist.
func primary(t *testing.T, owner string) (address string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &mdns.Server{Listener: ln, TsigSecret: map[string]string{"weir.": secretOfTest}, Handler: mdns.HandlerFunc(func(w mdns.ResponseWriter, r *mdns.Msg) {
		reply := new(mdns.Msg).SetReply(r)
		reply.Authoritative = true
		for text, ok := range map[string]bool{
			"example.com. 60 IN SOA ns1.example.com. hostmaster.example.com. 2026112201 1 1 1 1": true,
			"mx-pool.example.com. 60 IN A 192.0.2.1":                                             owner != "",
			"_weir.mx-pool.example.com. 60 IN TXT \"owner=" + owner + "\"":                       owner != "",
		} {
			rr, err := mdns.NewRR(text)
			if q := r.Question[0]; err == nil && ok && rr.Header().Name == strings.ToLower(q.Name) && rr.Header().Rrtype == q.Qtype {
				reply.Answer = append(reply.Answer, rr)
			}
		}
		if w.TsigStatus() != nil {
			reply.Rcode = mdns.RcodeNotAuth
		} else if r.IsTsig() != nil {
			reply.SetTsig("weir.", mdns.HmacSHA256, 300, time.Now().Unix())
		}
		_ = w.WriteMsg(reply)
	})}
	done := make(chan error, 1)
	go func() { done <- server.ActivateAndServe() }()
	t.Cleanup(func() {
		_ = ln.Close()
		<-done
	})
	return ln.Addr().String()
}

func TestCheckLiveOfZones(t *testing.T) {
	connector := connectorFor(t, faulty.Honest())
	dir := t.TempDir()
	key := filepath.Join(dir, "weir.key")
	wrong := filepath.Join(dir, "wrong.key")
	for path, secret := range map[string]string{key: secretOfTest, wrong: strings.ToUpper(secretOfTest)} {
		text := "key \"weir\" { algorithm hmac-sha256; secret \"" + secret + "\"; };\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct{ server, key, want string }{
		{primary(t, ""), key, ": ok, serial 2026112201\n"},
		{primary(t, "weir-default"), key, ": ok, serial 2026112201\n"},
		{primary(t, "weir-other"), key, `: FAILED: mx-pool.example.com. A exists and is not weir's, so weir would not touch it; remove it, or hand it over by a TXT record "owner=weir-default" at _weir.mx-pool.example.com.`},
		{primary(t, ""), wrong, ": FAILED: "},
		{closedPort(t), key, ": FAILED: connecting to "},
	} {
		file := "min_redundancy: 0, backends: [\"" + connector.Addr() + "\"]"
		file = "listeners: [{address: \"127.0.0.1:2525\"}]\npools: {internet: {" + file + "}}\n" +
			"dns: [{zone: example.com, records: [{name: mx-pool, type: A, pool: internet}], update: {servers: [\"" + tt.server + "\"], key_file: " + tt.key + "}}]\n"
		code, stdout, stderr := weir("check", "--live", "-c", writeFile(t, file))
		failed := strings.Contains(tt.want, "FAILED")
		if (code == exitFailed) != failed || !strings.Contains(stdout, "\nzone example.com at "+tt.server+tt.want) {
			t.Errorf("exit %d, stdout %q, stderr %q, want %q", code, stdout, stderr, tt.want)
		}
	}
}
