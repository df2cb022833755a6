package update

import (
	"testing"

	mdns "github.com/miekg/dns"
	"pgregory.net/rapid"

	"weir/dns"
)

// A change that was believed lost and arrives after a later one must not undo it.
func TestLateChangeIsRefused(t *testing.T) {
	onEach(t, func(t *testing.T, p *primary) {
		target, a := published(t, p)
		c, err := target.dial(t.Context(), p.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.end()
		a.Records = []string{"192.0.2.66"}
		change := within(1, a)
		before, err := target.look(t.Context(), c, asked(change))
		if err != nil {
			t.Fatal(err)
		}
		late := target.message(before, target.stamp(before.stamp, change), change)
		a.Records = []string{"192.0.2.1"}
		mustWrite(t, target, within(1, a)) // the same term, the same writer
		unharmed(t, p, func() {
			reply, err := c.ask(t.Context(), []*mdns.Msg{late})
			if err != nil || reply[0].Rcode != mdns.RcodeNXRrset {
				t.Errorf("the late change: %v, %v; want NXRRSET", reply, err)
			}
		})
	})
}

func TestStamp(t *testing.T) {
	for text, want := range map[string]stamp{
		"epoch=7":                          {epoch: 7},
		"epoch=7 writer=9f2c61d0 change=1": {epoch: 7, writer: "9f2c61d0", change: 1},
	} {
		if got, ok := parseStamp(text); got != want || !ok {
			t.Errorf("parseStamp(%q) = %+v, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "epoch=", "epoch=0", "epoch=-1", "epoch=07", "epoch=7 ", "epoch=7 writer=a", "epoch=7  writer=a change=1", "epoch=7 writer=a change=1 x", "v=spf1 -all", "epoch=99999999999999999999"} {
		if got, ok := parseStamp(text); ok {
			t.Errorf("parseStamp(%q) = %+v", text, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := stamp{epoch: dns.Epoch(rapid.Uint64Min(1).Draw(t, "epoch"))}
		if rapid.Bool().Draw(t, "whole") {
			s.writer, s.change = rapid.StringMatching(`[0-9a-f]{8}`).Draw(t, "writer"), rapid.Uint64().Draw(t, "change")
		}
		if got, ok := parseStamp(s.String()); got != s || !ok {
			t.Fatalf("%+v, written down, is %+v, %v", s, got, ok)
		}
	})
}

func TestOwnerOf(t *testing.T) {
	for _, c := range []struct {
		texts []string
		want  string
	}{
		{[]string{"owner=weir-a"}, "weir-a"},
		{[]string{"weir-a"}, `["weir-a"]`}, // not taken for the owner of that name
		{[]string{"owner="}, `["owner="]`},
		{[]string{"owner=weir-a", "owner=weir-b"}, `["owner=weir-a" "owner=weir-b"]`},
	} {
		if got := ownerOf(c.texts); got != c.want {
			t.Errorf("ownerOf(%q) = %q, want %q", c.texts, got, c.want)
		}
	}
}
