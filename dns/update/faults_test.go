package update

import (
	"maps"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	mdns "github.com/miekg/dns"

	"weir/dns"
)

// published writes a first set and returns it with the target that did it.
func published(t *testing.T, p *primary) (*Target, dns.Set) {
	t.Helper()
	a := set(mx, mdns.TypeA, 60, "192.0.2.1", "192.0.2.2")
	target := p.target()
	mustWrite(t, target, claim(0, a))
	return target, a
}

// unharmed runs what fails and compares the whole zone before and after.
func unharmed(t *testing.T, p *primary, do func()) {
	t.Helper()
	before := p.dump()
	do()
	if after := p.dump(); !maps.Equal(before, after) {
		t.Errorf("the zone was changed from %v to %v", before, after)
	}
}

func TestWrongKeys(t *testing.T) {
	onEach(t, func(t *testing.T, p *primary) {
		_, a := published(t, p)
		for _, c := range []struct {
			name string
			key  dns.Key
			kind error
			want string
		}{
			{"unknown key", dns.Key{Name: "weird.", Algorithm: weirKey.Algorithm, Secret: secret}, dns.ErrRefused, "does not know the key weird."},
			{"other secret", dns.Key{Name: "weir.", Algorithm: weirKey.Algorithm, Secret: rootKey.Secret}, dns.ErrRefused, "another secret for the key weir."},
			{"other algorithm", dns.Key{Name: "weir.", Algorithm: mdns.HmacSHA512, Secret: secret}, dns.ErrRefused, "does not know the key weir. with hmac-sha512."},
		} {
			t.Run(c.name, func(t *testing.T) {
				unharmed(t, p, func() {
					target := targetAt(c.key, p.addr)
					wantErr(t, target.Write(t.Context(), begin(1, a)), c.kind, c.want)
					_, err := target.Read(t.Context(), names(a))
					wantErr(t, err, c.kind, c.want)
				})
			})
		}
		key := weirKey
		key.Name = "WEIR"
		mustWrite(t, targetAt(key, p.addr), begin(1, a))
	})
}

func TestWrongClock(t *testing.T) {
	onEach(t, func(t *testing.T, p *primary) {
		target, a := published(t, p)
		unharmed(t, p, func() {
			target.now = func() time.Time { return time.Now().Add(-time.Hour) }
			wantErr(t, target.Write(t.Context(), within(1, a)), nil, "BADTIME", "apart")
		})
		target.now = time.Now // NTP has set it
		mustWrite(t, target, within(1, a))
	})
}

func TestRefusedName(t *testing.T) {
	onEach(t, func(t *testing.T, p *primary) {
		target, a := published(t, p)
		unharmed(t, p, func() {
			change := claim(1, set("nogrant."+zone, mdns.TypeA, 60, "192.0.2.1"))
			change.Put = append(change.Put, set(mx, mdns.TypeA, 60, "192.0.2.9"))
			words := []string{"REFUSED", "grant weir name nogrant.mail.test. A;", "grant weir name _weir.nogrant.mail.test. TXT;", "grant weir name _epoch.weir-test.mail.test. TXT;"}
			if p.kind == "knot" {
				words = []string{"NOTAUTH", "no acl of the zone allows", "nogrant.mail.test. A, mx.mail.test. A, _weir.nogrant.mail.test. TXT"}
			}
			wantErr(t, target.Write(t.Context(), change), dns.ErrRefused, words...)
		})
		mustWrite(t, target, within(1, a))
	})
}

func TestNoSuchZone(t *testing.T) {
	onEach(t, func(t *testing.T, p *primary) {
		target := New(dns.Config{Zone: "else.test.", Owner: owner, Update: &dns.Update{Servers: []string{p.addr}, Key: weirKey}})
		_, err := target.Read(t.Context(), nil)
		wantErr(t, err, dns.ErrRefused, "REFUSED", "it has no zone else.test.")
		target = New(dns.Config{Zone: "sub." + zone, Owner: owner, Update: &dns.Update{Servers: []string{p.addr}, Key: weirKey}})
		_, err = target.Read(t.Context(), nil)
		wantErr(t, err, dns.ErrRefused, "has no zone sub.mail.test.")
	})
}

func TestMXWithoutAddress(t *testing.T) {
	t.Parallel()
	p := startPrimary(t, "bind")
	unharmed(t, p, func() {
		change := claim(0, set(zone, mdns.TypeMX, 60, "10 mx-a.mail.test."))
		wantErr(t, p.target().Write(t.Context(), change), dns.ErrRefused, "its target mx-a.mail.test. has no address in the zone")
	})
}

func TestAliasAppears(t *testing.T) {
	onEach(t, func(t *testing.T, p *primary) {
		target, a := published(t, p)
		p.edit(nil, []string{"mx.mail.test. 60 A 192.0.2.1", "mx.mail.test. 60 A 192.0.2.2"})
		p.edit([]string{"mx.mail.test. 60 CNAME www.mail.test."}, nil)
		unharmed(t, p, func() {
			wantErr(t, target.Write(t.Context(), within(1, a)), dns.ErrForeign, "alias (CNAME) of www.mail.test.")
		})
		p.edit(nil, []string{"mx.mail.test. 60 CNAME www.mail.test."})
		mustWrite(t, target, within(1, a))
	})
}

// The alias that comes after the reading is only seen in what is read back.
func TestAliasBehindOurBack(t *testing.T) {
	onEach(t, func(t *testing.T, p *primary) {
		target, a := published(t, p)
		c, err := target.dial(t.Context(), p.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.end()
		before, err := target.look(t.Context(), c, asked(within(1, a)))
		if err != nil {
			t.Fatal(err)
		}
		p.edit(nil, []string{"mx.mail.test. 60 A 192.0.2.1", "mx.mail.test. 60 A 192.0.2.2"})
		p.edit([]string{"mx.mail.test. 60 CNAME www.mail.test."}, nil)
		next := target.stamp(before.stamp, within(1, a))
		reply, err := c.ask(t.Context(), []*mdns.Msg{target.message(before, next, within(1, a))})
		if err != nil || reply[0].Rcode != mdns.RcodeSuccess {
			t.Fatalf("the update: %v, %v; want NOERROR", reply, err)
		}
		wantErr(t, target.awaitVisible(t.Context(), c, next, within(1, a)), dns.ErrForeign, "alias (CNAME)")
	})
}

func TestJournalNotWritable(t *testing.T) {
	t.Parallel()
	p := startPrimary(t, "bind")
	a := set(mx, mdns.TypeA, 60, "192.0.2.1")
	journal := filepath.Join(p.dir, "journal")
	if err := os.RemoveAll(journal); err != nil {
		t.Fatal(err)
	}
	unharmed(t, p, func() {
		wantErr(t, p.target().Write(t.Context(), claim(0, a)), nil, "SERVFAIL", "journal")
	})
	p.mkdir("journal")
	mustWrite(t, p.target(), claim(0, a))
}

func TestUnsignedServer(t *testing.T) {
	var sent atomic.Bool
	addr := fake(t, func(w mdns.ResponseWriter, q *mdns.Msg) {
		if q.Opcode == mdns.OpcodeUpdate {
			sent.Store(true)
		}
		m := new(mdns.Msg).SetReply(q)
		m.Authoritative = true
		_ = w.WriteMsg(m)
	})
	err := targetAt(weirKey, addr).Write(t.Context(), claim(0, set(mx, mdns.TypeA, 60, "192.0.2.1")))
	wantErr(t, err, dns.ErrRefused, "without a signature", "not believed")
	if sent.Load() {
		t.Error("it was sent an update")
	}
}

func TestChecks(t *testing.T) {
	target := targetAt(weirKey, "127.0.0.1:1")
	a := set(mx, mdns.TypeA, 60, "192.0.2.1")
	other := begin(0, a)
	other.Owner = "weir-other"
	skips := begin(0, a)
	skips.Becomes = 7
	for want, change := range map[string]dns.Change{
		"of owner weir-other":                other,
		"epoch 7 cannot follow":              skips,
		"epoch 0 cannot follow":              within(0, a),
		"mx.mail.test. A would become empty": begin(0, set(mx, mdns.TypeA, 60)),
		"is not in that zone":                begin(0, set("mx.else.test.", mdns.TypeA, 60, "192.0.2.1")),
		`"192.0.2" is none`:                  begin(0, set(mx, mdns.TypeA, 60, "192.0.2")),
		`\nwww" is none`:                     begin(0, set(mx, mdns.TypeA, 60, "192.0.2.1\nwww")),
		`"\"x\"" is none`:                    begin(0, set(mx, mdns.TypeTXT, 60, `"x"`)),
	} {
		wantErr(t, target.Write(t.Context(), change), nil, want)
	}
}
