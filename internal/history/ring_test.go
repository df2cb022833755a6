package history

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func noon() time.Time { return time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC) }

func sample(id string, at time.Time) *Transaction {
	return &Transaction{
		ID: id, Session: "s-" + id, Time: at, Listener: "inbound",
		Client: netip.MustParseAddrPort("192.0.2.7:40000"), HELO: "mail.example.org",
		From: "Alice@example.org", Rcpts: []string{"bob@example.com", "carol@example.net"},
		Pool: "internet", Backend: "mx-a", Tries: []Try{{"internet/mx-b", "banner: 421 busy"}}, Replays: 1,
		Stage: "final_dot", Code: 250, Reply: "250 2.0.0 Ok: queued as 4XYZ", By: "connector",
		RemoteID: "4XYZ", MessageID: "<m1@example.org>", Bytes: 12345, DurationMS: 60000.125, Outcome: "delivered",
	}
}

func find(t *testing.T, r *Ring, q Query) []string {
	t.Helper()
	if q.Limit == 0 {
		q.Limit = 100
	}
	found, err := r.Find(t.Context(), &q)
	if err != nil {
		t.Fatal(err)
	}
	ids := []string{}
	for i := range found.Transactions {
		ids = append(ids, found.Transactions[i].ID)
	}
	return ids
}

func TestWhatIsKeptComesBack(t *testing.T) {
	r := NewRing(2)
	want := sample("a", noon())
	r.Add(want)
	r.Add(&Transaction{ID: "b", Time: noon()}) // one that got nowhere
	found, err := r.Find(t.Context(), &Query{Limit: 10})
	if err != nil || found.Kept != 2 || found.More || !found.Since.Equal(noon()) {
		t.Fatalf("%+v, %v", found, err)
	}
	if !reflect.DeepEqual(found.Transactions[1], *want) {
		t.Errorf("got  %+v\nwant %+v", found.Transactions[1], *want)
	}
	if empty := found.Transactions[0]; empty.Client.IsValid() || empty.Rcpts == nil || empty.Tries == nil {
		t.Errorf("%+v", empty)
	}
}

func TestFind(t *testing.T) {
	r := NewRing(10)
	r.Add(sample("a", noon())) // under way from 11:59
	other := sample("b", noon().Add(time.Hour))
	other.From, other.Rcpts, other.Client = "", []string{"***@example.com"}, netip.MustParseAddrPort("[::ffff:198.51.100.1]:1")
	other.Tries = []Try{{"fax/fax-b", "rcpt: 451 busy"}}
	other.Pool, other.Backend, other.Outcome, other.RemoteID, other.MessageID = "fax", "fax-a", "deferred", "", ""
	r.Add(other)
	tests := []struct {
		name string
		q    Query
		want string
	}{
		{"all, newest first", Query{}, "b a"},
		{"id", Query{ID: "a"}, "a"},
		{"session", Query{ID: "s-b"}, "b"},
		{"id of another", Query{ID: "A"}, ""},
		{"remote id", Query{RemoteID: "4XYZ"}, "a"},
		{"message id", Query{MessageID: "m1@example.org"}, "a"},
		{"message id in brackets", Query{MessageID: "<m1@example.org>"}, "a"},
		{"from, in other letters", Query{From: "alice@EXAMPLE.org"}, "a"},
		{"from in brackets", Query{From: "<alice@example.org>"}, "a"},
		{"from a domain", Query{From: "example.org"}, "a"},
		{"from a domain with @", Query{From: "@example.org"}, "a"},
		{"part of a domain", Query{From: "ample.org"}, ""},
		{"the null sender", Query{From: "<>"}, "b"},
		{"the second recipient", Query{To: "carol@example.net"}, "a"},
		{"a masked one may be anybody of its domain", Query{To: "bob@example.com"}, "b a"},
		{"a masked one of another domain", Query{To: "bob@example.net"}, ""},
		{"client", Query{Client: netip.MustParsePrefix("192.0.2.7/32")}, "a"},
		{"client, mapped into IPv6", Query{Client: netip.MustParsePrefix("198.51.100.0/24")}, "b"},
		{"pool", Query{Pool: "fax"}, "b"},
		{"backend", Query{Backend: "mx-a"}, "a"},
		{"backend by its whole name", Query{Backend: "fax/fax-a"}, "b"},
		{"backend of another pool", Query{Backend: "fax/mx-a"}, ""},
		{"tried", Query{Tried: "mx-b"}, "a"},
		{"tried, by its whole name", Query{Tried: "internet/mx-b"}, "a"},
		{"tried in another pool", Query{Tried: "fax/mx-b"}, ""},
		{"the last one was not left", Query{Tried: "mx-a"}, ""},
		{"part of the name of one that was tried", Query{Tried: "mx"}, ""},
		{"outcome", Query{Outcome: "deferred"}, "b"},
		{"since", Query{Since: noon().Add(time.Minute)}, "b"},
		{"around its begin", Query{Around: noon().Add(-time.Minute - Vicinity)}, "a"},
		{"before that", Query{Around: noon().Add(-time.Minute - Vicinity - time.Second)}, ""},
		{"around its end", Query{Around: noon().Add(Vicinity)}, "a"},
		{"after that", Query{Around: noon().Add(Vicinity + time.Second)}, ""},
		{"both must fit", Query{Pool: "fax", From: "alice@example.org"}, ""},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			if got := strings.Join(find(t, r, tc.q), " "); got != tc.want {
				t.Errorf("found %q, want %q", got, tc.want)
			}
		})
	}
}

func TestLimit(t *testing.T) {
	r := NewRing(3)
	for i := range 3 {
		r.Add(sample(fmt.Sprint(i), noon()))
	}
	for limit, more := range map[int]bool{1: true, 2: true, 3: false, 4: false} {
		found, err := r.Find(t.Context(), &Query{Limit: limit})
		if err != nil || found.More != more || len(found.Transactions) != min(limit, 3) {
			t.Errorf("limit %d: %d, more %v, %v", limit, len(found.Transactions), found.More, err)
		}
	}
}

func TestASearchEndsWithItsCaller(t *testing.T) {
	r := NewRing(1)
	r.Add(sample("a", noon()))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Find(ctx, &Query{Limit: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	r.searching <- struct{}{} // another one is under way
	if _, err := r.Find(ctx, &Query{Limit: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("while it waits: %v", err)
	}
}

// However long the words are that senders choose, memory stays bounded, and the
// newest one is there.
func TestBytesAreBounded(t *testing.T) {
	const size = 50
	r := NewRing(size)
	long := strings.Repeat("x", 1<<16)
	for i := range 4 * size {
		big := sample(fmt.Sprint(i), noon())
		big.From, big.HELO, big.MessageID, big.Reply = long, long, long, long
		big.Rcpts = make([]string, 50)
		for j := range big.Rcpts {
			big.Rcpts[j] = long
		}
		big.RcptCount = 1000
		r.Add(big)
		if r.bytes > perTransaction*size {
			t.Fatalf("%d bytes are kept", r.bytes)
		}
	}
	found, _ := r.Find(t.Context(), &Query{Limit: size})
	if found.Kept == 0 || found.Kept >= size || found.Transactions[0].ID != fmt.Sprint(4*size-1) {
		t.Errorf("%d are kept, the newest is %s", found.Kept, found.Transactions[0].ID)
	}
	if last := found.Transactions[0]; len(last.Rcpts) != maxRcpts || last.RcptCount != 1000 || len(last.Reply) != maxReply {
		t.Errorf("%d recipients of %d, a reply of %d bytes", len(last.Rcpts), last.RcptCount, len(last.Reply))
	}
}

// The ring is what its model is: the last of a list.
func TestRingAgainstItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(0, 6).Draw(t, "size")
		r, model := NewRing(size), []string{}
		for i := range rapid.IntRange(0, 30).Draw(t, "steps") {
			if rapid.IntRange(0, 5).Draw(t, "what") == 0 {
				size = rapid.IntRange(0, 6).Draw(t, "new size")
				r.Resize(size)
			} else {
				id := fmt.Sprint(i)
				r.Add(&Transaction{ID: id, Time: noon()})
				model = append([]string{id}, model...)
			}
			model = model[:min(len(model), size)]
			found, err := r.Find(context.Background(), &Query{Limit: 100})
			var got []string
			for i := range found.Transactions {
				got = append(got, found.Transactions[i].ID)
			}
			if err != nil || strings.Join(got, " ") != strings.Join(model, " ") {
				t.Fatalf("got %v, want %v (%v)", got, model, err)
			}
		}
	})
}

func TestManyAtOnce(t *testing.T) {
	r := NewRing(100)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 100 {
				r.Add(sample("a", noon()))
			}
		})
		all.Go(func() {
			for range 5 {
				if _, err := r.Find(t.Context(), &Query{Limit: 5}); err != nil {
					t.Error(err)
				}
				r.Resize(100)
			}
		})
	}
	all.Wait()
	if got := len(find(t, r, Query{})); got != 100 {
		t.Errorf("%d are kept", got)
	}
}

// A page for dozens is all that is allocated.
func TestAddAllocatesNothing(t *testing.T) {
	r, one := NewRing(10), sample("a", noon())
	if n := testing.AllocsPerRun(1000, func() { r.Add(one) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAdd(b *testing.B) {
	r, one := NewRing(100_000), sample("a", noon())
	b.ReportAllocs()
	for b.Loop() {
		r.Add(one)
	}
	b.ReportMetric(float64(r.bytes)/float64(max(r.count, 1)), "B/transaction")
}

func BenchmarkFind(b *testing.B) {
	r := NewRing(100_000)
	for range 100_000 {
		r.Add(sample("a", noon()))
	}
	for b.Loop() {
		if _, err := r.Find(b.Context(), &Query{ID: "none", Limit: 1}); err != nil {
			b.Fatal(err)
		}
	}
}
