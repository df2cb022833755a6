package integration

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"weir/internal/faulty"
)

// TestFind_WhereAMessageWent: by any of its names, through the command and the API, and the limits of memory are told.
func TestFind_WhereAMessageWent(t *testing.T) {
	t.Parallel()
	w := newFlock(t, 1, opts{top: []string{"history: {transactions: 2}"}})
	first, second := w.message("found", 300), w.message("found", 300)
	for _, m := range []*message{first, second} {
		if err := sendOne(w.SMTPAddr(), m); err != nil {
			t.Fatal(err)
		}
	}
	line := w.transactionsFrom(second.from)[0]
	for _, by := range [][]string{
		{"--id", line.str("id")},
		{"--id", line.str("session")},
		{"--remote-id", line.str("remote_id")},
		{"--message-id", second.id + "@weir.test"},
		{"--from", strings.ToUpper(second.from), "--to", "test.example", "--client", "127.0.0.0/8"},
		{"--from", second.from, "--around", time.Now().Format("15:04"), "--since", "1h", "--outcome", "delivered", "--backend", poolName + "/c0"},
	} {
		out := w.mustCtl(append([]string{"find"}, by...)...)
		if strings.Count(out, "\n") != 1 || !strings.Contains(out, "\t"+line.str("id")+"\t") {
			t.Errorf("find %q:\n%s", by, out)
		}
	}
	if out := w.mustCtl("find", "--from", "sender.example"); strings.Count(out, "\n") != 2 {
		t.Errorf("of a domain:\n%s", out)
	}
	if err := sendOne(w.SMTPAddr(), w.message("found", 300)); err != nil {
		t.Fatal(err)
	}
	w.refused([]string{"find", "--from", first.from}, "not found: kept are 2 transactions since ")
	w.refused([]string{"find", "--around", "teatime"}, "10:32")
}

// TestFind_MaskedAddressesAreNotKept: what the log must not show cannot be asked for either.
func TestFind_MaskedAddressesAreNotKept(t *testing.T) {
	t.Parallel()
	w := newFlock(t, 1, opts{top: []string{"log: {mask_addresses: true}"}})
	m := w.message("masked", 300)
	if err := sendOne(w.SMTPAddr(), m); err != nil {
		t.Fatal(err)
	}
	_, body, err := w.get("/v1/transactions")
	if err != nil || strings.Contains(string(body), m.from) || !strings.Contains(string(body), `"from":"***@sender.example"`) {
		t.Errorf("%s, %v", body, err)
	}
}

// TestWebhook_TellsOfAConnectorThatDies: the receiver is named by a reload, is down at first, and hears of everything once.
func TestWebhook_TellsOfAConnectorThatDies(t *testing.T) {
	t.Parallel()
	posts := make(chan string, 1000)
	var asked atomic.Int64
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		posts <- r.Header.Get("X-Weir-Signature") + string(text)
		if asked.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(hook.Close)
	secret := filepath.Join(t.TempDir(), "webhook.secret")
	if err := os.WriteFile(secret, []byte("0123456789abcdef0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := newFlock(t, 2, opts{health: defaultHealth})
	text, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	w.configure(string(text) + fmt.Sprintf("webhook: {url: %q, secret_file: %q}\n", hook.URL, secret))
	w.mustCtl("reload")
	w.hurt(w.c[:1], faulty.At(faulty.Connect, faulty.Reset))
	timeout := time.After(ceiling)
	for {
		select {
		case post := <-posts:
			if strings.HasPrefix(post, "sha256=") && strings.Contains(post, `"backend":"c0"`) && strings.Contains(post, `"to":"down"`) {
				return
			}
		case <-timeout:
			t.Fatal("the receiver was not told that the connector is down")
		}
	}
}
