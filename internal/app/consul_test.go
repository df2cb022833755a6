package app

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weir/config"
)

// A token is replaced while weir runs: the next request has the new one. A file
// that is gone for a moment leaves the last one in use.
func TestTokenFileIsReadAgain(t *testing.T) {
	var seen string
	agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = r.Header.Get("X-Consul-Token")
		_, _ = w.Write([]byte(`"10.0.0.1:8300"`))
	}))
	defer agent.Close()
	path := filepath.Join(t.TempDir(), "token")
	at := time.Now().Add(-time.Hour)
	write := func(text string) {
		at = at.Add(time.Minute)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	write("first\n")
	client, err := ConsulClient(&config.Consul{Address: strings.TrimPrefix(agent.URL, "http://"), TokenFile: path})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(want string) {
		t.Helper()
		if _, err := client.Status().Leader(); err != nil || seen != want {
			t.Errorf("token %q (%v), want %q", seen, err, want)
		}
	}
	ask("first")
	write("second\n")
	ask("second")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	ask("second")
	write("third")
	ask("third")
}

func TestConsulClientRefusesBadKeys(t *testing.T) {
	_, err := ConsulClient(&config.Consul{TLS: config.ConsulTLS{CA: filepath.Join(t.TempDir(), "none.pem")}})
	if err == nil || !strings.Contains(err.Error(), "consul.tls") {
		t.Errorf("got %v", err)
	}
}

// Where nothing can be written weir starts all the same, and says what it means.
func TestStateThatCannotBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	a := &App{}
	a.openState(filepath.Join(file, "below"))
	if a.state != "" || len(a.opts.Warnings) != 1 || !strings.Contains(a.opts.Warnings[0], "state_dir: ") {
		t.Errorf("state %q, warnings %q", a.state, a.opts.Warnings)
	}
	a.openState("")
	if a.state != "" || len(a.opts.Warnings) != 1 {
		t.Errorf("none was asked for: state %q, warnings %q", a.state, a.opts.Warnings)
	}
}

// A source that is away keeps nobody else's connectors without a verdict.
func TestProbesDoNotWaitForSources(t *testing.T) {
	_, addrs := startConnectors(t, 1)
	cfg := parse(t, addrs, "startup_wait: 1h", "consul: {address: 127.0.0.1:1}")
	cfg.Pools[0].Consul = &config.PoolConsul{Service: "connector"}
	r := start(t, cfg)
	eventually(t, "a verdict", func() bool {
		return r.registry.Snapshot().Pools[0].Eligible == 1
	})
	select {
	case <-r.Ready():
		t.Error("ready before the source has spoken: this shows nothing")
	default:
	}
}
