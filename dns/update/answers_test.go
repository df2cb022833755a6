package update

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	mdns "github.com/miekg/dns"

	"weir/dns"
)

// signedFake is a server that holds the zone as a real one would, as far as these tests
// go, and that can be told how to answer.
type signedFake struct {
	mu      sync.Mutex
	records []mdns.RR
	stale   []mdns.RR // what it shows for the next lag questions
	lag     int
	read    func(m *mdns.Msg) // changes an answer to a question
	written func(m *mdns.Msg) // changes an answer to an update, which then is not made
}

func (f *signedFake) answer(w mdns.ResponseWriter, q *mdns.Msg) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := new(mdns.Msg).SetReply(q)
	switch {
	case q.Opcode == mdns.OpcodeUpdate && f.written != nil:
		f.written(m)
	case q.Opcode == mdns.OpcodeUpdate:
		f.apply(q.Ns)
	default:
		f.show(m)
		if f.read != nil {
			f.read(m)
		}
	}
	if q.IsTsig() != nil && w.TsigStatus() == nil {
		m.SetTsig(weirKey.Name, weirKey.Algorithm, fudge, time.Now().Unix())
	}
	_ = w.WriteMsg(m)
}

func (f *signedFake) apply(changes []mdns.RR) {
	f.stale = slices.Clone(f.records)
	for _, rr := range changes {
		h := rr.Header()
		if h.Class == mdns.ClassINET {
			f.records = append(f.records, rr)
			continue
		}
		f.records = slices.DeleteFunc(f.records, func(r mdns.RR) bool {
			return r.Header().Name == h.Name && r.Header().Rrtype == h.Rrtype
		})
	}
}

func (f *signedFake) show(m *mdns.Msg) {
	m.Authoritative = true
	from := f.records
	if f.lag > 0 && f.stale != nil {
		f.lag--
		from = f.stale
	}
	for _, rr := range from {
		if h := rr.Header(); h.Name == m.Question[0].Name && h.Rrtype == m.Question[0].Qtype {
			m.Answer = append(m.Answer, rr)
		}
	}
}

func newFake(t *testing.T) *signedFake {
	return &signedFake{records: rrs(t, "mail.test. 60 SOA ns.mail.test. hostmaster.mail.test. 1 3600 600 86400 60")}
}

func TestSlowToShow(t *testing.T) {
	f := newFake(t)
	target := targetAt(weirKey, fake(t, f.answer))
	f.lag = 5 // fewer than are asked in one go
	mustWrite(t, target, claim(0, set(mx, mdns.TypeA, 60, "192.0.2.1")))
	f.mu.Lock()
	if f.lag != 0 {
		t.Errorf("it returned while %d answers were still stale", f.lag)
	}
	f.lag, f.stale = 1<<30, nil
	f.mu.Unlock()
	err := target.Write(t.Context(), within(1, set(mx, mdns.TypeA, 60, "192.0.2.2")))
	wantErr(t, err, nil, "took the change and does not show it", "mx.mail.test. A should be [192.0.2.2] with TTL 60 and is [192.0.2.1] with TTL 60")
}

func TestAnswersToQuestions(t *testing.T) {
	for _, c := range []struct {
		spoil func(m *mdns.Msg)
		kind  error
		want  string
	}{
		{func(m *mdns.Msg) { m.Authoritative = false }, dns.ErrRefused, "no primary of mail.test."},
		{func(m *mdns.Msg) { m.Rcode = mdns.RcodeServerFailure }, nil, "the zone is not loaded"},
		{func(m *mdns.Msg) { m.Rcode = mdns.RcodeRefused }, dns.ErrRefused, "allow-query { key weir; }"},
		{func(m *mdns.Msg) { m.Rcode = mdns.RcodeNotImplemented }, nil, "answers NOTIMP when asked for"},
		{func(m *mdns.Msg) { m.Answer = nil }, dns.ErrRefused, "has no zone mail.test."},
		{func(m *mdns.Msg) { m.Id++ }, nil, "answered what was not asked"},
		{func(m *mdns.Msg) { m.Response = false }, nil, "answered with a question"},
	} {
		f := newFake(t)
		f.read = c.spoil
		_, err := targetAt(weirKey, fake(t, f.answer)).Read(t.Context(), nil)
		wantErr(t, err, c.kind, c.want)
	}
}

func TestAnswersToUpdates(t *testing.T) {
	for _, c := range []struct {
		rcode int
		kind  error
		want  string
	}{
		{mdns.RcodeServerFailure, nil, "journal"},
		{mdns.RcodeRefused, dns.ErrRefused, "update-policy"},
		{mdns.RcodeNotAuth, dns.ErrRefused, "takes no updates of mail.test."},
		{mdns.RcodeNotZone, dns.ErrRefused, "a zone of its own"},
		{mdns.RcodeNotImplemented, dns.ErrRefused, "does not take updates (NOTIMP)"},
		{mdns.RcodeFormatError, dns.ErrRefused, "does not take updates (FORMERR)"},
		{mdns.RcodeNXRrset, nil, "did not hold (NXRRSET) and does now"},
		{mdns.RcodeBadMode, nil, "answers the update with"},
	} {
		f := newFake(t)
		f.written = func(m *mdns.Msg) { m.Rcode = c.rcode }
		if c.rcode > 15 {
			f.written = func(m *mdns.Msg) { m.SetEdns0(1232, false); m.Rcode = c.rcode }
		}
		err := targetAt(weirKey, fake(t, f.answer)).Write(t.Context(), claim(0, set(mx, mdns.TypeA, 60, "192.0.2.1")))
		wantErr(t, err, c.kind, c.want)
	}
}

// Of several servers one is away and one refuses: trying again may help, so it is no refusal.
func TestServersDisagree(t *testing.T) {
	refusing, other := newFake(t), newFake(t)
	refusing.read = func(m *mdns.Msg) { m.Rcode = mdns.RcodeRefused }
	other.read = func(m *mdns.Msg) { m.Rcode = mdns.RcodeServerFailure }
	first, second := fake(t, refusing.answer), fake(t, other.answer)
	_, err := targetAt(weirKey, first, second).Read(t.Context(), nil)
	wantErr(t, err, nil, first, second)
	_, err = targetAt(weirKey, first, first).Read(t.Context(), nil)
	wantErr(t, err, dns.ErrRefused, first)
	other.mu.Lock()
	other.read = nil
	other.mu.Unlock()
	if _, err = targetAt(weirKey, first, second).Read(t.Context(), nil); err != nil {
		t.Errorf("with one that answers: %v", err)
	}
}

// An SRV's target needs an address, too; one that the change itself gives is enough.
func TestTargetsOfRecords(t *testing.T) {
	f := newFake(t)
	f.records = append(f.records, rrs(t, "mx-a.mail.test. 60 A 192.0.2.1")...)
	f.written = func(m *mdns.Msg) { m.Rcode = mdns.RcodeRefused }
	target := targetAt(weirKey, fake(t, f.answer))
	srv := set("_smtp._tcp."+zone, mdns.TypeSRV, 60, "0 1 25 mx-a.mail.test.", "0 1 25 mx-b.mail.test.", "0 1 25 mx.else.test.")
	wantErr(t, target.Write(t.Context(), claim(0, srv)), dns.ErrRefused, "_smtp._tcp.mail.test. SRV", "its target mx-b.mail.test. has no address")
	err := target.Write(t.Context(), claim(0, srv, set("mx-b."+zone, mdns.TypeA, 60, "192.0.2.2")))
	wantErr(t, err, dns.ErrRefused, "update-policy")
	if strings.Contains(err.Error(), "has no address") {
		t.Error("the address in the same change was not seen")
	}
}
