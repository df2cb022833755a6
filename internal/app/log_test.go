package app

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir/balancer"
	"weir/config"
	"weir/internal/backend"
	"weir/internal/smtp"
)

// testLogger returns a logger that writes JSON with a fixed time.
func testLogger(cfg config.Log) (*logger, *bytes.Buffer) {
	var out bytes.Buffer
	l := newLogger(cfg, &out)
	l.now = func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 678_900_000, time.UTC) }
	return l, &out
}

func decode(t *testing.T, line string) map[string]any {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal([]byte(line), &fields); err != nil {
		t.Fatalf("%v in %q", err, line)
	}
	return fields
}

func sampleRecord() *balancer.Record {
	rec := &balancer.Record{
		Session: "s1", ID: "t1", Listener: "inbound", Client: netip.MustParseAddrPort("192.0.2.7:4321"),
		HELO: "mx.example.org", From: "alice@example.org", Rcpts: []string{"bob@example.com"}, RcptCount: 60,
		Pool: "internet", Backend: "mx-b", Tries: []balancer.Try{{Backend: "mx-a", Why: "rcpt: 451 4.2.0 <bob@example.com> busy"}},
		Replays: 1, Stage: backend.StageFinalDot, Reached: true,
		Reply:       smtp.NewReply(250, smtp.EnhancedCode{Class: 2}, "queued as 4X"),
		ByConnector: true, RemoteID: "4X", MessageID: "<m1@example.org>",
		Bytes: 4096, Duration: 1234567 * time.Nanosecond, Outcome: balancer.Delivered,
	}
	rec.Stages[backend.StageMail] = 1500 * time.Microsecond
	rec.Stages[backend.StageFinalDot] = 20 * time.Millisecond
	return rec
}

func TestTransactionLine(t *testing.T) {
	l, out := testLogger(config.Log{Level: "info", Format: "json"})
	recorder{l, nil, nil}.Transaction(sampleRecord())
	want := map[string]any{
		"level": "info", "time": "2026-01-02T03:04:05.678Z", "msg": "transaction",
		"session": "s1", "id": "t1", "listener": "inbound", "client": "192.0.2.7:4321", "helo": "mx.example.org", "tls": "",
		"from": "alice@example.org", "rcpts": []any{"bob@example.com"}, "rcpt_count": 60.0,
		"pool": "internet", "backend": "mx-b", "replays": 1.0,
		"tries": []any{map[string]any{"backend": "mx-a", "why": "rcpt: 451 4.2.0 <bob@example.com> busy"}},
		"stage": "final_dot", "code": 250.0, "reply": "250 2.0.0 queued as 4X", "by": "connector",
		"remote_id": "4X", "message_id": "<m1@example.org>", "bytes": 4096.0, "duration_ms": 1.234,
		"stages_ms": map[string]any{"mail": 1.5, "final_dot": 20.0}, "outcome": "delivered",
	}
	if got := decode(t, out.String()); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if n := strings.Count(out.String(), "\n"); n != 1 {
		t.Errorf("%d lines", n)
	}
}

func TestTransactionLineOfNothing(t *testing.T) {
	l, out := testLogger(config.Log{Level: "info"})
	recorder{l, nil, nil}.Transaction(&balancer.Record{Outcome: balancer.Aborted})
	got := decode(t, out.String())
	for field, want := range map[string]any{
		"from": "", "rcpts": []any{}, "tries": []any{}, "stage": "", "code": 0.0, "reply": "", "by": "",
		"stages_ms": map[string]any{}, "outcome": "aborted",
	} {
		if !reflect.DeepEqual(got[field], want) {
			t.Errorf("%s is %v, want %v", field, got[field], want)
		}
	}
	for _, field := range []string{"suspect", "rcpt_count"} {
		if v, ok := got[field]; ok {
			t.Errorf("%s is there: %v", field, v)
		}
	}
}

func TestMaskedTransactionLine(t *testing.T) {
	l, out := testLogger(config.Log{Level: "info", MaskAddresses: true})
	rec := sampleRecord()
	rec.Reply = smtp.NewReply(550, smtp.EnhancedCode{Class: 5, Subject: 1, Detail: 1}, "<bob@example.com> unknown")
	recorder{l, nil, nil}.Transaction(rec)
	for _, name := range []string{"alice", "bob"} {
		if strings.Contains(out.String(), name) {
			t.Errorf("%s is in %s", name, out)
		}
	}
	if got := decode(t, out.String()); got["from"] != "***@example.org" || got["reply"] != "550 5.1.1 <***@example.com> unknown" {
		t.Errorf("got %v", got)
	}
	if rec.From != "alice@example.org" || rec.Rcpts[0] != "bob@example.com" {
		t.Error("the record itself was changed")
	}
}

func TestAmbiguousGetsALineOfItsOwn(t *testing.T) {
	l, out := testLogger(config.Log{Level: "warn"})
	rec := sampleRecord()
	recorder{l, nil, nil}.Transaction(rec)
	if out.Len() > 0 {
		t.Fatalf("a transaction is logged at level warn: %s", out)
	}
	rec.Outcome, rec.Digest, rec.Suspect = balancer.Ambiguous, "abcd", true
	recorder{l, nil, nil}.Transaction(rec)
	got := decode(t, out.String())
	for field, want := range map[string]any{
		"level": "warn", "msg": "ambiguous", "id": "t1", "pool": "internet", "backend": "mx-b", "envelope_digest": "abcd",
	} {
		if got[field] != want {
			t.Errorf("%s is %v, want %v", field, got[field], want)
		}
	}
}

func TestSuspectIsAField(t *testing.T) {
	l, out := testLogger(config.Log{Level: "info"})
	rec := sampleRecord()
	rec.Suspect, rec.ByConnector = true, false
	recorder{l, nil, nil}.Transaction(rec)
	if got := decode(t, out.String()); got["suspect"] != true || got["by"] != "weir" {
		t.Errorf("got %v", got)
	}
}

func TestSessionLine(t *testing.T) {
	l, out := testLogger(config.Log{Level: "info"})
	recorder{l, nil, nil}.Session(&balancer.SessionRecord{
		Session: "s1", Listener: "inbound", Client: netip.MustParseAddrPort("[2001:db8::1]:99"),
		HELO: "x", Reason: "sender left", Duration: 2 * time.Second,
	})
	want := map[string]any{
		"level": "info", "time": "2026-01-02T03:04:05.678Z", "msg": "session", "session": "s1", "listener": "inbound",
		"client": "[2001:db8::1]:99", "helo": "x", "reason": "sender left", "duration_ms": 2000.0,
	}
	if got := decode(t, out.String()); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestPassedThroughLine(t *testing.T) {
	l, out := testLogger(config.Log{Level: "info"})
	recorder{l, nil, nil}.Session(&balancer.SessionRecord{
		Session: "s1", Listener: "inbound", Client: netip.MustParseAddrPort("192.0.2.7:99"), Reason: "closed by the sender",
		Passage: &balancer.Passage{
			Pool: "internet", Backend: "b", Tries: []balancer.Try{{Backend: "internet/a", Why: "banner: 421 busy"}}, In: 5, Out: 7,
		},
	})
	want := map[string]any{
		"level": "info", "time": "2026-01-02T03:04:05.678Z", "msg": "session", "session": "s1", "listener": "inbound",
		"client": "192.0.2.7:99", "helo": "", "pool": "internet", "backend": "b", "bytes_in": 5.0, "bytes_out": 7.0,
		"tries":  []any{map[string]any{"backend": "internet/a", "why": "banner: 421 busy"}},
		"reason": "closed by the sender", "duration_ms": 0.0,
	}
	if got := decode(t, out.String()); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestConsoleIsForPeople(t *testing.T) {
	l, out := testLogger(config.Log{Level: "info", Format: "console"})
	recorder{l, nil, nil}.Session(&balancer.SessionRecord{Session: "s1", Reason: "sender left"})
	got := out.String()
	if !strings.Contains(got, "INF session ") || !strings.Contains(got, `reason="sender left"`) {
		t.Errorf("got %q", got)
	}
	if strings.ContainsAny(got, "{\x1b") || strings.Contains(got, "msg=") {
		t.Errorf("JSON, colour or a field twice in %q", got)
	}
}

func TestLevels(t *testing.T) {
	for level, want := range map[string]int{"debug": 3, "info": 3, "": 3, "warn": 2, "error": 1} {
		l, out := testLogger(config.Log{Level: level})
		l.info("a").Send()
		l.warn("b").Send()
		l.error("c").Send()
		if got := strings.Count(out.String(), "\n"); got != want {
			t.Errorf("level %q: %d lines, want %d", level, got, want)
		}
	}
}

// A stamp and a duration are as the long way would write them, whatever second and
// thousandth they are of.
func TestStampsAndDurationsAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, out := testLogger(config.Log{})
		at := time.Unix(rapid.Int64Range(0, 1<<35).Draw(t, "second"), 0).In(time.FixedZone("", 60*rapid.IntRange(-800, 800).Draw(t, "zone")))
		for range 3 {
			now := at.Add(time.Duration(rapid.Int64Range(0, 3e9).Draw(t, "later")))
			if got, want := string(l.stamp(nil, now)), now.Format(timeLayout); got != want {
				t.Fatalf("the stamp is %s, want %s", got, want)
			}
		}
		d := time.Duration(rapid.Int64().Draw(t, "duration") >> rapid.IntRange(0, 63).Draw(t, "shift"))
		duration(l.info("x"), "short", d).Float64("long", milliseconds(d)).Send()
		if _, short, ok := strings.Cut(out.String(), `"short":`); !ok {
			t.Fatal(out)
		} else if short, long, _ := strings.Cut(short, `,"long":`); short+"}\n" != long {
			t.Fatalf("%v is logged as %s, want %s", d, short, long)
		}
	})
}
