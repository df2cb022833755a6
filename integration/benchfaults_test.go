package integration

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/internal/faulty"
)

// TestBenchFaults is `make bench-faults`: each fault on one of four connectors under a steady load, behind weir and
// behind HAProxy, as a Markdown table. It fails when weir misses what it promises. Its environment:
//
//	WEIR_BENCH_FAULTS=1      run it at all
//	WEIR_BENCH_QUICK=1       600 messages a row instead of 3000
//	WEIR_BENCH_OUT=FILE      write the table there, too
//
// One row is `make bench-faults ROW=mute_at_DATA`; `-parallel` says how many run side by side.
func TestBenchFaults(t *testing.T) {
	if os.Getenv("WEIR_BENCH_FAULTS") != "1" {
		t.Skip("takes minutes: make bench-faults")
	}
	needWeir(t)
	need(t, "haproxy", "haproxy")
	messages := 3000
	if os.Getenv("WEIR_BENCH_QUICK") == "1" {
		messages = 600
	}
	table := &benchTable{messages: messages, results: map[benchKey]*benchResult{}}
	for _, load := range benchLoads() {
		t.Run(load.name, func(t *testing.T) {
			for _, row := range benchRows() {
				t.Run(row.name, func(t *testing.T) {
					t.Parallel()
					for _, front := range []string{frontWeir, frontHAProxy} {
						t.Run(front, func(t *testing.T) {
							t.Parallel()
							b := newBenchRun(t, row, front, load.perConn, messages)
							table.add(benchKey{load.name, row.name, front}, b.run())
						})
					}
				})
			}
		})
	}
	text := table.markdown()
	t.Log("\n" + text)
	if out := os.Getenv("WEIR_BENCH_OUT"); out != "" {
		if err := os.WriteFile(out, []byte(text), 0o644); err != nil {
			t.Errorf("writing the table: %v", err)
		}
	}
}

// benchRun is one fault behind one front end.
type benchRun struct {
	t        *testing.T
	row      benchRow
	kind     string
	messages int

	connectors []*faulty.Server
	front      benchFront
	load       *benchLoad
	hurtAt     time.Time
}

const (
	benchHealthy = 2 * time.Second // before the hurt
	benchVictim  = 1               // which connector is hurt
	// benchHurt is how long the fault lasts at least, unless the connector is ejected.
	benchHurt = 10 * time.Second
	// benchCure is how long a cured connector is waited for at most.
	benchCure = 90 * time.Second
	// benchShare is what a connector must get in benchWindow of all that is stored, to count as back: a quarter is its due.
	benchShare  = 0.2
	benchWindow = 2 * time.Second
)

func newBenchRun(t *testing.T, row benchRow, kind string, perConn, messages int) *benchRun {
	t.Helper()
	b := &benchRun{t: t, row: row, kind: kind, messages: messages}
	var addrs []string
	for i := range 4 {
		s, err := faulty.New(faulty.Options{Name: backendName(i), Behaviour: faulty.Honest(), ForgetContent: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		b.connectors, addrs = append(b.connectors, s), append(addrs, s.Addr())
	}
	b.front = startFront(t, kind, addrs)
	b.load = newBenchLoad(b.front.SMTPAddr(), perConn, row.pause)
	return b
}

func (b *benchRun) victim() *faulty.Server { return b.connectors[benchVictim] }

// run is healthy, hurt, cured; the cured part lasts until the connector has its share again, if it ever lost it.
func (b *benchRun) run() *benchResult {
	ctx, cancel := context.WithTimeout(b.t.Context(), 5*time.Minute)
	defer cancel()
	before := int(min(benchHealthy/benchEvery, time.Duration(b.messages/3)))
	b.load.run(ctx, "early", true, func(n int) bool { return n >= before })
	b.hurtAt = time.Now()
	b.hurt()
	b.load.run(ctx, lateOnes, true, func(n int) bool { return n >= b.messages-before })
	out, why := b.untilEjected(ctx)
	b.cure()
	r := &benchResult{why: why}
	if !out.IsZero() {
		r.ejected = true
		r.toEjection = max(0, out.Sub(b.firstSymptom()))
		r.toShare, r.back = b.untilShared(ctx)
	}
	sent := b.end()
	r.count(sent, b.connectors)
	b.judge(r)
	return r
}

func (b *benchRun) hurt() {
	if b.row.refuse {
		b.victim().Refuse()
	}
	b.victim().Hurt(b.row.faults...)
}

func (b *benchRun) cure() {
	b.victim().Heal()
	if err := b.victim().Accept(); err != nil {
		b.t.Errorf("opening the connector's port again: %v", err)
	}
}

// untilEjected keeps up load and fault until the connector is out, if that has not happened yet.
func (b *benchRun) untilEjected(ctx context.Context) (at time.Time, why string) {
	b.load.run(ctx, lateOnes, false, func(n int) bool {
		if n%25 == 0 {
			at, why = b.front.ejected(b.victim().Name(), b.hurtAt)
		}
		return !at.IsZero() || time.Since(b.hurtAt) >= benchHurt
	})
	return at, why
}

// firstSymptom is when the fault was first met, by whomever.
func (b *benchRun) firstSymptom() time.Time {
	for _, l := range b.victim().Transcript() {
		if strings.HasPrefix(l.Text, "(fault at") {
			return l.When
		}
	}
	return b.hurtAt
}

// untilShared keeps the load up until the cured connector gets its share, and says how long that took.
func (b *benchRun) untilShared(ctx context.Context) (time.Duration, bool) {
	cured := time.Now()
	type sample struct {
		at          time.Time
		victim, all int64
	}
	var window []sample
	var back bool
	var took time.Duration
	b.load.run(ctx, "cured", false, func(n int) bool {
		if n%25 != 0 { // ten samples a second
			return false
		}
		now := sample{at: time.Now()}
		for i, c := range b.connectors {
			stored := c.Stats().Messages
			if now.all += stored; i == benchVictim {
				now.victim = stored
			}
		}
		for window = append(window, now); len(window) > 1 && now.at.Sub(window[1].at) >= benchWindow; window = window[1:] {
		}
		old := window[0]
		full := now.at.Sub(old.at) >= benchWindow
		back = full && float64(now.victim-old.victim) >= benchShare*float64(now.all-old.all)
		took = old.at.Sub(cured)
		return back || now.at.Sub(cured) > benchCure
	})
	return max(0, took), back
}

// end waits for the senders, and lets what still hangs in a connector go, that the front end need not wait for it.
func (b *benchRun) end() []*benchMessage {
	sent := b.load.end()
	for _, c := range b.connectors {
		c.DropConnections(false)
	}
	return sent
}

// judge holds weir to its promises. HAProxy made none.
func (b *benchRun) judge(r *benchResult) {
	if b.kind != frontWeir {
		return
	}
	if r.lost > 0 {
		b.t.Errorf("%d messages that senders were told are taken are in no connector", r.lost)
	}
	if r.twice > 0 && !b.row.twice {
		b.t.Errorf("%d messages are stored more than once", r.twice)
	}
	if r.gaveUp+r.bounced > 0 {
		b.t.Errorf("%d senders gave up, %d bounced; the first: %v", r.gaveUp, r.bounced, r.example)
	}
	if b.row.atMost != unbounded && r.failed > b.row.atMost {
		b.t.Errorf("%d first tries failed, at most %d may; the first: %v", r.failed, b.row.atMost, r.example)
	}
	switch {
	case !r.ejected:
		b.t.Errorf("never ejected")
	case !r.back:
		b.t.Errorf("its share was not back %s after the cure", benchCure)
	default:
		b.t.Logf("ejected after %s: %s", r.toEjection, r.why)
	}
}

// benchTable collects results from rows that run side by side.
type benchTable struct {
	messages int

	mu      sync.Mutex
	results map[benchKey]*benchResult
}

type benchKey struct{ load, row, front string }

func (b *benchTable) add(k benchKey, r *benchResult) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.results[k] = r
}
