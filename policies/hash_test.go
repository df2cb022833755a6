package policies

import (
	"net/netip"
	"testing"
)

func TestKeys(t *testing.T) {
	ip := func(s string) *Request { return &Request{Client: netip.MustParseAddr(s)} }
	from := func(s string) *Request { return &Request{From: s} }
	for _, tt := range []struct {
		name string
		key  Key
		a, b *Request
		same bool
	}{
		{"one client", KeyClient, ip("192.0.2.1"), ip("192.0.2.1"), true},
		{"two clients of a network", KeyClient, ip("192.0.2.1"), ip("192.0.2.2"), false},
		{"an IPv4-mapped client", KeyClient, ip("192.0.2.1"), ip("::ffff:192.0.2.1"), true},
		{"one /24", KeyNetwork, ip("192.0.2.1"), ip("192.0.2.254"), true},
		{"an IPv4-mapped /24", KeyNetwork, ip("::ffff:192.0.2.1"), ip("192.0.2.254"), true},
		{"two /24", KeyNetwork, ip("192.0.2.1"), ip("192.0.3.1"), false},
		{"one /64", KeyNetwork, ip("2001:db8:0:1::1"), ip("2001:db8:0:1:ffff::"), true},
		{"two /64", KeyNetwork, ip("2001:db8:0:1::1"), ip("2001:db8:0:2::1"), false},
		{"clients of one /64", KeyClient, ip("2001:db8:0:1::1"), ip("2001:db8:0:1::2"), false},
		{"a zone", KeyClient, ip("fe80::1%eth0"), ip("fe80::1"), true},
		{"the domain in capitals", KeySender, from("a@example.com"), from("a@EXAMPLE.Com"), true},
		{"the local part in capitals", KeySender, from("a@example.com"), from("A@example.com"), false},
		{"an @ that is quoted", KeySender, from(`"A@b"@example.com`), from(`"a@b"@example.com`), false},
		{"what is on either side of the @", KeySender, from("ab@c"), from("a@bc"), false},
		{"longer than a word", KeySender, from("newsletter-12345678@example.com"), from("newsletter-12345679@example.com"), false},
		{"zeros at the end", KeySender, from("a@example.com"), from("a@example.com\x00"), false},
		{"no domain", KeySender, from("postmaster"), from("Postmaster"), false},
		{"bounces to one", KeySender, &Request{Rcpt: "a@example.com"}, &Request{Rcpt: "a@Example.com"}, true},
		{"bounces to two", KeySender, &Request{Rcpt: "a@example.com"}, &Request{Rcpt: "b@example.com"}, false},
		{"a bounce, and mail of its recipient", KeySender, &Request{Rcpt: "a@example.com"}, from("a@example.com"), false},
		{"the recipient of other mail", KeySender, &Request{From: "x@y", Rcpt: "a@b"}, &Request{From: "x@y", Rcpt: "c@d"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, seed := range []uint64{0, 42} {
				a, okA := tt.key.hash(seed, tt.a)
				b, okB := tt.key.hash(seed, tt.b)
				if !okA || !okB || (a == b) != tt.same {
					t.Errorf("%x (%v) and %x (%v), want the same: %v", a, okA, b, okB, tt.same)
				}
			}
		})
	}
}

func TestNoKey(t *testing.T) {
	for _, tt := range []struct {
		key Key
		r   Request
	}{
		{KeyNone, Request{Client: netip.MustParseAddr("192.0.2.1"), From: "a@b"}},
		{KeyClient, Request{From: "a@b"}},
		{KeyNetwork, Request{}},
		{KeySender, Request{Client: netip.MustParseAddr("192.0.2.1")}},
	} {
		if _, ok := tt.key.hash(0, &tt.r); ok {
			t.Errorf("key %d was found in %+v", tt.key, tt.r)
		}
	}
}

func TestSeedsGiveOtherHashes(t *testing.T) {
	r := &Request{Client: netip.MustParseAddr("192.0.2.1"), From: "a@b"}
	for _, key := range []Key{KeyClient, KeyNetwork, KeySender} {
		a, _ := key.hash(1, r)
		b, _ := key.hash(2, r)
		if a == b {
			t.Errorf("key %d does not know its seed", key)
		}
	}
}

// FuzzKey: whatever senders write, the hash of equal texts is equal, and a letter's
// case counts in the local part only.
func FuzzKey(f *testing.F) {
	f.Add("a@example.com", "b@Example.COM")
	f.Add("", "postmaster")
	f.Add(`"@"@x`, "\x00@\xff")
	f.Fuzz(func(t *testing.T, from, rcpt string) {
		r := &Request{From: from, Rcpt: rcpt}
		a, ok := KeySender.hash(7, r)
		b, _ := KeySender.hash(7, &Request{From: from, Rcpt: rcpt})
		if a != b {
			t.Error("equal requests have other keys")
		}
		if ok != (from != "" || rcpt != "") {
			t.Errorf("key of %q to %q: %v", from, rcpt, ok)
		}
	})
}
