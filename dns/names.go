package dns

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"strconv"
	"strings"

	mdns "github.com/miekg/dns"

	"weir/internal/backend"
)

// maxLabel is the length of a label in octets (RFC 1035 section 2.3.4).
const maxLabel = 63

// addressOf is what DNS shows of a connector: its publish address, or else the one
// that weir dials. The zero Addr: there is none that others could use.
func addressOf(spec backend.Spec) netip.Addr {
	address := spec.Publish
	if !address.IsValid() {
		dialled, err := netip.ParseAddrPort(spec.Address)
		if err != nil {
			return netip.Addr{} // a name: whatever it stands for is not ours to publish
		}
		address = dialled.Addr()
	}
	address = address.Unmap()
	if address.IsUnspecified() || address.IsMulticast() || address.Zone() != "" {
		return netip.Addr{}
	}
	return address
}

func portOf(address string) uint16 {
	port, err := strconv.ParseUint(address[strings.LastIndexByte(address, ':')+1:], 10, 16)
	if err != nil {
		return 25
	}
	return uint16(port)
}

// label makes a connector's name a label of a host name (RFC 1123 section 2.1):
// letters, digits and hyphens. What else it holds becomes a hyphen; a name that is
// too long is cut, and told from others by a sum.
func label(name string) string {
	safe := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			return r
		case 'A' <= r && r <= 'Z':
			return r - 'A' + 'a'
		}
		return '-'
	}, name)
	safe = strings.Trim(safe, "-")
	switch {
	case safe == "":
		return "connector-" + sum(name)
	case len(safe) > maxLabel:
		return strings.TrimRight(safe[:maxLabel-9], "-") + "-" + sum(name)
	}
	return safe
}

func sum(text string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(text)) // never fails
	return fmt.Sprintf("%08x", h.Sum32())
}

// rdata is a member's record of a set, in presentation form.
func rdata(kind uint16, preference uint16, m *member, target string) string {
	switch kind {
	case mdns.TypeMX:
		return fmt.Sprintf("%d %s", clamp(int(preference)+m.cost), target)
	default: // SRV: priority, weight, port, target (RFC 2782)
		return fmt.Sprintf("%d %d %d %s", clamp(m.cost), clamp(m.weight), m.port, target)
	}
}

func clamp(n int) int { return min(max(n, 0), 65535) }

// keyOf is what tells a record from the others of its set: the address, or the
// target. All else in it may change without it being another.
func keyOf(kind uint16, record string) string {
	fields := strings.Fields(strings.ToLower(record))
	at := map[uint16]int{mdns.TypeMX: 1, mdns.TypeSRV: 3}[kind]
	if at >= len(fields) {
		return record
	}
	if address, err := netip.ParseAddr(fields[at]); err == nil {
		return address.Unmap().String()
	}
	return fields[at]
}

// plain is a record as weir spells it.
func plain(kind uint16, record string) string {
	if kind == mdns.TypeA || kind == mdns.TypeAAAA {
		return keyOf(kind, record)
	}
	return strings.Join(strings.Fields(strings.ToLower(record)), " ")
}

// family reports whether an address belongs into a set of that type.
func family(kind uint16, address netip.Addr) bool {
	return address.Is4() == (kind == mdns.TypeA)
}

// String returns the set's name and type as zone files write them.
func (n Name) String() string { return n.Name + " " + mdns.TypeToString[n.Type] }
