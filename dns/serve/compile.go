package serve

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"

	room "weir/dns"
)

// picture is a zone compiled for answering. It never changes.
type picture struct {
	origin   string // in wire form, lower case, as all keys of nodes
	serial   uint32
	records  []dns.RR // SOA first: what is transferred
	nodes    map[string]*node
	soa      rrset
	negative rrset // the SOA as it stands beside negative answers
	cuts     bool  // there are names that other servers are responsible for
	blank    bool  // weir should publish here, and has never written anything
}

// node is a name that exists, maybe only because one below it does (an empty
// non-terminal, RFC 4592 section 2.2.2).
type node struct {
	sets    []rrset
	cut     *referral
	pending []uint16 // types that weir will publish here and has not yet
}

// rrset is the records of one type, each as it follows its owner on the wire:
// type, class, TTL, length, rdata.
type rrset struct {
	kind   uint16
	rrs    [][]byte
	target string // of a CNAME: the key of where it leads
}

// referral is what is answered for a name that other servers are responsible for.
type referral struct {
	key  string // the name of the cut
	ns   rrset
	ds   *rrset
	glue []glue
}

// glue is an address of a name server below a cut.
type glue struct {
	owner string // wire form
	rr    []byte
}

func (n *node) set(kind uint16) *rrset {
	for i := range n.sets {
		if n.sets[i].kind == kind {
			return &n.sets[i]
		}
	}
	return nil
}

// compile makes the picture of an entry. Records of config that the entry has not
// yet are pending.
func compile(origin string, e *entry, ours []room.Record) (*picture, error) {
	list, err := e.all(origin)
	if err != nil {
		return nil, err
	}
	key, err := wireName(origin)
	if err != nil {
		return nil, err
	}
	p := &picture{origin: key, serial: e.Serial, records: list, nodes: map[string]*node{}, blank: len(e.Sets) == 0 && len(ours) > 0}
	for _, rr := range list {
		if err := p.add(rr); err != nil {
			return nil, err
		}
	}
	for _, r := range ours {
		if err := p.await(e, r); err != nil {
			return nil, err
		}
	}
	soa := list[0].(*dns.SOA)
	p.soa = *p.nodes[key].set(dns.TypeSOA)
	p.negative = p.soa
	negative := slices.Clone(p.soa.rrs[0])
	binary.BigEndian.PutUint32(negative[4:], min(soa.Hdr.Ttl, soa.Minttl)) // RFC 2308 section 5
	p.negative.rrs = [][]byte{negative}
	p.delegate()
	return p, nil
}

// add puts a record into its node, and makes the nodes above it.
func (p *picture) add(rr dns.RR) error {
	owner, packed, err := pack(rr)
	if err != nil {
		return err
	}
	n := p.node(owner)
	kind := rr.Header().Rrtype
	set := n.set(kind)
	if set == nil {
		n.sets = append(n.sets, rrset{kind: kind})
		set = &n.sets[len(n.sets)-1]
	}
	set.rrs = append(set.rrs, packed)
	if cname, is := rr.(*dns.CNAME); is {
		if set.target, err = wireName(cname.Target); err != nil {
			return err
		}
	}
	return nil
}

// await notes what is not published yet.
func (p *picture) await(e *entry, r room.Record) error {
	families := []uint16{r.Type}
	if r.Type == dns.TypeA || r.Type == dns.TypeAAAA {
		families = []uint16{dns.TypeA, dns.TypeAAAA}
	}
	for _, s := range e.Sets {
		if s.Name == r.Name && slices.Contains(families, s.key().Type) {
			return nil
		}
	}
	key, err := wireName(r.Name)
	if err != nil {
		return err
	}
	if !strings.HasSuffix(key, p.origin) {
		return fmt.Errorf("%s is outside the zone", r.Name)
	}
	n := p.node(key)
	for _, kind := range families {
		// Until then what the zone file has is better than nothing.
		if n.set(kind) == nil {
			n.pending = append(n.pending, kind)
		}
	}
	return nil
}

// node returns the node of that key, made if need be together with those above.
func (p *picture) node(key string) *node {
	if n := p.nodes[key]; n != nil {
		return n
	}
	n := &node{}
	p.nodes[key] = n
	if len(key) > len(p.origin) {
		p.node(parent(key))
	}
	return n
}

// delegate makes the referrals of names with NS below the zone's own.
func (p *picture) delegate() {
	for key, n := range p.nodes {
		ns := n.set(dns.TypeNS)
		if ns == nil || key == p.origin {
			continue
		}
		p.cuts = true
		n.cut = &referral{key: key, ns: *ns, ds: n.set(dns.TypeDS)}
		for _, rr := range ns.rrs {
			target := strings.ToLower(string(rr[10:])) // rdata, packed without compression
			host := p.nodes[target]
			if host == nil {
				continue
			}
			for _, set := range host.sets {
				if set.kind != dns.TypeA && set.kind != dns.TypeAAAA {
					continue
				}
				for _, address := range set.rrs {
					n.cut.glue = append(n.cut.glue, glue{target, address})
				}
			}
		}
	}
}

// parent returns the key without its first label; key is not the root's.
func parent(key string) string { return key[1+int(key[0]):] }

// wireName returns a name in wire form and lower case.
func wireName(name string) (string, error) {
	buf := make([]byte, 256)
	n, err := dns.PackDomainName(dns.CanonicalName(name), buf, 0, nil, false)
	if err != nil {
		return "", fmt.Errorf("packing the name %s: %w", name, err)
	}
	return string(buf[:n]), nil
}

// pack returns a record's owner as a key, and the rest of it.
func pack(rr dns.RR) (owner string, rest []byte, err error) {
	if owner, err = wireName(rr.Header().Name); err != nil {
		return "", nil, err
	}
	buf := make([]byte, dns.Len(rr)+1)
	n, err := dns.PackRR(rr, buf, 0, nil, false)
	if err != nil {
		return "", nil, fmt.Errorf("packing %s: %w", rr, err)
	}
	return owner, slices.Clip(buf[len(owner):n]), nil
}
