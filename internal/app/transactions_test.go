package app

import (
	"testing"
	"time"

	"weir/balancer"
	"weir/config"
	past "weir/internal/history"
)

// remembered is what is kept of a record.
func remembered(t *testing.T, cfg config.Log, rec *balancer.Record) past.Transaction {
	t.Helper()
	l, _ := testLogger(cfg)
	ring := past.NewRing(1)
	recorder{l, nil, ring}.Transaction(rec)
	found, err := ring.Find(t.Context(), &past.Query{Limit: 1})
	if err != nil || len(found.Transactions) != 1 {
		t.Fatalf("%+v, %v", found, err)
	}
	return found.Transactions[0]
}

func TestTransactionsAreRemembered(t *testing.T) {
	got := remembered(t, config.Log{}, sampleRecord())
	if got.ID != "t1" || got.Session != "s1" || got.From != "alice@example.org" || len(got.Rcpts) != 1 || got.RcptCount != 60 ||
		got.Pool != "internet" || got.Backend != "mx-b" || got.Tries[0].Backend != "mx-a" || got.Stage != "final_dot" || got.Code != 250 ||
		got.By != "connector" || got.RemoteID != "4X" || got.MessageID != "<m1@example.org>" || got.Outcome != "delivered" ||
		got.Time.Format(timeLayout) != "2026-01-02T03:04:05.678Z" || got.DurationMS != 1.234 {
		t.Errorf("%+v", got)
	}
	nothing := remembered(t, config.Log{Level: "error"}, &balancer.Record{Outcome: balancer.Aborted}) // whatever the log's level
	if nothing.Stage != "" || nothing.By != "" || nothing.Outcome != "aborted" {
		t.Errorf("%+v", nothing)
	}
}

// What the log must not show is not kept either.
func TestAddressesAreRememberedAsTheyAreLogged(t *testing.T) {
	got := remembered(t, config.Log{MaskAddresses: true}, sampleRecord())
	if got.From != "***@example.org" || got.Rcpts[0] != "***@example.com" || got.Tries[0].Why != "rcpt: 451 4.2.0 <***@example.com> busy" {
		t.Errorf("%+v", got)
	}
}

// Remembering costs the data path no memory but the ring's.
func BenchmarkRemember(b *testing.B) {
	l := newLogger(config.Log{Level: "error"}, nil)
	r, rec := recorder{l, nil, past.NewRing(1000)}, sampleRecord()
	rec.Tries = nil
	reply, now := []byte("250 2.0.0 queued as 4X"), time.Now()
	b.ReportAllocs()
	for b.Loop() {
		r.remember(rec, reply, false, now)
	}
}
