package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"weir/internal/faulty"
)

// nimble is a health section that notices a mute connector within a second or two.
const nimble = "{probe: ehlo, interval: 500ms, fast_interval: 200ms, timeout: 1s, rise: 1, fall: 2}"

// openPage starts a browser with weir's page, and waits until the page shows so many rows.
func openPage(t *testing.T, w *weir, rows int) *browser {
	t.Helper()
	b := startBrowser(t)
	b.open(w.adminURL("/"))
	b.wait(ceiling, fmt.Sprintf(`document.querySelectorAll("tr.row").length === %d`, rows), fmt.Sprintf("the page does not show %d connectors", rows))
	b.wait(ceiling, `document.querySelector("#link").textContent === "live"`, "the page is not live")
	return b
}

// rowOf is a JavaScript expression for a connector's row.
func rowOf(name string) string {
	return fmt.Sprintf(`[...document.querySelectorAll("tr.row")].find((row) => row.querySelector(".name-button").textContent === %q)`, name)
}

// shows waits until a connector's row has all the words.
func (b *browser) shows(name string, words ...string) {
	b.t.Helper()
	var all []string
	for _, word := range words {
		all = append(all, fmt.Sprintf(`%s.innerText.includes(%q)`, rowOf(name), word))
	}
	b.wait(60*time.Second, strings.Join(all, " && "), fmt.Sprintf("the row of %s does not show %q", name, words))
}

// closes waits until a dialog is closed.
func (b *browser) closes(dialog string) {
	b.t.Helper()
	b.wait(ceiling, fmt.Sprintf(`!document.querySelector(%q).open`, dialog), dialog+" stays open")
}

// mark lets a test select a connector's row as #marked.
func (b *browser) mark(name string) {
	b.t.Helper()
	b.eval(fmt.Sprintf(`document.querySelector("#marked")?.removeAttribute("id"); %s.id = "marked"; true`, rowOf(name)))
}

// A connector that hangs is seen, with the reason, and so is its return; nothing is complained of meanwhile.
func TestPage_LiveRow(t *testing.T) {
	f := newFlock(t, 3, opts{health: nimble})
	b := openPage(t, f.weir, 3)
	b.wait(ceiling, `document.querySelector("h1").textContent === "Mail flows"`, "the verdict is another one")
	b.shows("c0", "up")
	f.c[0].Hurt(faulty.At(faulty.Banner, faulty.Mute))
	b.shows("c0", "down", "banner")
	b.wait(ceiling, rowOf("c0")+`.matches(":first-of-type, .spacer + tr")`, "the worst does not stand first")
	f.c[0].Heal()
	b.shows("c0", "recovering")
	f.delivered(f.message("page", 100))
	b.wait(ceiling, `[...document.querySelectorAll("#flow path.band:not(.none)")].length > 0`, "the message is not in the flow")
	b.wantQuiet()
}

// An operator drains by mouse, is told why the last one may not go, forces it in a second step, and undrains by keyboard.
func TestPage_Orders(t *testing.T) {
	f := newFlock(t, 2, opts{})
	b := openPage(t, f.weir, 2)
	b.mark("c0")
	b.click("#marked .order button")
	b.wait(ceiling, `document.querySelector("#order").open && document.activeElement.id === "order-reason"`, "no dialog asks for the reason")
	b.press("it's a test")
	b.wait(ceiling, `document.querySelector("#order .line code").textContent === "weir drain internet/c0 --reason 'it'\\''s a test'"`, "the command is not shown")
	b.click("#order-go")
	b.closes("#order")
	b.shows("c0", "drain", "it's a test")
	f.waitState(poolName, "c0", "drain")

	b.mark("c1")
	b.click("#marked .order button")
	b.click("#order-go")
	b.wait(ceiling, `!document.querySelector("#order-refusal").hidden && document.querySelector("#order-go").disabled`, "the last one was not refused")
	if words := b.eval(`document.querySelector("#order-refusal").textContent`).(string); !strings.Contains(words, "eligible") {
		t.Errorf("the refusal is not explained: %q", words)
	}
	f.waitEligible(poolName, 1)
	b.click("#order-force")
	b.click("#order-go")
	b.closes("#order")
	b.shows("c1", "drain")
	b.wait(ceiling, `document.querySelector("#verdict h1.bad") !== null`, "the verdict does not tell of an empty pool")

	b.mark("c0")
	b.eval(`document.querySelector("#marked .name-button").focus()`)
	b.press("d")
	b.wait(ceiling, `document.querySelector("#order").open`, "the key opens no dialog")
	b.press(kb.Enter)
	b.closes("#order")
	b.shows("c0", "Drain")
	f.waitEligible(poolName, 1)
	b.wantQuiet("409")
}

// An opened row shows the dialogue of a probe, the last failures and the commands.
func TestPage_OpenedRow(t *testing.T) {
	f := newFlock(t, 2, opts{})
	f.hurt(f.c, faulty.Say(faulty.FinalDot, "451 4.3.0 no room today"))
	m := f.message("page", 100)
	f.deliver(m)
	failed := f.line(m)
	b := openPage(t, f.weir, 2)
	b.mark(failed.str("backend"))
	b.eval(`document.querySelector("#marked .name-button").focus()`)
	b.press("p")
	b.wait(ceiling, `document.querySelector("tr.opened .spoken")?.innerText.includes("220 " + document.querySelector("#marked .name-button").textContent + " ESMTP")`, "no dialogue is shown")
	b.wait(ceiling, `document.querySelector("tr.opened").innerText.includes("weir probe internet/")`, "no command is shown")
	want := fmt.Sprintf(`(() => { const text = document.querySelector("tr.opened .failures")?.innerText ?? ""; return text.includes(%q) && text.includes("no room today"); })()`, failed.str("id"))
	b.wait(ceiling, want, "the message that failed is not shown")
	b.press(kb.Enter)
	b.wait(ceiling, `document.querySelector("tr.opened") === null`, "the row does not close")
	b.wantQuiet()
}

// A page says since when it is stale, and comes back with a new weir at the old address.
func TestPage_Restart(t *testing.T) {
	f := newFlock(t, 2, opts{})
	b := openPage(t, f.weir, 2)
	b.eval(`window.same = true`)
	f.kill9()
	b.wait(60*time.Second, `/^stale since \d\d:\d\d:\d\d/.test(document.querySelector("#link").textContent) && document.body.classList.contains("stale")`, "the page does not say that it is stale")
	again := f.again()
	b.wait(60*time.Second, `document.querySelector("#link").textContent === "live" && !document.body.classList.contains("stale")`, "the page has not come back")
	if b.eval(`window.same`) != true {
		t.Error("the page was loaded anew")
	}
	again.mustCtl("drain", "c1")
	b.shows("c1", "drain")
	b.wantQuiet("ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE")
}

// A thousand connectors can be searched, filtered and walked through, while the document holds few rows.
func TestPage_Thousand(t *testing.T) {
	s, err := faulty.New(faulty.Options{Name: "many", Address: "0.0.0.0:0", Behaviour: faulty.Honest(), ForgetDialog: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	w := startWeir(t, basicConfig(opts{health: "{probe: tcp, interval: 1h, timeout: 20s, rise: 1, fall: 5}", pool: []string{"file: " + thousand(t, s.Addr())}}))
	b := startBrowser(t)
	b.open(w.adminURL("/"))
	b.wait(60*time.Second, `document.querySelector("table")?.getAttribute("aria-rowcount") === "1001"`, "the table does not have 1001 rows")
	few := func(when string) {
		t.Helper()
		if n := b.eval(`document.querySelectorAll("tr.row").length`).(float64); n < 5 || n > 60 {
			t.Errorf("%s the document holds %v rows", when, n)
		}
	}
	few("at first")
	b.eval(`document.querySelector(".scroller").scrollTop = 1e6`)
	b.wait(ceiling, `document.querySelector("tr[aria-rowindex='1001']") !== null`, "the last row cannot be reached")
	few("at the end")
	w.mustCtl("drain", "m0777")
	b.press("/")
	b.wait(ceiling, `document.activeElement.id === "search"`, "the key does not lead to the search")
	b.press("m07")
	b.wait(ceiling, `document.querySelector("#shown").textContent === "100 of 1,000 connectors"`, "the search does not find 100")
	b.click(`.chip[data-state="drain"]`)
	b.wait(ceiling, `document.querySelectorAll("tr.row").length === 1 && document.querySelector(".name-button").textContent === "m0777"`, "the filter does not find the one")
	b.wantQuiet()
}

// Rates are those of the counters: across a lost connection, and not across a restart.
func TestPage_Rates(t *testing.T) {
	f := newFlock(t, 2, opts{})
	b := openPage(t, f.weir, 2)
	const program = `import("./page/model.js").then(({ Model }) => {
		const model = new Model();
		const row = (messages) => ({ id: "p/a", name: "a", messages, failures: 0, inflight: 0, state: "up", sources: [] });
		const full = (boot, at, messages) => model.full({ boot, at, words: {}, events: [], status: { listeners: [], pools: [{ name: "p", backends: [row(messages)] }] } });
		const rate = () => model.rows.get("p/a").perSecond;
		const out = [];
		full("one", 1000, 500); out.push(rate());
		model.tick({ at: 2000, counts: { "p/a": [0, 0, 0, 510, 0, 0] } }); out.push(rate());
		model.tick({ at: 3000 }); out.push(rate());
		full("one", 33000, 660); out.push(rate());
		model.tick({ at: 34000, counts: { "p/a": [0, 0, 0, 665, 0, 0] } }); out.push(rate());
		full("two", 40000, 7); out.push(rate());
		model.tick({ at: 41000, counts: { "p/a": [0, 0, 0, 9, 0, 0] } }); out.push(rate());
		model.tick({ at: 42000, counts: { "p/a": [0, 0, 0, 1, 0, 0] } }); out.push(rate());
		return out.map((n) => n.toFixed(2)).join(" ");
	})`
	if got, want := b.eval(program), "0.00 10.00 5.00 5.00 5.00 0.00 2.00 0.00"; got != want {
		t.Errorf("the rates are %v, want %s", got, want)
	}
}

// What stands beside the pools says how DNS, discovery and the replicas stand, in words.
func TestPage_Side(t *testing.T) {
	f := newFlock(t, 2, opts{})
	b := openPage(t, f.weir, 2)
	const program = `import("./page/side.js").then(({ Side }) => {
		const place = document.querySelector("#side");
		place.replaceChildren();
		const at = Date.parse("2026-01-02T03:04:05Z");
		const iso = (s) => new Date(at - s * 1000).toISOString();
		new Side(place).update({ at, events: [
			{ id: 2, time: iso(1), kind: "dns", to: "written", why: "example.com serial 7", by: "weir" },
			{ id: 1, time: iso(2), kind: "backend", pool: "p", backend: "a", from: "up", to: "drain", why: "<b>disk</b>", by: "alice" }],
		status: {
			dns: [{ zone: "example.com", mode: "update", dry_run: false, leader: true, epoch: 3, serial: 7, frozen: { since: iso(60), by: "alice", reason: "the primary moves" },
				last_write: iso(90), last_error: "REFUSED by 10.0.0.53", lag_seconds: 12, writes: {}, sets: [{ name: "mx-pool.example.com.", type: "A",
				published: ["192.0.2.1", "192.0.2.2"], desired: ["192.0.2.1", "192.0.2.3"], held: [{ record: "192.0.2.3", why: "must stay in for 1m", until: iso(-30) }] }] }],
			discovery: [{ source: "consul", pool: "p", state: "holding", since: iso(60), until: iso(-60), why: "answered an empty set", connectors: 2 }],
			replicas: [{ name: "one", self: true, leader: true, version: "1", seen: iso(1), agrees: true }, { name: "two", version: "1", seen: iso(4), agrees: false }],
			consul: { address: "127.0.0.1:8500", reachable: false, registered: false, error: "connection refused", unshared: ["drain of p/a"] },
			listeners: [{ name: "inbound", address: ":25", sessions: 1, limit: 20000 }] } });
		return place.innerText.replace(/\s+/g, " ");
	})`
	words := b.eval(program).(string)
	for _, want := range []string{
		"dns written", "p/a up → drain", "<b>disk</b> · by alice", "example.com frozen", "by alice: the primary moves", "REFUSED by 10.0.0.53",
		"2 published, 2 desired", "+ 192.0.2.3 to be added held: must stay in for 1m", "− 192.0.2.2 to be withdrawn", "consul → p 2 connectors", "answered an empty set",
		"one this one · leader", "two disagrees", "seen 4 s ago", "not reachable · this replica is not registered · connection refused", "Not shared: drain of p/a", "1 session, 20,000 at most",
	} {
		if !strings.Contains(words, want) {
			t.Errorf("beside the pools there is no %q in:\n%s", want, words)
		}
	}
	b.wantQuiet()
}

// thousand writes a file of connectors, all of which one server stands behind.
func thousand(t *testing.T, addr string) string {
	t.Helper()
	_, port, _ := strings.Cut(addr, ":")
	port = port[strings.LastIndex(port, ":")+1:]
	var list strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&list, "- {name: m%04d, address: \"127.1.%d.%d:%s\"}\n", i, i/250, 1+i%250, port)
	}
	path := filepath.Join(t.TempDir(), "many.yaml")
	if err := os.WriteFile(path, []byte(list.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// A weir that wants a token gives the page, which asks for it.
func TestPage_Login(t *testing.T) {
	token := filepath.Join(t.TempDir(), "alice.token")
	if err := os.WriteFile(token, []byte("a-long-secret-of-alice\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := newFlock(t, 2, opts{token: token, admin: []string{"anonymous: none", fmt.Sprintf("tokens: [{name: alice, role: operate, file: %q}]", token)}})
	b := startBrowser(t)
	b.open(f.adminURL("/"))
	b.wait(ceiling, `document.querySelector("#login").open`, "the page does not ask for a token")
	b.press("wrong")
	b.press(kb.Enter)
	b.wait(ceiling, `!document.querySelector("#login-refusal").hidden`, "a wrong token is not refused")
	b.eval(`document.querySelector("#login-token").value = ""; document.querySelector("#login-token").focus()`)
	b.press("a-long-secret-of-alice")
	b.press(kb.Enter)
	b.wait(ceiling, `document.querySelectorAll("tr.row").length === 2 && document.querySelector("#who").textContent === "alice"`, "the token does not let alice in")
	b.mark("c0")
	b.click("#marked .order button")
	b.click("#order-go")
	b.closes("#order")
	b.shows("c0", "drain", "alice")
	b.wantQuiet("401")
}

// Axe finds nothing serious: on a desk and on a phone, in light and in dark, with a row and a dialog open.
func TestPage_Accessible(t *testing.T) {
	axe, err := os.ReadFile("testdata/axe/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	f := newFlock(t, 3, opts{health: nimble})
	b := openPage(t, f.weir, 3)
	f.c[2].Hurt(faulty.At(faulty.Banner, faulty.Mute))
	f.mustCtl("drain", "c1", "--reason", "test")
	b.shows("c2", "down")
	b.mark("c0")
	b.eval(`document.querySelector("#marked .name-button").click()`)
	b.wait(ceiling, `document.querySelector("tr.opened") !== null`, "the row does not open")
	b.eval(string(axe) + "; true")
	check := func(when string) {
		t.Helper()
		found := b.eval(`axe.run(document, {resultTypes: ["violations"]}).then((r) => r.violations.filter((v) => v.impact === "serious" || v.impact === "critical")
			.map((v) => v.impact + " " + v.id + ": " + v.help + "\n" + v.nodes.slice(0, 4).map((n) => "  " + n.html.slice(0, 200) + "\n  " + n.failureSummary).join("\n")).join("\n"))`)
		if found != "" {
			t.Errorf("%s axe finds:\n%v", when, found)
		}
	}
	check("in light")
	b.scheme("dark")
	check("in dark")
	b.size(390, 844, true)
	check("on a phone")
	if wide := b.eval(`document.documentElement.scrollWidth > 390`); wide != false {
		t.Errorf("a phone has to scroll sideways: %v", b.eval(`document.documentElement.scrollWidth`))
	}
	b.eval(`document.querySelector("#marked .order button").click()`)
	check("with a dialog")
}
