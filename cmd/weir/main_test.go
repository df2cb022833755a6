package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"weir/config"
)

// TestMain has local times be the same everywhere, once for all tests: servers of
// tests that are over may still look at their clock.
func TestMain(m *testing.M) {
	time.Local = time.FixedZone("CET", 3600)
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("os/signal.loop"))
}

const goodFile = `listeners:
  - {name: inbound, address: "127.0.0.1:2525", tls: {mode: off}}
pools:
  internet:
    tls: {mode: off}
    backends: ["127.0.0.1:2526", "127.0.0.1:2527"]
`

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "weir.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func weir(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(context.Background(), args, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

func TestUsage(t *testing.T) {
	tests := []struct {
		args []string
		want []string
	}{
		{nil, []string{"a command is missing", "weir --help"}},
		{[]string{"swim"}, []string{`unknown command "swim"`}},
		{[]string{"chek"}, []string{`did you mean "check"?`}},
		{[]string{"check", "weir.yaml"}, []string{`"weir.yaml"`, "weir check --help"}},
		{[]string{"serve", "--config"}, []string{"--config", "weir serve --help"}},
		{[]string{"serve", "--colour"}, []string{"--colour"}},
		{[]string{"demo", "--for", "soon"}, []string{"--for"}},
		{[]string{"demo", "--for", "-1s"}, []string{"--for"}},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			code, stdout, stderr := weir(tt.args...)
			if code != exitUsage || stdout != "" {
				t.Errorf("exit %d, stdout %q", code, stdout)
			}
			for _, want := range append(tt.want, "weir: ") {
				if !strings.Contains(stderr, want) {
					t.Errorf("no %q in %q", want, stderr)
				}
			}
		})
	}
}

func TestCheckSaysOK(t *testing.T) {
	path := writeFile(t, goodFile)
	code, stdout, stderr := weir("check", "-c", path)
	if want := path + ": ok (1 listener, 1 pool, 2 connectors)\n"; code != exitDone || stdout != want || stderr != "" {
		t.Errorf("exit %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}

func TestCheckWarns(t *testing.T) {
	path := writeFile(t, strings.Replace(goodFile, `, "127.0.0.1:2527"`, "", 1))
	code, stdout, stderr := weir("check", "-c", path)
	if code != exitDone || !strings.Contains(stdout, "1 connector, 1 warning)") {
		t.Errorf("exit %d, stdout %q", code, stdout)
	}
	if !strings.HasPrefix(stderr, "warning: "+path+":") || !strings.Contains(stderr, "min_redundancy") {
		t.Errorf("stderr %q", stderr)
	}
}

func TestEveryErrorIsTold(t *testing.T) {
	path := writeFile(t, "hostnam: x\n"+goodFile+"    queue_timeout: soon\n")
	for _, command := range []string{"check", "serve"} {
		code, stdout, stderr := weir(command, "-c", path)
		if code != exitFailed || stdout != "" {
			t.Errorf("%s: exit %d, stdout %q", command, code, stdout)
		}
		for _, want := range []string{path + ":1:", path + ":8:", `"hostname"`, "queue_timeout", "weir: " + path + ": 2 errors\n"} {
			if !strings.Contains(stderr, want) {
				t.Errorf("%s: no %q in %q", command, want, stderr)
			}
		}
	}
}

func TestMissingFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nowhere.yaml")
	for _, command := range []string{"check", "serve"} {
		code, _, stderr := weir(command, "-c", path)
		if code != exitFailed || !strings.Contains(stderr, path) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: exit %d, stderr %q", command, code, stderr)
		}
	}
}

func TestServeNamesTheTakenPort(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	addr := ln.Addr().String()
	path := writeFile(t, strings.Replace(goodFile, "127.0.0.1:2525", addr, 1)+"admin: {address: \"127.0.0.1:0\"}\n")
	code, _, stderr := weir("serve", "-c", path)
	if code != exitFailed || !strings.HasPrefix(stderr, `weir: listener "inbound": listening on `+addr) {
		t.Errorf("exit %d, stderr %q", code, stderr)
	}
}

func TestVersion(t *testing.T) {
	code, stdout, _ := weir("version")
	if code != exitDone || !strings.HasPrefix(stdout, "weir ") || strings.Count(stdout, "\n") != 1 {
		t.Errorf("exit %d, stdout %q", code, stdout)
	}
}

func TestDemo(t *testing.T) {
	code, stdout, stderr := weir("demo", "--for", "1500ms")
	if code != exitDone || stderr != "" || !strings.Contains(stdout, "lost 0, duplicated 0") {
		t.Errorf("exit %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}

func TestVersionOf(t *testing.T) {
	revision := []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef"}, {Key: "vcs.modified", Value: "true"}}
	tests := []struct {
		info debug.BuildInfo
		want string
	}{
		{debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}, Settings: revision}, "v1.2.3"},
		{debug.BuildInfo{Main: debug.Module{Version: "(devel)"}, Settings: revision}, "devel-0123456789ab-dirty"},
		{debug.BuildInfo{Settings: revision[:1]}, "devel-0123456789ab"},
		{debug.BuildInfo{}, "devel"},
	}
	for _, tt := range tests {
		if got := versionOf(&tt.info); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func TestFirstSignalStopsTheNextAborts(t *testing.T) {
	aborted := make(chan struct{}, 2)
	ctx, stop := untilSignal(t.Context(), func() { aborted <- struct{}{} })
	defer stop()
	raise := func() {
		if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	raise()
	await(t, ctx.Done())
	select {
	case <-aborted:
		t.Fatal("the first signal aborted")
	default:
	}
	raise()
	await(t, aborted)
	raise()
	await(t, aborted)
}

func TestListeningForSignalsEnds(t *testing.T) {
	ctx, stop := untilSignal(context.Background(), func() { t.Error("aborted") })
	stop()
	await(t, ctx.Done())
}

func await(t *testing.T, ch <-chan struct{}) {
	t.Helper()
	select {
	case <-ch:
	case <-time.After(30 * time.Second):
		t.Fatal("nothing came")
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0 pools", 1: "1 pool", 2: "2 pools"} {
		if got := count(n, "pool"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := summary(&config.Config{}, 2); got != "0 listeners, 0 pools, 0 connectors, 2 warnings" {
		t.Errorf("got %q", got)
	}
}
