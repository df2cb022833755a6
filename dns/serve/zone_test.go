package serve

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
	"pgregory.net/rapid"

	room "weir/dns"
)

func TestWriteIsFencedAndOwned(t *testing.T) {
	mx := addresses("mx.mail.test.", 60, "192.0.2.1")
	claim := []string{"mx.mail.test."}
	for _, c := range []struct {
		what   string
		change room.Change
		want   error
		words  string
	}{
		{"a stale epoch", room.Change{Owner: testOwner, Was: 0, Becomes: 1, Put: []room.Set{mx}}, room.ErrFenced, "epoch 1"},
		{"an epoch skipped", room.Change{Owner: testOwner, Was: 1, Becomes: 3}, room.ErrRefused, "does not follow"},
		{"another owner's claim", room.Change{Owner: "weir-b", Becomes: 1, Claim: claim}, room.ErrForeign, "belongs to weir-test"},
		{"another owner's record", room.Change{Owner: "weir-b", Becomes: 1, Put: []room.Set{mx}}, room.ErrForeign, "mx.mail.test."},
		{"not claimed", room.Change{Owner: testOwner, Was: 1, Becomes: 1, Put: []room.Set{addresses("x.mail.test.", 60, "192.0.2.1")}}, room.ErrForeign, "claimed first"},
		{"an empty set", room.Change{Owner: testOwner, Was: 1, Becomes: 1, Put: []room.Set{addresses("mx.mail.test.", 60)}}, room.ErrRefused, "never emptied"},
		{"no address", room.Change{Owner: testOwner, Was: 1, Becomes: 1, Put: []room.Set{addresses("mx.mail.test.", 60, "mx-a")}}, room.ErrRefused, "no record"},
		{"outside", room.Change{Owner: testOwner, Was: 1, Becomes: 1, Put: []room.Set{addresses("mx.example.", 60, "192.0.2.1")}, Claim: []string{"mx.example."}}, room.ErrRefused, "outside"},
		{"half of it good", room.Change{Owner: testOwner, Was: 1, Becomes: 2, Put: []room.Set{addresses("mx.mail.test.", 60, "192.0.2.77"), addresses("y.mail.test.", 60, "192.0.2.1")}}, room.ErrForeign, "y.mail.test."},
	} {
		z := newZone(t, testConfig(), newMemory())
		publish(t, z, mx)
		before := z.picture.Load().serial
		err := z.Write(t.Context(), c.change)
		if !errors.Is(err, c.want) || !strings.Contains(fmt.Sprint(err), c.words) {
			t.Errorf("%s: %v", c.what, err)
		}
		state, err := z.Read(t.Context(), []room.Name{mx.Name})
		if err != nil || state.Serial != before || state.Epoch != 1 || !slices.Equal(state.Sets[0].Records, mx.Records) {
			t.Errorf("%s changed something: %+v, %v", c.what, state, err)
		}
	}
}

func TestReleaseLeavesTheRecords(t *testing.T) {
	z := newZone(t, testConfig(), newMemory())
	mx := addresses("mx.mail.test.", 60, "192.0.2.1")
	publish(t, z, mx)
	if err := z.Write(t.Context(), room.Change{Owner: testOwner, Was: 1, Becomes: 1, Release: []string{"mx.mail.test."}}); err != nil {
		t.Fatal(err)
	}
	s := NewServer(z)
	if got := addressesOf(ask(t, s, question("mx.mail.test.", dns.TypeA))); !slices.Equal(got, mx.Records) {
		t.Errorf("the records are %v", got)
	}
	if got := show(ask(t, s, question("_weir.mx.mail.test.", dns.TypeTXT))); !strings.HasPrefix(got, "NXDOMAIN") {
		t.Errorf("the ownership: %s", got)
	}
}

func TestSerials(t *testing.T) {
	for _, c := range []struct{ old, now, want uint32 }{
		{0, 1795000000, 1795000000},
		{1795000000, 1795000000, 1795000001},
		{1795000007, 1795000001, 1795000008}, // several changes in a second
		{2026112201, 1795000000, 2026112202}, // a date was there before
		{4294967295, 1795000000, 1795000000}, // RFC 1982: the time is the newer one
		{4294967295, 4294967290, 1},
	} {
		if got := nextSerial(c.old, c.now); got != c.want {
			t.Errorf("after %d at %d comes %d, want %d", c.old, c.now, got, c.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		old, now := rapid.Uint32Min(1).Draw(t, "old"), rapid.Uint32Min(1).Draw(t, "now")
		if next := nextSerial(old, now); !newer(next, old) || next == 0 {
			t.Fatalf("%d does not follow %d", next, old)
		}
	})
}

func TestSerialGoesOnFromTheZoneFile(t *testing.T) {
	cfg := withFile(t, testConfig(), "@ SOA ns. mbox. 2026112201 1 1 1 1\n")
	z := newZone(t, cfg, newMemory())
	if got := z.picture.Load().serial; got != 2026112202 {
		t.Errorf("the serial is %d", got)
	}
}

// What was released is handed over again by a TXT record in the zone file.
func TestZoneFileHandsOver(t *testing.T) {
	store, mx := newMemory(), addresses("mx.mail.test.", 60, "192.0.2.1")
	z := newZone(t, testConfig(), store)
	publish(t, z, mx)
	if err := z.Write(t.Context(), room.Change{Owner: testOwner, Was: 1, Becomes: 1, Release: []string{"mx.mail.test."}}); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{"": "", "_weir.mx TXT \"owner=weir-test\"\n": testOwner} {
		state, err := newZone(t, withFile(t, testConfig(), file), store).Read(t.Context(), []room.Name{mx.Name})
		if err != nil || state.Owners["mx.mail.test."] != want || len(state.Sets) != 1 {
			t.Errorf("%q: %+v, %v", file, state, err)
		}
	}
}

// Replicas over one store serve the same, whoever writes.
func TestReplicasServeTheSame(t *testing.T) {
	store := newMemory()
	zones := []*Zone{newZone(t, testConfig(), store), newZone(t, testConfig(), store), newZone(t, testConfig(), store)}
	var addrs []string
	for _, z := range zones {
		addrs = append(addrs, start(t, NewServer(z), z))
	}
	for i := range 4 {
		publish(t, zones[i%3], addresses("mx.mail.test.", 60, fmt.Sprintf("192.0.2.%d", i+1)))
		serial := zones[i%3].picture.Load().serial
		for _, address := range addrs {
			eventually(t, "serves the same", func() bool {
				soa := look(t.Context(), address, testZone, dns.TypeSOA)
				return soa != nil && len(soa.Answer) == 1 && soa.Answer[0].(*dns.SOA).Serial == serial &&
					slices.Equal(addressesOf(look(t.Context(), address, "mx.mail.test.", dns.TypeA)), []string{fmt.Sprintf("192.0.2.%d", i+1)})
			})
		}
	}
}

// Of writers that compete for a term one wins; the serial counts every change.
func TestCompetingWriters(t *testing.T) {
	store := NewFileStore(t.TempDir(), testZone)
	newZone(t, testConfig(), store)
	const writers, rounds = 8, 5
	for round := range rounds {
		var wg sync.WaitGroup
		errs := make([]error, writers)
		for i := range writers {
			z, err := NewZone(testConfig(), store, func(string) {})
			if err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				errs[i] = z.Write(t.Context(), room.Change{Owner: testOwner, Was: room.Epoch(round), Becomes: room.Epoch(round + 1), Claim: []string{"mx.mail.test."}})
			})
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else if !errors.Is(err, room.ErrFenced) {
				t.Error(err)
			}
		}
		if won != 1 {
			t.Errorf("round %d: %d winners", round, won)
		}
	}
}

// A change by another owner in between is no loss of ours.
func TestAChangeInBetweenIsKept(t *testing.T) {
	store := newMemory()
	a, b := newZone(t, testConfig(), store), newZone(t, testConfig(), store)
	store.before = func() {
		if err := b.Write(t.Context(), room.Change{Owner: "weir-b", Becomes: 1, Claim: []string{"b.mail.test."}, Put: []room.Set{addresses("b.mail.test.", 60, "192.0.2.8")}}); err != nil {
			t.Error(err)
		}
	}
	publish(t, a, addresses("mx.mail.test.", 60, "192.0.2.1"))
	s := NewServer(a)
	for name, want := range map[string]string{"mx.mail.test.": "192.0.2.1", "b.mail.test.": "192.0.2.8"} {
		if got := addressesOf(ask(t, s, question(name, dns.TypeA))); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A store that lost everything, or fails, takes nothing away.
func TestStoreThatForgets(t *testing.T) {
	store := newMemory()
	z := newZone(t, testConfig(), store)
	publish(t, z, addresses("mx.mail.test.", 60, "192.0.2.1"))
	var told notes
	z.note = told.add
	s := NewServer(z)
	serves := func() bool {
		return slices.Equal(addressesOf(ask(t, s, question("mx.mail.test.", dns.TypeA))), []string{"192.0.2.1"})
	}
	set := func(data []byte, version uint64, fail error) {
		store.mu.Lock()
		defer store.mu.Unlock()
		store.data, store.version, store.fail = data, version, fail
		close(store.changed)
		store.changed = make(chan struct{})
	}
	data, version, _ := store.Load(t.Context())
	start(t, s, z)
	set(nil, 0, errors.New("away"))
	eventually(t, "told", func() bool { return told.told("away; what was known is served") })
	if !serves() {
		t.Error("nothing is served while the store is away")
	}
	set(nil, 0, nil)
	eventually(t, "restored", func() bool {
		got, _, err := store.Load(t.Context())
		return err == nil && string(got) == string(data)
	})
	set([]byte(`{"format":9}`), version+5, nil)
	eventually(t, "told", func() bool { return told.told("run the same version everywhere") })
	if !serves() {
		t.Error("an entry of another version took the zone away")
	}
}

func TestUnknownOutcome(t *testing.T) {
	store := newMemory()
	z := newZone(t, testConfig(), store)
	store.before = func() {
		store.mu.Lock()
		defer store.mu.Unlock()
		store.fail = errors.New("connection lost")
	}
	err := z.Write(t.Context(), room.Change{Owner: testOwner, Becomes: 1})
	if !errors.Is(err, room.ErrUnknownOutcome) {
		t.Error(err)
	}
}

func TestFileStore(t *testing.T) {
	dir := t.TempDir()
	store := NewFileStore(dir, testZone)
	ctx := context.Background()
	if data, version, err := store.Load(ctx); data != nil || version != 0 || err != nil {
		t.Fatal(data, version, err)
	}
	for i, c := range []struct {
		version uint64
		ok      bool
	}{{1, false}, {0, true}, {0, false}, {1, true}, {1, false}} {
		ok, err := store.Swap(ctx, fmt.Appendf(nil, `{"n":%d}`, i), c.version)
		if ok != c.ok || err != nil {
			t.Errorf("swap %d: %v, %v", i, ok, err)
		}
	}
	if data, version, err := store.Load(ctx); string(data) != `{"n":3}` || version != 2 || err != nil {
		t.Errorf("%s %d %v", data, version, err)
	}
	file := filepath.Join(dir, "zone-mail.test.json")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for n := range whole[:len(whole)-2] { // torn, at any place
		if err := os.WriteFile(file, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := store.Load(ctx); err == nil || !strings.Contains(err.Error(), "set aside as "+file+".broken") {
			t.Fatalf("torn after %d: %v", n, err)
		}
		if _, version, err := store.Load(ctx); version != 0 || err != nil {
			t.Fatal(version, err)
		}
	}
}

// A restart serves what was there, without anybody writing.
func TestRestartServesTheSame(t *testing.T) {
	store := NewFileStore(t.TempDir(), testZone)
	publish(t, newZone(t, testConfig(), store), addresses("mx.mail.test.", 60, "192.0.2.1"))
	z, err := NewZone(testConfig(), store, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	address := start(t, NewServer(z), z)
	eventually(t, "serves", func() bool {
		return slices.Equal(addressesOf(look(t.Context(), address, "mx.mail.test.", dns.TypeA)), []string{"192.0.2.1"})
	})
}

// A replica that starts while the shared store is away answers what it did before.
func TestCopyServesWhileTheStoreIsAway(t *testing.T) {
	shared, local := newMemory(), NewFileStore(t.TempDir(), testZone)
	begin := func() (z *Zone, address string) {
		z, err := NewZone(testConfig(), shared, func(string) {})
		if err != nil {
			t.Fatal(err)
		}
		if err := z.KeepCopy(t.Context(), local); err != nil {
			t.Fatal(err)
		}
		return z, start(t, NewServer(z), z)
	}
	first, _ := begin()
	publish(t, first, addresses("mx.mail.test.", 60, "192.0.2.1"))
	eventually(t, "copied", func() bool {
		data, _, err := local.Load(t.Context())
		return err == nil && strings.Contains(string(data), "192.0.2.1")
	})
	shared.mu.Lock()
	shared.fail = errors.New("away")
	shared.mu.Unlock()
	second, address := begin()
	if got := addressesOf(look(t.Context(), address, "mx.mail.test.", dns.TypeA)); !slices.Equal(got, []string{"192.0.2.1"}) {
		t.Errorf("while the store is away: %v", got)
	}
	if err := second.Write(t.Context(), room.Change{Owner: testOwner, Was: 1, Becomes: 2}); err == nil || errors.Is(err, room.ErrFenced) {
		t.Errorf("a write without the store: %v", err)
	}
}
