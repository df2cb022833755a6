package integration

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"weir/internal/faulty"
)

// loadKind is a kind of sender.
type loadKind struct {
	name    string
	words   string
	perConn int
}

func benchLoads() []loadKind {
	return []loadKind{
		{"one", "one message a connection", 1},
		{"ten", "ten messages a connection", 10},
	}
}

// benchResult is what one fault did behind one front end. Counts are of the table's messages, but for lost and twice,
// which are of all that were sent.
type benchResult struct {
	failed          int   // first tries
	example         error // of a failed first try
	gaveUp, bounced int
	lost, twice     int

	ejected    bool
	why        string
	toEjection time.Duration // from the first symptom
	back       bool
	toShare    time.Duration // from the cure
}

// count compares what senders were told with what the connectors have.
func (r *benchResult) count(sent []*benchMessage, connectors []*faulty.Server) {
	copies := map[string]int{}
	for _, c := range connectors {
		for _, m := range c.Messages() {
			copies[m.From]++
		}
	}
	for _, m := range sent {
		n := copies[m.from]
		r.twice += max(0, n-1)
		if m.taken && n == 0 {
			r.lost++
		}
		if !m.counted {
			continue
		}
		if m.first != nil {
			r.failed++
			r.example = m.first
		}
		switch {
		case m.bounced:
			r.bounced++
		case !m.taken:
			r.gaveUp++
		}
	}
}

// markdown is the whole table, one for each kind of sender that was run.
func (b *benchTable) markdown() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out strings.Builder
	for _, load := range benchLoads() {
		var rows strings.Builder
		for _, row := range benchRows() {
			w, h := b.results[benchKey{load.name, row.name, frontWeir}], b.results[benchKey{load.name, row.name, frontHAProxy}]
			if w != nil || h != nil {
				rows.WriteString(benchLine(row.name, w, h))
			}
		}
		if rows.Len() == 0 {
			continue
		}
		fmt.Fprintf(&out, "%d messages, %s; weir / HAProxy:\n\n", b.messages, load.words)
		out.WriteString("| one of four connectors | first tries failed | gave up | duplicates | lost | first symptom → ejected | cure → full share |\n")
		out.WriteString("|---|---|---|---|---|---|---|\n" + rows.String() + "\n")
	}
	return out.String()
}

func benchLine(name string, w, h *benchResult) string {
	line := "| " + name
	for _, cell := range []func(*benchResult) string{
		func(r *benchResult) string { return fmt.Sprint(r.failed) },
		gaveUpCell,
		func(r *benchResult) string { return fmt.Sprint(r.twice) },
		func(r *benchResult) string { return fmt.Sprint(r.lost) },
		ejectionCell,
		shareCell,
	} {
		line += " | " + pair(cell, w, h)
	}
	return line + " |\n"
}

// pair is a cell for both fronts; one that was not run is a question mark.
func pair(cell func(*benchResult) string, w, h *benchResult) string {
	text := func(r *benchResult) string {
		if r == nil {
			return "?"
		}
		return cell(r)
	}
	return "**" + text(w) + "** / " + text(h)
}

func gaveUpCell(r *benchResult) string {
	if r.bounced > 0 {
		return fmt.Sprintf("%d, %d bounced", r.gaveUp, r.bounced)
	}
	return fmt.Sprint(r.gaveUp)
}

func ejectionCell(r *benchResult) string {
	if !r.ejected {
		return "never"
	}
	return inTenths(r.toEjection)
}

func shareCell(r *benchResult) string {
	switch {
	case !r.ejected:
		return "–"
	case !r.back:
		return "over " + inTenths(benchCure)
	}
	return inTenths(r.toShare)
}

func inTenths(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// TestBenchTable: the fault table's own arithmetic. A table that cannot show a loss proves nothing.
func TestBenchTable(t *testing.T) {
	c, err := faulty.New(faulty.Options{Name: "c0", Behaviour: faulty.Honest()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	store := func(m *message) {
		conn, err := dialSMTP(c.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.quit()
		if _, err := conn.sendData(m); err != nil {
			t.Fatal(err)
		}
	}
	sample := func(taken bool, copies int) *benchMessage {
		m := &benchMessage{message: newMessage("table", filler(100)), counted: true, taken: taken}
		for range copies {
			store(m.message)
		}
		return m
	}
	sent := []*benchMessage{sample(true, 1), sample(true, 0), sample(true, 3), sample(false, 0), sample(false, 0)}
	sent[3].first, sent[4].bounced = errors.New("timeout"), true
	r := &benchResult{ejected: true, back: true, toEjection: 1240 * time.Millisecond, toShare: 3 * time.Second}
	r.count(sent, []*faulty.Server{c})
	b := &benchTable{messages: 5, results: map[benchKey]*benchResult{{"one", "mute at DATA", frontWeir}: r, {"one", "mute at DATA", frontHAProxy}: {}}}
	want := "| mute at DATA | **1** / 0 | **1, 1 bounced** / 0 | **2** / 0 | **1** / 0 | **1.2 s** / never | **3.0 s** / – |\n"
	if got := b.markdown(); !strings.Contains(got, want) || strings.Contains(got, "ten messages") {
		t.Errorf("got %s, want one table with %s", got, want)
	}
}
