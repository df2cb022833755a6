package consul

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"weir/internal/backend"
)

// The keys of a service's Meta that weir reads, and of the tagged address that
// probes are to go to.
const (
	metaName    = "weir_name"
	metaCost    = "weir_cost"
	metaPublish = "weir_publish"
	probeTag    = "probe"
)

// entry is one instance as /v1/health/service tells it: what weir reads of it.
type entry struct {
	Node struct {
		Node    string
		Address string
	}
	Service service
	Checks  []check

	made *made // nil: it has not been made into a spec yet
}

// made is what an entry says to weir.
type made struct {
	spec   backend.Spec
	faults []error
}

type service struct {
	ID              string
	Service         string
	Address         string
	Port            int
	Tags            []string
	Meta            map[string]string
	Weights         struct{ Passing int }
	CreateIndex     uint64 // rises with each new registration
	TaggedAddresses map[string]place
}

type place struct {
	Address string
	Port    int
}

// maxComplaints is how many bad entries are named; the rest is counted.
const maxComplaints = 3

// specsOf makes specs of the entries that have the tag, by node and service, and
// says what is wrong with entries. Those without a usable address are left out,
// other mistakes cost only the value that is mistaken. The entries may be
// reordered.
func specsOf(entries []entry, tag string) (specs []backend.Spec, complaints []string) {
	if !slices.IsSortedFunc(entries, byNode) { // Consul's own order, which a proxy's cache may lose
		slices.SortFunc(entries, byNode)
	}
	bad := 0
	specs = make([]backend.Spec, 0, len(entries))
	owners := make([]*entry, 0, len(entries)) // of the specs
	for i := range entries {
		e := &entries[i]
		if tag != "" && !e.hasTag(tag) {
			continue
		}
		spec, faults := e.spec()
		if bad += len(faults); len(complaints) < maxComplaints {
			for _, f := range faults {
				complaints = append(complaints, fmt.Sprintf("service %q on node %q: %v", e.Service.ID, e.Node.Node, f))
			}
		}
		if spec.Address != "" {
			specs, owners = append(specs, spec), append(owners, e)
		}
	}
	specs, owners, doubles := unify(specs, owners)
	doubles = append(doubles, tellApart(specs, owners)...)
	bad += len(doubles)
	complaints = append(complaints, doubles...)
	if len(complaints) > maxComplaints {
		complaints = complaints[:maxComplaints]
	}
	if bad > len(complaints) {
		complaints = append(complaints, fmt.Sprintf("and %d more mistakes in the registrations", bad-len(complaints)))
	}
	return specs, complaints
}

func byNode(a, b entry) int {
	return cmp.Or(cmp.Compare(a.Node.Node, b.Node.Node), cmp.Compare(a.Service.ID, b.Service.ID))
}

func (e *entry) hasTag(tag string) bool {
	return slices.ContainsFunc(e.Service.Tags, func(t string) bool { return strings.EqualFold(t, tag) })
}

// spec returns the entry's spec; without an address when it has none that can be
// dialled.
func (e *entry) spec() (backend.Spec, []error) {
	if e.made == nil {
		return e.make()
	}
	spec := e.made.spec
	spec.Meta = maps.Clone(spec.Meta) // a spec that is told belongs to others
	return spec, e.made.faults
}

func (e *entry) make() (backend.Spec, []error) {
	var faults []error
	s := &e.Service
	address, err := join(cmp.Or(s.Address, e.Node.Address), s.Port)
	if err != nil {
		return backend.Spec{}, []error{fmt.Errorf("%w; it is left out", err)}
	}
	spec := backend.Spec{Name: e.name(), Address: address, Weight: weightOf(s.Weights.Passing)}
	if spec.Cost, err = costOf(s.Meta[metaCost]); err != nil {
		faults = append(faults, err)
	}
	if spec.Publish, err = publishOf(s.Meta[metaPublish]); err != nil {
		faults = append(faults, err)
	}
	spec.Meta = map[string]string{}
	if p, ok := s.TaggedAddresses[probeTag]; ok {
		at, err := join(cmp.Or(p.Address, s.Address, e.Node.Address), cmp.Or(p.Port, s.Port))
		if err != nil {
			faults = append(faults, fmt.Errorf("tagged address %q: %w; it is ignored", probeTag, err))
		} else {
			spec.Meta["probe"] = at
		}
	}
	e.setStatus(&spec)
	if len(spec.Meta) == 0 {
		spec.Meta = nil
	}
	return spec, faults
}

// join makes host:port of an IP address and a port.
func join(host string, port int) (string, error) {
	if port < 1 || port > 65535 {
		return "", fmt.Errorf("has no port (it says %d): register it with the port where SMTP is spoken", port)
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case host == "":
		return "", errors.New("has no address")
	case err != nil:
		return "", fmt.Errorf("has the address %.80q: register it with an IP address, or list it by name in weir's config", host)
	case ip.IsUnspecified() || ip.IsMulticast():
		return "", fmt.Errorf("has the address %s, which nobody can connect to", ip)
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(port)).String(), nil
}

// name returns what the connector is called: what its Meta says, or its ID. An
// ID that was left out is the service's name, which all instances share; the
// node's name then tells them apart.
func (e *entry) name() string {
	id := e.Service.ID
	if id == e.Service.Service {
		id = cmp.Or(e.Node.Node, id)
	}
	return cleanName(cmp.Or(e.Service.Meta[metaName], id))
}

// weightOf returns a weight that weir knows: 1 … 1000. Consul gives 1 to those
// who name none; 0, which it uses for "none", counts as weir's own default.
func weightOf(passing int) int {
	if passing <= 0 {
		return backend.DefaultWeight
	}
	return min(passing, maxWeight)
}

const maxWeight = 1000

func costOf(text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	cost, err := strconv.ParseUint(strings.TrimSpace(text), 10, 31)
	if err != nil {
		return 0, fmt.Errorf("%s %.40q is not a whole number from 0 up; 0 is used", metaCost, text)
	}
	return int(cost), nil
}

func publishOf(text string) (netip.Addr, error) {
	if text == "" {
		return netip.Addr{}, nil
	}
	ip, err := netip.ParseAddr(strings.TrimSpace(text))
	if err != nil || ip.Zone() != "" || ip.IsUnspecified() || ip.IsMulticast() {
		return netip.Addr{}, fmt.Errorf("%s %.40q is not an IP address that DNS can show; it is ignored", metaPublish, text)
	}
	return ip.Unmap(), nil
}
