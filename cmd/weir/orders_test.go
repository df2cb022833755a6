package main

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"weir/dashboard"
)

func TestDrain(t *testing.T) {
	f := newFakeWeir(t, map[string]answer{
		"POST /v1/backends/internet/mx-b/drain": {200, standing("internet/mx-b", "drain", 3, nil)},
		"POST /v1/backends/notes/n1/drain": {200, standing("notes/n1", "drain", 0, func(a *dashboard.OrderAnswer) {
			a.Warning = "pool notes: 0 of 2 eligible, min_redundancy is 2"
		})},
	})
	expect(t, "drain mx-b notes/n1 internet/mx-b --for 2h --reason disk --force", exitDone,
		"internet/mx-b: drain, 3 in flight\nnotes/n1: drain, nothing in flight\n", "warning: pool notes: 0 of 2 eligible, min_redundancy is 2\n")
	want := []string{
		`POST /v1/backends/internet/mx-b/drain {"reason":"disk","force":true,"for":"2h0m0s"}`,
		`POST /v1/backends/notes/n1/drain {"reason":"disk","force":true,"for":"2h0m0s"}`,
	}
	if got := f.wasAsked(); !slices.Equal(got, want) {
		t.Errorf("asked %q", got)
	}
	if code, stdout, _ := weir("drain", "mx-b", "-o", "json"); code != exitDone || stdout != standing("internet/mx-b", "drain", 3, nil)+"\n" {
		t.Errorf("exit %d, stdout %q", code, stdout)
	}
}

// One wrong name, and nothing is done.
func TestNamesAreCheckedFirst(t *testing.T) {
	f := newFakeWeir(t, nil)
	for line, want := range map[string]string{
		"drain mx-c":              "weir: there is no connector \"mx-c\"; did you mean \"mx-b\"?\n",
		"drain internet/mx-x":     "weir: there is no connector \"internet/mx-x\"; did you mean \"internet/mx-a\"?\n",
		"undrain mx-x":            "weir: there is no connector \"mx-x\"; did you mean \"mx-b\"?\n",
		"enable mx-b mx-x":        "weir: there is no connector \"mx-x\"; did you mean \"mx-b\"?\nnothing was done\n",
		"drain 10.0.0.12:587":     "weir: there is no connector \"10.0.0.12:587\"; there are internet/mx-a, internet/mx-b, fax/mx-a, notes/n1, notes/n2\n",
		"enable mx-a":             "weir: the name \"mx-a\" is not unique: say which of internet/mx-a, fax/mx-a\n",
		"disable nobody -y":       "weir: there is no connector \"nobody\"; there are internet/mx-a, internet/mx-b, fax/mx-a, notes/n1, notes/n2\n",
		"drain mx-b mx-a":         "weir: the name \"mx-a\" is not unique: say which of internet/mx-a, fax/mx-a\nnothing was done\n",
		"drain --host 10.0.0.99":  "weir: no connector is on host \"10.0.0.99\"; did you mean \"10.0.0.11\"?\n",
		"drain --host mx.example": "weir: no connector is on host \"mx.example\"; there are 10.0.0.11, 10.0.0.12, 2001:db8::7, notes1.example.com\n",
	} {
		expect(t, line, exitFailed, "", want)
	}
	if got := f.wasAsked(); len(got) != 0 {
		t.Errorf("asked %q", got)
	}
}

func TestDrainOfAHost(t *testing.T) {
	f := newFakeWeir(t, map[string]answer{
		"POST /v1/backends/internet/mx-b/drain": {200, standing("internet/mx-b", "drain", 0, nil)},
		"POST /v1/backends/notes/n2/drain":      {200, standing("notes/n2", "drain", 0, nil)},
		"POST /v1/backends/fax/mx-a/drain":      {200, standing("fax/mx-a", "drain", 0, nil)},
		"POST /v1/backends/notes/n1/drain":      {200, standing("notes/n1", "drain", 0, nil)},
	})
	for host, want := range map[string]string{
		"10.0.0.12": "internet/mx-b: drain, nothing in flight\nnotes/n2: drain, nothing in flight\n", "::ffff:10.0.0.12": "internet/mx-b: drain, nothing in flight\nnotes/n2: drain, nothing in flight\n",
		"2001:DB8:0::7": "fax/mx-a: drain, nothing in flight\n", "[2001:db8::7]": "fax/mx-a: drain, nothing in flight\n", "Notes1.Example.COM.": "notes/n1: drain, nothing in flight\n",
	} {
		expect(t, "drain --host "+host, exitDone, want, "")
	}
	if got := f.wasAsked(); len(got) != 7 {
		t.Errorf("asked %q", got)
	}
}

func TestARefusalEndsIt(t *testing.T) {
	f := newFakeWeir(t, map[string]answer{
		"POST /v1/backends/internet/mx-b/drain": {200, standing("internet/mx-b", "drain", 0, nil)},
		"POST /v1/backends/internet/mx-a/drain": {409, `{"error":"refused: pool internet would have no eligible connector"}`},
		"POST /v1/backends/notes/n2/undrain":    {409, `{"error":"not possible now: Consul has it in maintenance: on node n2: consul maint -disable"}`},
	})
	expect(t, "drain mx-b internet/mx-a n1 --wait", exitFailed, "internet/mx-b: drain, nothing in flight\n",
		"weir: internet/mx-a: refused: pool internet would have no eligible connector; --force does it all the same\n"+
			"drain is in force for internet/mx-b; not for internet/mx-a, notes/n1\n")
	expect(t, "drain internet/mx-a n1", exitFailed, "",
		"weir: internet/mx-a: refused: pool internet would have no eligible connector; --force does it all the same\n"+
			"nothing was done\n")
	expect(t, "ready n2", exitFailed, "", "weir: not possible now: Consul has it in maintenance: on node n2: consul maint -disable\n")
	if got := f.wasAsked(); len(got) != 4 {
		t.Errorf("asked %q", got)
	}
}

func TestWhatIsNotShared(t *testing.T) {
	alone := func(a *dashboard.OrderAnswer) {
		a.Error = "in force on this replica only until Consul is back (not told: weir-2, weir-3): Consul is not reachable"
		a.Replicas = append(a.Replicas, dashboard.ReplicaShare{Name: "weir-2"}, dashboard.ReplicaShare{Name: "weir-3"}, dashboard.ReplicaShare{Name: "weir-4", Seen: true})
	}
	newFakeWeir(t, map[string]answer{
		"POST /v1/backends/internet/mx-b/drain": {502, standing("internet/mx-b", "drain", 1, alone)},
		"POST /v1/backends/notes/n1/drain":      {200, standing("notes/n1", "drain", 0, nil)},
		"POST /v1/backends/notes/n2/drain":      {502, `{"error":"bad gateway"}`},
	})
	expect(t, "drain mx-b n1 --wait", exitFailed, "internet/mx-b: drain, 1 in flight\nnotes/n1: drain, nothing in flight\n",
		"weir: internet/mx-b: in force on this replica only until Consul is back (not told: weir-2, weir-3): Consul is not reachable\n")
	expect(t, "drain n2", exitFailed, "", "weir: bad gateway\n")
}

func TestPuttingBack(t *testing.T) {
	f := newFakeWeir(t, map[string]answer{
		"POST /v1/backends/notes/n2/undrain": {200, standing("notes/n2", "up", 1, nil)},
		"POST /v1/backends/notes/n2/enable":  {200, standing("notes/n2", "up", 1, nil)},
	})
	for _, command := range []string{"undrain", "ready", "enable"} {
		expect(t, command+" n2 --reason done", exitDone, "notes/n2: up, 1 in flight\n", "")
	}
	want := `POST /v1/backends/notes/n2/enable {"reason":"done"}`
	if got := f.wasAsked(); len(got) != 3 || got[2] != want {
		t.Errorf("asked %q", got)
	}
}

// Weir's own flag is lifted where Consul holds the connector, and the rest follows.
func TestPuttingBackUnderMaintenance(t *testing.T) {
	held := func(a *dashboard.OrderAnswer) {
		a.Error = "weir's own flag is lifted; done here only: Consul is not reachable\nstill in Consul's maintenance mode (disk): on node n2: consul maint -disable"
	}
	f := newFakeWeir(t, map[string]answer{
		"POST /v1/backends/notes/n2/undrain":      {409, standing("notes/n2", "drain", 1, held)},
		"POST /v1/backends/internet/mx-b/undrain": {200, standing("internet/mx-b", "up", 0, nil)},
	})
	expect(t, "undrain n2 mx-b", exitFailed, "notes/n2: drain, 1 in flight\ninternet/mx-b: up, nothing in flight\n",
		"weir: notes/n2: weir's own flag is lifted; done here only: Consul is not reachable; still in Consul's maintenance mode (disk): on node n2: consul maint -disable\n")
	if got := f.wasAsked(); len(got) != 2 {
		t.Errorf("asked %q", got)
	}
}

// Whether one that no source knows has a flag to lift is for the running weir to say.
func TestPuttingBackWhatIsGone(t *testing.T) {
	f := newFakeWeir(t, map[string]answer{
		"POST /v1/backends/internet/mx-x/undrain": {200, standing("internet/mx-x", "absent", 0, nil)},
		"POST /v1/backends/notes/n1/undrain":      {200, standing("notes/n1", "up", 0, nil)},
		"POST /v1/backends/internet/mx-y/enable":  {404, `{"error":"no connector \"internet/mx-y\", and no flag on one"}`},
	})
	expect(t, "undrain internet/mx-x n1 internet/mx-x", exitDone, "internet/mx-x: absent, nothing in flight\nnotes/n1: up, nothing in flight\n", "")
	expect(t, "enable internet/mx-y", exitFailed, "", "weir: no connector \"internet/mx-y\", and no flag on one\n")
	if got := f.wasAsked(); len(got) != 3 {
		t.Errorf("asked %q", got)
	}
}

// A connector may be called by its address, as long as that is of one only.
func TestNamesMayBeAddresses(t *testing.T) {
	v := view{Pools: []poolView{{Backends: []connectorView{
		{ID: "a/--1-:2604", Name: "--1-:2604", Address: "[::1]:2604"},
		{ID: "a/mx-b", Name: "mx-b", Address: "10.0.0.12:25"},
		{ID: "a/two", Name: "two", Address: "10.0.0.9:25"},
		{ID: "a/10.0.0.9:2525", Name: "10.0.0.9:2525", Address: "Mx.Example.com:25"},
	}}, {Backends: []connectorView{
		{ID: "b/two", Name: "two", Address: "10.0.0.9:25"},
		{ID: "b/other", Name: "other", Address: "10.0.0.9:2525"},
	}}}}
	for word, want := range map[string]string{
		"[::1]:2604": "a/--1-:2604", "[0:0::1]:2604": "a/--1-:2604", "10.0.0.12:25": "a/mx-b", "mx.example.com.:25": "a/10.0.0.9:2525",
		"10.0.0.9:25": "a/two b/two", "10.0.0.9:2525": "a/10.0.0.9:2525", "10.0.0.12": "", "10.0.0.12:26": "", "a/10.0.0.12:25": "",
	} {
		if got := strings.Join(ids(v.called(word)), " "); got != want {
			t.Errorf("%s: %q, want %q", word, got, want)
		}
	}
}

func TestOrdersUsage(t *testing.T) {
	newFakeWeir(t, nil)
	for _, tt := range []struct{ args, want string }{
		{"drain", "weir drain takes at least one BACKEND, or --host ADDRESS"},
		{"drain a --host 10.0.0.1", "takes BACKENDs or --host, not both"},
		{"drain --host=", "--host wants an address"},
		{"drain a --timeout 1m", "--timeout is for --wait"},
		{"drain a --wait --timeout 0s", "--timeout wants a time above 0"},
		{"drain a --for 0s", "--for wants a time above 0"},
		{"drain a --for soon", "--for"},
		{"drain a -o xml", `there is no --output "xml"`},
		{"undrain", "weir undrain takes at least one BACKEND"},
		{"enable", "weir enable takes at least one BACKEND"},
		{"disable", "weir disable takes at least one BACKEND"},
		{"disable a --for -1h", "--for wants a time above 0"},
		{"undrain a --force", "--force"},
		{"drain a --reason " + strings.Repeat("x", dashboard.MaxReason+1), "--reason is too long: a sentence is enough, of at most 500 bytes"},
		{"dns freeze --reason " + strings.Repeat("x", 5000), "--reason is too long"},
		{"standby now", "takes no argument"},
		{"reload now", "takes no argument"},
		{"config now", "takes no argument"},
		{"config --defaults --diff", "--defaults goes with neither"},
		{"events now", "takes no argument"},
		{"events --since 0s", "--since wants a time above 0"},
		{"events -o xml", `there is no --output "xml"`},
		{"register 10.0.0.1:25", "--service is missing"},
		{"register --service smtp", "weir register takes one ADDRESS"},
		{"register --service smtp 10.0.0.1:25 --weight 0", "--weight wants"},
		{"register --service smtp 10.0.0.1:25 --cost -1", "--cost wants"},
		{"deregister mx-a", "--service is missing"},
		{"import", "weir import haproxy FILE"},
		{"import nginx", `unknown command "nginx"`},
		{"import haproxy", "weir import haproxy takes one FILE"},
		{"completion", "weir completion takes one SHELL: bash, zsh, fish, powershell"},
		{"completion tcsh", "weir completion takes one SHELL"},
		{"drian", `did you mean "drain"?`},
	} {
		code, stdout, stderr := weir(strings.Fields(tt.args)...)
		if code != exitUsage || stdout != "" || !strings.Contains(stderr, tt.want) || !strings.Contains(stderr, "--help") {
			t.Errorf("%s: exit %d, stdout %q, stderr %q", tt.args, code, stdout, stderr)
		}
	}
	code, _, stderr := weir("drain", "")
	if code != exitUsage || !strings.Contains(stderr, "at least one BACKEND") {
		t.Errorf("exit %d, %q", code, stderr)
	}
}

func TestDisableAsks(t *testing.T) {
	f := newFakeWeir(t, map[string]answer{"POST /v1/backends/internet/mx-a/disable": {200, standing("internet/mx-a", "disabled", 0, nil)}})
	expect(t, "disable internet/mx-a", exitFailed, "",
		"weir: disable cuts what runs there, and nobody can be asked here: say --yes if it is meant, or use weir drain\n")
	if got := f.wasAsked(); len(got) != 0 {
		t.Errorf("asked %q", got)
	}
	expect(t, "disable internet/mx-a --yes --for 1h", exitDone, "internet/mx-a: disabled, nothing in flight\n", "")
	for typed, code := range map[string]int{"y\n": exitDone, "YES\n": exitDone, "n\n": exitFailed, "\n": exitFailed, "yellow\n": exitFailed} {
		keyboard, tty := terminal(t)
		if _, err := keyboard.WriteString(typed); err != nil {
			t.Fatal(err)
		}
		var out, errs bytes.Buffer
		if got := run(t.Context(), []string{"disable", "internet/mx-a"}, tty, &out, &errs); got != code {
			t.Errorf("%q: exit %d, stderr %q", typed, got, errs.String())
		}
		question := "disable internet/mx-a, with 3 in flight? [y/N] "
		if want := map[int]string{exitDone: question, exitFailed: question + "weir: nothing was done\n"}[code]; errs.String() != want {
			t.Errorf("%q: stderr %q", typed, errs.String())
		}
	}
	if got := f.wasAsked(); len(got) != 3 {
		t.Errorf("asked %q", got)
	}
}

// noTerminal skips where a machine has no terminals, which is a failure where
// everything must be there.
func noTerminal(t *testing.T, err error) {
	t.Helper()
	if os.Getenv("WEIR_REQUIRE") == "1" {
		t.Fatalf("this machine has no terminals (/dev/ptmx): %v", err)
	}
	t.Skipf("this machine has no terminals: %v", err)
}

// terminal opens a terminal, and returns its two ends.
func terminal(t *testing.T) (keyboard, tty *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		noTerminal(t, err)
	}
	t.Cleanup(func() { _ = keyboard.Close() })
	fd := int(keyboard.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		noTerminal(t, err)
	}
	peer, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY)
	if errno != 0 {
		noTerminal(t, errno)
	}
	tty = os.NewFile(peer, "tty")
	t.Cleanup(func() { _ = tty.Close() })
	return keyboard, tty
}
