package demo

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"weir/internal/app"
	"weir/internal/events"
)

// reporter writes the lines. Only one goroutine at a time uses it.
type reporter struct {
	out        io.Writer
	connectors []*connector
	ledger     *ledger
	app        *app.App

	began    time.Time
	stored   []int64 // by connector, at the last line
	accepted int     // at the last line
	event    uint64  // the last one that was shown
}

func newReporter(out io.Writer, connectors []*connector, l *ledger, a *app.App) *reporter {
	return &reporter{out: out, connectors: connectors, ledger: l, app: a, began: time.Now(), stored: make([]int64, len(connectors))}
}

// run writes a line a second, and one for each act and each change of state,
// until ctx is done. It reads acts until then.
func (r *reporter) run(ctx context.Context, acts <-chan act) {
	r.began = time.Now()
	r.greet()
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		list, more := r.app.Events().Since(r.event)
		for i := range list {
			r.event = list[i].ID
			r.change(&list[i])
		}
		select {
		case <-more:
		case a := <-acts:
			r.act(a)
		case <-ticker.C:
			r.second()
		case <-ctx.Done():
			return
		}
	}
}

func (r *reporter) greet() {
	r.print("weir demo: %d connectors, %d senders with one long connection each; Ctrl-C ends it\n", len(r.connectors), senders)
	if addr := r.app.AdminAddr(); addr != nil {
		r.print("page: http://%s/   status: http://%s/v1/status   SMTP: %s\n", addr, addr, r.app.ListenerAddr(listenerName))
	}
	if addr := r.app.DNSAddr(zoneAddress); addr != nil {
		host, port, _ := net.SplitHostPort(addr.String())
		r.print("DNS:  dig +short -p %s @%s mx-pool.demo.test\n", port, host)
	}
	r.print("each line: messages a second, then each connector's share and state\n\n")
}

func (r *reporter) act(a act) {
	if a.err != nil {
		r.print("%s  -- connector %s: %v\n", r.clock(), a.connector, a.err)
		return
	}
	r.print("%s  -- connector %s %s\n", r.clock(), a.connector, a.what)
}

// change writes a change of state with its reason, as weir sees it.
func (r *reporter) change(e *events.Event) {
	who := e.Backend
	if who == "" {
		who = strings.TrimSpace(e.Kind + " " + e.Pool)
	}
	from := ""
	if e.From != "" {
		from = e.From + " → "
	}
	why := ""
	if e.Why != "" {
		why = ": " + e.Why
	}
	r.print("%s  >> %s: %s%s%s (by %s)\n", r.clock(), who, from, e.To, why, e.By)
}

// second writes the spread of the last second.
func (r *reporter) second() {
	accepted, retried := r.ledger.counts()
	counts := make([]int64, len(r.connectors))
	var most int64
	for i, c := range r.connectors {
		n := c.stored.Load()
		counts[i], r.stored[i] = n-r.stored[i], n
		most = max(most, counts[i])
	}
	var columns strings.Builder
	pool := r.app.Registry().Snapshot().Pool(poolName)
	for i, c := range r.connectors {
		state := "gone"
		if m := pool.Member(c.name); m != nil {
			state = m.State.String()
		}
		fmt.Fprintf(&columns, "%s %3d %s %-10s  ", c.name, counts[i], bar(counts[i], most), state)
	}
	r.print("%s  %3d msg/s   %s first tries failed %d\n", r.clock(), accepted-r.accepted, columns.String(), retried)
	r.accepted = accepted
}

// bar shows n as a share of the most.
func bar(n, most int64) string {
	if n <= 0 || most <= 0 {
		return "·"
	}
	levels := []rune("▁▂▃▄▅▆▇█")
	return string(levels[(n*int64(len(levels))-1)/most])
}

// clock is the time since the play began, to the second and aligned.
func (r *reporter) clock() string {
	return fmt.Sprintf("%6s", time.Since(r.began).Round(time.Second))
}

// summary says what became of the mail.
func (r *reporter) summary(t tally) {
	r.print("\nended after %s: %d messages accepted, %d of them found in the connectors exactly once, lost %d, duplicated %d\n",
		time.Since(r.began).Round(100*time.Millisecond), t.Accepted, t.Once, t.Lost, t.Duplicated)
	r.print("first tries not accepted: %d; messages still with their senders: %d\n", t.Retried, t.Open)
}

// print writes a line. A terminal that has gone away is no reason to stop
// before Ctrl-C: the summary's verdict is in the exit code, too.
func (r *reporter) print(format string, args ...any) {
	_, _ = fmt.Fprintf(r.out, format, args...)
}
