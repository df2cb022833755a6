package integration

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"weir/internal/faulty"
)

// Messages that weir itself defers, though all connectors are eligible, are in the first line of the page, of the status
// and of a monitoring system; each connector that was left has them among its last failures.
func TestPage_Deferred(t *testing.T) {
	f := newFlock(t, 2, opts{})
	b := openPage(t, f.weir, 2)
	f.hurt(f.c, faulty.At(faulty.Banner, faulty.Mute))
	m := f.message("deferred", 100)
	f.own(f.deliver(m), "451")
	b.wait(ceiling, fmt.Sprintf(`/^%s: 1 message deferred by weir since \d\d:\d\d:\d\d$/.test(document.querySelector("h1.warn")?.textContent)`, poolName),
		"the verdict does not tell of it")
	f.own(f.deliver(f.message("deferred", 100)), "451")
	b.wait(ceiling, fmt.Sprintf(`document.querySelector("h1").textContent.startsWith("%s: 2 messages deferred")`, poolName), "the second is not counted")

	words := regexp.MustCompile(`internet: 2 messages deferred by weir since \d\d:\d\d(\s|;|\|)`)
	if out := f.mustCtl("status"); !words.MatchString(strings.SplitAfter(out, "\n")[0]) {
		t.Errorf("the status begins otherwise: %s", out)
	}
	if r := f.ctl("status", "--check"); r.code != 1 || !strings.HasPrefix(r.stdout, "WARNING - ") || !words.MatchString(r.stdout) {
		t.Errorf("--check ends with %d: %s", r.code, r.stdout)
	}
	id := f.line(m).str("id")
	for i := range f.c {
		name := backendName(i)
		b.mark(name)
		b.eval(`document.querySelector("#marked .name-button").click()`)
		b.wait(ceiling, fmt.Sprintf(`[...document.querySelectorAll("tr.opened .failures")].some((list) => list.innerText.includes(%q))`, id), name+" does not show the failure")
		b.eval(`document.querySelector("#marked .name-button").click()`)
		b.wait(ceiling, `document.querySelector("tr.opened") === null`, "the row does not close")
		if out := f.mustCtl("find", "--tried", name); strings.Count(out, "\n") != 2 || !strings.Contains(out, id) {
			t.Errorf("find --tried %s: %s", name, out)
		}
	}
	b.wantQuiet()
}
