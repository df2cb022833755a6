package main

import (
	"strings"
	"testing"
	"time"

	"weir/dashboard"
)

// What weir itself defers of a pool is a warning, and stands beside the pool.
func TestDeferring(t *testing.T) {
	now := testNow()
	p := poolView{Name: "fax", Eligible: 2, Total: 2, Redundant: true, Policy: "random", Deferring: &dashboard.Deferring{Messages: 214, Since: now.Add(-time.Hour)}}
	v := &view{Ready: true, Pools: []poolView{p}}
	words := "214 messages deferred by weir since " + now.Add(-time.Hour).Local().Format("15:04")
	for _, wanted := range []string{"", "fax"} {
		code, text, err := v.monitor(wanted, now)
		if want := "pool fax: " + words; code != monitorWarning || err != nil || !strings.HasPrefix(text, want+"|") {
			t.Errorf("%d %q %v, want %q", code, text, err, want)
		}
	}
	var b strings.Builder
	screen{tty: true}.pool(&b, &p, now)
	if want := "fax: 2 of 2 eligible, random; " + words + "\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
	p.Deferring.Messages, p.Deferring.Since = 1, now.Add(-48*time.Hour)
	if got, want := p.deferred(now), "1 message deferred by weir since "+p.Deferring.Since.Local().Format("2006-01-02 15:04"); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
