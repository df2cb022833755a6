package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"weir/internal/meant"
)

// mostNames bounds the names in a message.
const mostNames = 5

// connectors returns those of all pools.
func (v *view) connectors() []*connectorView {
	var all []*connectorView
	for i := range v.Pools {
		for j := range v.Pools[i].Backends {
			all = append(all, &v.Pools[i].Backends[j])
		}
	}
	return all
}

// connector returns the one that is meant by POOL/NAME, or by a NAME or an address
// that is unique; its error says which ones there are.
func (v *view) connector(wanted string) (*connectorView, error) {
	found := v.called(wanted)
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return nil, fmt.Errorf("there is no connector %q%s", wanted, instead(wanted, v.names(), ids(v.connectors())))
	default:
		return nil, fmt.Errorf("the name %q is not unique: say which of %s", wanted, listed(ids(found)))
	}
}

// called returns the connectors that a word may mean. Names come first: an address
// counts only where no connector is called that.
func (v *view) called(wanted string) []*connectorView {
	var found, there []*connectorView
	for _, c := range v.connectors() {
		if c.ID == wanted {
			return []*connectorView{c}
		}
		if c.Name == wanted {
			found = append(found, c)
		}
		if sameAddress(c.Address, wanted) {
			there = append(there, c)
		}
	}
	if len(found) == 0 {
		return there
	}
	return found
}

// names returns what a connector may be called: its bare name where it is
// unique, and always pool and name.
func (v *view) names() []string {
	times := map[string]int{}
	for _, c := range v.connectors() {
		times[c.Name]++
	}
	var bare []string
	for _, c := range v.connectors() {
		if times[c.Name] == 1 {
			bare = append(bare, c.Name)
		}
	}
	return append(bare, ids(v.connectors())...)
}

// resolve returns the connectors meant by all the words, each once, or all the
// words that mean none. With gone, a POOL/NAME that is not known is taken as it is:
// weir may still know it.
func (v *view) resolve(words []string, gone bool) ([]*connectorView, error) {
	var found []*connectorView
	var wrong []error
	for _, word := range words {
		c, err := v.connector(word)
		if pool, name, ok := strings.Cut(word, "/"); err != nil && gone && ok && pool != "" && name != "" && len(v.called(word)) == 0 {
			c, err = &connectorView{ID: word}, nil
		}
		if err != nil {
			wrong = append(wrong, err)
		} else if !slices.Contains(ids(found), c.ID) {
			found = append(found, c)
		}
	}
	return found, errors.Join(wrong...)
}

// onHost returns the connectors of all pools that are on a host.
func (v *view) onHost(host string) ([]*connectorView, error) {
	var found []*connectorView
	var hosts []string
	for _, c := range v.connectors() {
		own, _, err := net.SplitHostPort(c.Address)
		if err != nil {
			own = c.Address
		}
		if sameHost(own, host) {
			found = append(found, c)
		}
		hosts = append(hosts, own)
	}
	if len(found) == 0 {
		slices.Sort(hosts)
		hosts = slices.Compact(hosts)
		return nil, fmt.Errorf("no connector is on host %q%s", host, instead(host, hosts, hosts))
	}
	return found, nil
}

// sameHost compares addresses by value, for they may be written in many ways.
func sameHost(a, b string) bool {
	x, errX := netip.ParseAddr(strings.Trim(a, "[]"))
	y, errY := netip.ParseAddr(strings.Trim(b, "[]"))
	if errX == nil && errY == nil {
		return x.Unmap() == y.Unmap()
	}
	return strings.EqualFold(strings.TrimSuffix(a, "."), strings.TrimSuffix(b, "."))
}

// sameAddress compares host and port.
func sameAddress(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	return errA == nil && errB == nil && portA == portB && sameHost(hostA, hostB)
}

func ids(connectors []*connectorView) []string {
	var out []string
	for _, c := range connectors {
		out = append(out, c.ID)
	}
	return out
}

// instead ends the message about an unknown word: with what was probably meant,
// or else with what there is.
func instead(wanted string, known, shown []string) string {
	if len(shown) == 0 {
		return "; there are none"
	}
	if word := meant.Word(wanted, known); word != "" {
		return fmt.Sprintf("; did you mean %q?", word)
	}
	return "; there are " + listed(shown)
}

// listed names a few, and says how many more there are.
func listed(names []string) string {
	if more := len(names) - mostNames; more > 0 {
		return strings.Join(names[:mostNames], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(names, ", ")
}

// backendPath is the path of a connector's resources, for POOL/NAME or a NAME.
func backendPath(name string) string {
	parts := strings.Split(name, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return "/v1/backends/" + strings.Join(parts, "/")
}
