package update

import (
	"errors"
	"maps"
	"reflect"
	"strings"
	"testing"

	mdns "github.com/miekg/dns"

	"weir/dns"
)

const mx = "mx." + zone

func set(name string, kind uint16, ttl uint32, records ...string) dns.Set {
	return dns.Set{Name: dns.Name{Name: name, Type: kind}, TTL: ttl, Records: records}
}

func names(sets ...dns.Set) []dns.Name {
	var all []dns.Name
	for _, s := range sets {
		all = append(all, s.Name)
	}
	return all
}

// begin is the first change of a term.
func begin(was dns.Epoch, put ...dns.Set) dns.Change {
	return dns.Change{Owner: owner, Was: was, Becomes: was + 1, Put: put}
}

// claim is begin of names that nobody has yet.
func claim(was dns.Epoch, put ...dns.Set) dns.Change {
	c := begin(was, put...)
	for _, n := range names(put...) {
		if len(c.Claim) == 0 || c.Claim[len(c.Claim)-1] != n.Name {
			c.Claim = append(c.Claim, n.Name)
		}
	}
	return c
}

// within is a further change of a term.
func within(epoch dns.Epoch, put ...dns.Set) dns.Change {
	return dns.Change{Owner: owner, Was: epoch, Becomes: epoch, Put: put}
}

func mustWrite(t testing.TB, to *Target, change dns.Change) {
	t.Helper()
	if err := to.Write(t.Context(), change); err != nil {
		t.Fatalf("writing %+v: %v", change, err)
	}
}

func mustRead(t testing.TB, from *Target, names ...dns.Name) dns.State {
	t.Helper()
	state, err := from.Read(t.Context(), names)
	if err != nil {
		t.Fatalf("reading: %v", err)
	}
	return state
}

// wantErr wants an error of a kind (nil: none of those of package dns) with some words.
func wantErr(t *testing.T, err, kind error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, k := range []error{dns.ErrFenced, dns.ErrForeign, dns.ErrRefused, dns.ErrUnknownOutcome} {
		if errors.Is(err, k) != (k == kind) {
			t.Errorf("error is %q: %v; want %v: %v", k, errors.Is(err, k), kind, err)
		}
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("error without %q: %v", word, err)
		}
	}
	t.Logf("says: %v", err)
}

func TestWriteIsExact(t *testing.T) {
	onEach(t, func(t *testing.T, p *primary) {
		before := p.dump()
		a := set(mx, mdns.TypeA, 60, "192.0.2.1", "192.0.2.2", "192.0.2.3")
		aaaa := set(mx, mdns.TypeAAAA, 60, "2001:db8::1")
		apex := set(zone, mdns.TypeMX, 120, "10 mx.mail.test.")
		target := p.target()
		if state := mustRead(t, target, names(a, aaaa, apex)...); len(state.Sets) != 0 || len(state.Owners) != 0 || state.Epoch != 0 || state.Serial == 0 {
			t.Errorf("before: %+v", state)
		}
		mustWrite(t, target, claim(0, a, aaaa, apex))
		first := mustRead(t, target, names(a, aaaa, apex)...)
		if want := []dns.Set{apex, a, aaaa}; !reflect.DeepEqual(first.Sets, want) {
			t.Errorf("sets %+v, want %+v", first.Sets, want)
		}
		if want := map[string]string{mx: owner, zone: owner}; !maps.Equal(first.Owners, want) || first.Epoch != 1 {
			t.Errorf("owners %v, epoch %d", first.Owners, first.Epoch)
		}
		a.Records = []string{"192.0.2.1", "192.0.2.3"} // one withdrawn
		mustWrite(t, target, within(1, a))
		a.TTL = 30 // nothing but the TTL
		mustWrite(t, target, within(1, a))
		last := mustRead(t, target, names(a, aaaa, apex)...)
		if want := []dns.Set{apex, a, aaaa}; !reflect.DeepEqual(last.Sets, want) || last.Serial == first.Serial {
			t.Errorf("sets %+v, want %+v; serial %d after %d", last.Sets, want, last.Serial, first.Serial)
		}
		release := within(1)
		release.Release = []string{mx, zone}
		mustWrite(t, target, release)
		mustWrite(t, target, release) // again: nothing to do
		if state := mustRead(t, target, names(a, apex)...); len(state.Owners) != 0 || len(state.Sets) != 2 {
			t.Errorf("after the release: %+v", state)
		}
		after := p.dump()
		for line := range before {
			if !after[line] {
				t.Errorf("foreign record changed: %s", line)
			}
		}
		// Four addresses and an MX of ours, and the epoch: nothing else.
		if got, want := len(after)-len(before), 5; got != want {
			t.Errorf("%d records more than before, want %d: %v", got, want, after)
		}
	})
}

func TestForeignNamesAreLeftAlone(t *testing.T) {
	onEach(t, func(t *testing.T, p *primary) {
		before := p.dump()
		target := p.target()
		a := func(name string) dns.Set { return set(name+"."+zone, mdns.TypeA, 60, "192.0.2.1") }
		wantErr(t, target.Write(t.Context(), claim(0, a("www"))), dns.ErrForeign, "www.mail.test. A exists", `"owner=weir-test"`)
		wantErr(t, target.Write(t.Context(), claim(0, a("alias"))), dns.ErrForeign, "CNAME")
		wantErr(t, target.Write(t.Context(), claim(0, a("other"))), dns.ErrForeign, "belongs to weir-other")
		wantErr(t, target.Write(t.Context(), begin(0, a("mx"))), dns.ErrForeign, "there is no TXT record _weir.mx.mail.test.")
		release := begin(0)
		release.Release = []string{"other." + zone}
		wantErr(t, target.Write(t.Context(), release), dns.ErrForeign, "belongs to weir-other")
		if after := p.dump(); !maps.Equal(before, after) {
			t.Errorf("the zone was touched: %v", after)
		}
		// What a wildcard would say as well is somebody's all the same.
		like := []string{"in.wild.mail.test. 300 A 192.0.2.70"}
		p.edit(like, nil)
		wantErr(t, target.Write(t.Context(), claim(0, a("in.wild"))), dns.ErrForeign, "in.wild.mail.test.", "wildcard")
		p.edit(nil, like)
		// Handed over by its people, a name is ours; and so is one below a wildcard.
		p.edit([]string{`_weir.www.mail.test. 60 TXT "owner=weir-test"`}, nil)
		change := claim(0, a("in.wild"))
		change.Put = append(change.Put, a("www"))
		if state := mustRead(t, target, names(change.Put...)...); len(state.Sets) != 1 || len(state.Owners) != 1 {
			t.Errorf("a wildcard's answers were taken for records: %+v", state)
		}
		mustWrite(t, target, change)
		if state := mustRead(t, target, names(change.Put...)...); len(state.Sets) != 2 || len(state.Owners) != 2 {
			t.Errorf("after the hand-over: %+v", state)
		}
	})
}

// The prerequisites alone keep foreign records safe when they come between reading and
// writing.
func TestForeignBetweenReadAndWrite(t *testing.T) {
	onEach(t, func(t *testing.T, p *primary) {
		target := p.target()
		a := set(mx, mdns.TypeA, 60, "192.0.2.1")
		c, err := target.dial(t.Context(), p.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.end()
		change := claim(0, a)
		stale, err := target.look(t.Context(), c, asked(change))
		if err != nil {
			t.Fatal(err)
		}
		for _, between := range []string{"mx.mail.test. 60 AAAA 2001:db8::9", `_weir.mx.mail.test. 60 TXT "owner=weir-other"`, `_epoch.weir-test.mail.test. 60 TXT "epoch=3"`} {
			p.edit([]string{between}, nil)
			reply, err := c.ask(t.Context(), []*mdns.Msg{target.message(stale, target.stamp(stale.stamp, change), change)})
			if err != nil || reply[0].Rcode != mdns.RcodeYXRrset {
				t.Errorf("with %s: %v, %v; want YXRRSET", between, reply, err)
			}
			p.edit(nil, []string{between})
		}
		mustWrite(t, target, change)
	})
}

func TestCompetingWriters(t *testing.T) {
	const writers, rounds = 9, 12
	onEach(t, func(t *testing.T, p *primary) {
		a := set(mx, mdns.TypeA, 60, "192.0.2.1")
		targets := make([]*Target, writers)
		for i := range targets {
			targets[i] = p.target()
		}
		mustWrite(t, targets[0], claim(0, a))
		for round := range rounds {
			epoch := dns.Epoch(round + 1)
			results := make(chan error, writers)
			for _, target := range targets {
				go func() { results <- target.Write(t.Context(), begin(epoch, a)) }()
			}
			won := 0
			for range writers {
				switch err := <-results; {
				case err == nil:
					won++
				case !errors.Is(err, dns.ErrFenced):
					t.Errorf("round %d: a loser's error: %v", round, err)
				}
			}
			if state := mustRead(t, targets[0], a.Name); won != 1 || state.Epoch != epoch+1 {
				t.Fatalf("round %d: %d winners, epoch %d", round, won, state.Epoch)
			}
		}
	})
}

func TestFencing(t *testing.T) {
	onEach(t, func(t *testing.T, p *primary) {
		a := set(mx, mdns.TypeA, 60, "192.0.2.1")
		old, successor := p.target(), p.target()
		mustWrite(t, old, claim(0, a))
		mustWrite(t, successor, begin(1, a))
		wantErr(t, old.Write(t.Context(), within(1, a)), dns.ErrFenced, "epoch=2 writer=", "own is epoch 1")
		// One that believes that the new epoch is its own, too.
		wantErr(t, old.Write(t.Context(), within(2, a)), dns.ErrFenced)
		mustWrite(t, successor, within(2, a))
		state := mustRead(t, old, a.Name)
		mustWrite(t, old, begin(state.Epoch, a))

		last := mustRead(t, old, a.Name)
		wantErr(t, old.Write(t.Context(), begin(last.Epoch+4, a)), nil, "an older copy of the zone")
		wantErr(t, p.target().Write(t.Context(), within(last.Epoch, a)), dns.ErrFenced) // restarted: a new process, and no new epoch
		p.edit([]string{`_epoch.weir-test.mail.test. 60 TXT "something else"`}, nil)
		_, err := old.Read(t.Context(), []dns.Name{a.Name})
		wantErr(t, err, dns.ErrForeign, "_epoch.weir-test.mail.test. TXT")
		wantErr(t, old.Write(t.Context(), within(last.Epoch, a)), dns.ErrForeign)
		said := []string{`_epoch.weir-test.mail.test. 60 TXT "something else"`}
		for line := range p.dump() {
			if strings.HasPrefix(line, "_epoch.") {
				said = append(said, line)
			}
		}
		p.edit(nil, said)
		wantErr(t, old.Write(t.Context(), within(last.Epoch, a)), nil, "is gone")
		mustWrite(t, old, begin(0, a))
	})
}
