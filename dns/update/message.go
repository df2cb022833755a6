package update

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	mdns "github.com/miekg/dns"

	"weir/dns"
)

// written are the types that weir writes: where one of them, or an alias, stands
// without an owner, the name is somebody else's.
var written = [...]uint16{mdns.TypeA, mdns.TypeAAAA, mdns.TypeMX, mdns.TypeSRV}

// txtTTL is for the records about ownership and epoch, which only weir reads, and at
// the primary.
const txtTTL = 60

// message is the change as an update (RFC 2136 section 2), with what was read just now
// as prerequisites. Its records are made anew each time: the library changes them.
func (t *Target) message(before view, next stamp, change dns.Change) *mdns.Msg {
	m := new(mdns.Msg)
	m.SetUpdate(t.zone)
	epoch := dns.EpochName(t.owner, t.zone)
	replaceTXT(m, epoch, next.String(), before.stamp != stamp{}, before.stamp.String())
	for _, name := range change.Claim {
		if before.owners[name] == t.owner {
			require(m, dns.OwnerName(name), ownerPrefix+t.owner)
			continue
		}
		replaceTXT(m, dns.OwnerName(name), ownerPrefix+t.owner, false, "")
		for _, kind := range append(written[:], mdns.TypeCNAME) {
			m.RRsetNotUsed([]mdns.RR{bare(name, kind)})
		}
	}
	for _, name := range owned(before, change) {
		require(m, dns.OwnerName(name), ownerPrefix+t.owner)
	}
	for _, name := range change.Release {
		if before.owners[name] != "" {
			m.RemoveRRset([]mdns.RR{bare(dns.OwnerName(name), mdns.TypeTXT)})
		}
	}
	for _, set := range change.Put {
		// Knot ignores an insert that differs in the TTL only, and without the removal
		// what is there already would stay.
		m.RemoveRRset([]mdns.RR{bare(set.Name.Name, set.Type)})
		rrs, _ := records(set) // checked before
		m.Insert(rrs)
	}
	return m
}

// replaceTXT writes a TXT that, at the server too, must say was, or not be there.
func replaceTXT(m *mdns.Msg, name, text string, present bool, was string) {
	if present {
		require(m, name, was)
		m.RemoveRRset([]mdns.RR{bare(name, mdns.TypeTXT)})
	} else {
		m.RRsetNotUsed([]mdns.RR{bare(name, mdns.TypeTXT)})
	}
	m.Insert([]mdns.RR{txt(name, text)})
}

// require makes a TXT, to the letter, a prerequisite.
func require(m *mdns.Msg, name, text string) {
	m.Used([]mdns.RR{txt(name, text)})
}

func txt(name, text string) mdns.RR {
	return &mdns.TXT{Hdr: mdns.RR_Header{Name: name, Rrtype: mdns.TypeTXT, Class: mdns.ClassINET, Ttl: txtTTL}, Txt: []string{text}}
}

// bare is an RRset's key as the library wants it.
func bare(name string, kind uint16) mdns.RR {
	return &mdns.ANY{Hdr: mdns.RR_Header{Name: name, Rrtype: kind, Class: mdns.ClassINET}}
}

// records makes the records of a set, all of it or none.
func records(set dns.Set) ([]mdns.RR, error) {
	rrs := make([]mdns.RR, 0, len(set.Records))
	for _, data := range set.Records {
		// A line break would end the record and hide the rest.
		text := fmt.Sprintf("%s %d IN %s %s", set.Name.Name, set.TTL, mdns.TypeToString[set.Type], strings.ReplaceAll(data, "\n", "?"))
		rr, err := mdns.NewRR(text)
		if err != nil {
			return nil, fmt.Errorf("making a record of %s: %q is none: %w", label(set.Name), data, err)
		}
		if rr == nil || rr.Header().Rrtype != set.Type || !slices.Contains(written[:], set.Type) {
			return nil, fmt.Errorf("making a record of %s: %q is none that weir writes", label(set.Name), data)
		}
		rrs = append(rrs, rr)
	}
	return rrs, nil
}

// data is a record's rdata in presentation form, as in [dns.Set].
func data(rr mdns.RR) string {
	switch rr := rr.(type) {
	case *mdns.A:
		if addr, ok := netip.AddrFromSlice(rr.A); ok {
			return addr.Unmap().String()
		}
	case *mdns.AAAA:
		if addr, ok := netip.AddrFromSlice(rr.AAAA); ok {
			return addr.String()
		}
	}
	// Names compare without case, and servers do not keep it faithfully.
	return strings.ToLower(strings.TrimPrefix(rr.String(), rr.Header().String()))
}

// touched are the names that a change is about, each once, in order.
func touched(change dns.Change) []string {
	names := slices.Concat(change.Claim, change.Release)
	for _, set := range change.Put {
		names = append(names, set.Name.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// asked are the sets that are read before and after a change.
func asked(change dns.Change) []dns.Name {
	var names []dns.Name
	for _, set := range change.Put {
		names = append(names, set.Name)
	}
	for _, name := range change.Claim {
		for _, kind := range written {
			names = append(names, dns.Name{Name: name, Type: kind})
		}
	}
	for _, name := range change.Release {
		names = append(names, dns.Name{Name: name, Type: mdns.TypeA}) // any: the owner beside it is meant
	}
	return names
}

// owned are the names of a change that must be ours already.
func owned(before view, change dns.Change) []string {
	return slices.DeleteFunc(touched(change), func(name string) bool {
		return slices.Contains(change.Claim, name) || before.owners[name] == ""
	})
}

// label is a set's key for people: "mx.example.com. A".
func label(n dns.Name) string {
	return n.Name + " " + mdns.TypeToString[n.Type]
}
