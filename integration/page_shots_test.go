package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/internal/faulty"
)

// mostPicture bounds a picture that is kept in the repository, in octets.
const mostPicture = 300 << 10

// TestPage_Shots writes the pictures of docs/ when WEIR_PAGE_SHOTS names their directory: a site of three pools, of which
// one has a connector that hangs and one that is drained.
func TestPage_Shots(t *testing.T) {
	dir := os.Getenv("WEIR_PAGE_SHOTS")
	if dir == "" {
		t.Skip("pictures are written by `make page-shots`")
	}
	g := newGallery(t)
	b := startBrowser(t)
	b.open(g.adminURL("/"))
	b.wait(ceiling, `document.querySelectorAll("tr.row").length === 8`, "the page does not show eight connectors")
	g.mustCtl("drain", "fax/fax-2", "--reason", "new modem firmware", "--for", "2h")
	time.Sleep(30 * time.Second)
	g.c["mx-3"].Hurt(faulty.At(faulty.RCPT, faulty.Mute))
	g.waitState("internet", "mx-3", "ejected", "down")
	time.Sleep(20 * time.Second)
	for _, scheme := range []string{"light", "dark"} {
		b.scheme(scheme)
		b.size(1440, 1130, false)
		time.Sleep(2 * time.Second)
		keep(t, b, filepath.Join(dir, map[string]string{"light": "page.png", "dark": "page-dark.png"}[scheme]), "")
	}
	b.scheme("light")
	b.click(`#pools tr[data-state="ejected"] .name-button, #pools tr[data-state="down"] .name-button`)
	b.wait(ceiling, `document.querySelector("tr.opened") !== null`, "the row does not open")
	b.eval(`document.querySelector("tr.opened button.small:not(.danger)") && [...document.querySelectorAll("tr.opened button")].find((x) => x.textContent === "Probe now").click()`)
	b.wait(ceiling, `document.querySelectorAll("tr.opened .spoken li").length > 0`, "there is no dialogue")
	time.Sleep(3 * time.Second)
	b.eval(`document.querySelector("tr.opened").previousElementSibling.scrollIntoView({block: "center"}); scrollBy(0, 260)`)
	time.Sleep(time.Second)
	keep(t, b, filepath.Join(dir, "page-row.png"), "")
	b.click("tr.row .name-button[aria-expanded=true]")
	time.Sleep(time.Second)
	keep(t, b, filepath.Join(dir, "page-flow.png"), "section:has(> #flow)")
	b.size(390, 844, true)
	b.eval(`scrollTo(0, 0)`)
	time.Sleep(2 * time.Second)
	keep(t, b, filepath.Join(dir, "page-phone.png"), "")
}

// keep writes a picture of the window, or of what a selector finds.
func keep(t *testing.T, b *browser, path, selector string) {
	t.Helper()
	picture := b.shot(selector)
	if len(picture) > mostPicture {
		t.Errorf("%s has %d octets, want %d at the most", path, len(picture), mostPicture)
	}
	if err := os.WriteFile(path, picture, 0o644); err != nil {
		t.Fatal(err)
	}
}

// gallery is weir with three pools, and senders to all of them.
type gallery struct {
	*weir
	c map[string]*faulty.Server
}

func newGallery(t *testing.T) *gallery {
	t.Helper()
	g := &gallery{c: map[string]*faulty.Server{}}
	pools := ""
	for _, p := range []struct {
		name  string
		of    string
		count int
	}{{"internet", "mx", 4}, {"fax", "fax", 2}, {"notes", "notes", 2}} {
		pools += fmt.Sprintf("  %s:\n    policy: round-robin\n    min_redundancy: 2\n    tls: {mode: off}\n    reuse: {idle: 1s}\n"+
			"    health: {probe: ehlo, interval: 3s, fast_interval: 500ms, timeout: 3s, rise: 1, fall: 2}\n"+
			"    timeouts: {rcpt: 2s}\n    breaker: {consecutive_failures: 2, open_for: 2m, stuck_after: {rcpt: 1s}}\n    backends:\n", p.name)
		for i := range p.count {
			name := fmt.Sprintf("%s-%d", p.of, i+1)
			behaviour := faulty.Honest()
			behaviour.Faults = []faulty.Fault{{Stage: faulty.FinalDot, Delay: time.Duration(20+15*i) * time.Millisecond}}
			s, err := faulty.New(faulty.Options{Name: name, Behaviour: behaviour, ForgetContent: true, ForgetDialog: true})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(s.Close)
			g.c[name] = s
			pools += fmt.Sprintf("      - {name: %s, address: %q}\n", name, s.Addr())
		}
	}
	fax, notes := freeAddr(t), freeAddr(t)
	g.weir = startWeir(t, strings.NewReplacer("FAX", fax, "NOTES", notes).Replace(galleryConfig)+pools)
	g.send(t, fax, notes)
	return g
}

const galleryConfig = `hostname: mx.example.com
state_dir: "@STATE@"
listeners:
  - {name: inbound, address: "@SMTP@", tls: {mode: off}, pool: internet}
  - {name: fax-gate, address: "FAX", tls: {mode: off}, pool: fax}
  - {name: notes, address: "NOTES", tls: {mode: off}, pool: notes}
admin: {address: "@ADMIN@"}
pools:
`

// send keeps some mail going until the test ends.
func (g *gallery) send(t *testing.T, fax, notes string) {
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i, every := range []time.Duration{25, 30, 45, 90, 160} {
		to := []string{g.smtp, g.smtp, g.smtp, notes, fax}[i]
		wg.Go(func() {
			tick := time.NewTicker(every * time.Millisecond)
			defer tick.Stop()
			var c *client
			for {
				select {
				case <-stop:
					if c != nil {
						c.quit()
					}
					return
				case <-tick.C:
				}
				if c == nil {
					c, _ = dialSMTP(to)
				} else if _, err := c.sendData(newMessage("page", filler(2000))); err != nil {
					c.close()
					c = nil
				}
			}
		})
	}
	t.Cleanup(func() { close(stop); wg.Wait() })
}
