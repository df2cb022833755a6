package serve

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/miekg/dns"

	room "weir/dns"
)

// entryFormat is the format of an entry. One of a higher format is not read.
const entryFormat = 1

// entry is all that a zone is, and so what replicas share: whoever has it answers
// alike. It stands in the store as JSON, for operators to read.
type entry struct {
	Format int                   `json:"format"`
	Serial uint32                `json:"serial"`
	Epochs map[string]room.Epoch `json:"epochs,omitempty"` // by owner
	Owners map[string]string     `json:"owners,omitempty"` // of the sets' names
	Sets   []storedSet           `json:"sets,omitempty"`   // what publishers wrote, sorted
	Base   []string              `json:"base"`             // the rest in presentation form: SOA (serial 0), NS, zone file
}

// storedSet is one of entry.Sets.
type storedSet struct {
	Name    string   `json:"name"`
	Type    string   `json:"type"`
	TTL     uint32   `json:"ttl"`
	Records []string `json:"records"`
}

func (s storedSet) key() room.Name {
	return room.Name{Name: s.Name, Type: dns.StringToType[s.Type]}
}

func decodeEntry(data []byte) (*entry, error) {
	var e entry
	if err := json.Unmarshal(data, &e); err != nil {
		return nil, fmt.Errorf("reading the zone's entry: %w", err)
	}
	if e.Format != entryFormat {
		return nil, fmt.Errorf("reading the zone's entry: it has format %d, and this weir knows %d: run the same version everywhere", e.Format, entryFormat)
	}
	return &e, nil
}

func (e *entry) encode() ([]byte, error) {
	data, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("writing the zone's entry: %w", err)
	}
	return data, nil
}

// clone returns a copy of which everything may be changed but the records of a set.
func (e *entry) clone() *entry {
	c := *e
	c.Epochs, c.Owners = maps.Clone(e.Epochs), maps.Clone(e.Owners)
	c.Sets, c.Base = slices.Clone(e.Sets), slices.Clone(e.Base)
	if c.Epochs == nil {
		c.Epochs = map[string]room.Epoch{}
	}
	if c.Owners == nil {
		c.Owners = map[string]string{}
	}
	return &c
}

// put replaces a set.
func (e *entry) put(set room.Set) {
	stored := storedSet{Name: set.Name.Name, Type: dns.TypeToString[set.Type], TTL: set.TTL, Records: set.Records}
	at, found := slices.BinarySearchFunc(e.Sets, stored, compareSets)
	if found {
		e.Sets[at] = stored
		return
	}
	e.Sets = slices.Insert(e.Sets, at, stored)
}

func compareSets(a, b storedSet) int {
	if c := strings.Compare(a.Name, b.Name); c != 0 {
		return c
	}
	return strings.Compare(a.Type, b.Type)
}

// records returns a set's records.
func records(set room.Set) ([]dns.RR, error) {
	var list []dns.RR
	kind, ok := dns.TypeToString[set.Type]
	if !ok {
		return nil, fmt.Errorf("%s has the unknown type %d", set.Name.Name, set.Type)
	}
	for _, rdata := range set.Records {
		rr, err := dns.NewRR(fmt.Sprintf("%s %d IN %s %s", set.Name.Name, set.TTL, kind, rdata))
		if err == nil && rr == nil {
			err = fmt.Errorf("no rdata")
		}
		if err != nil {
			return nil, fmt.Errorf("%s %s %q is no record: %w", set.Name.Name, kind, rdata, err)
		}
		list = append(list, rr)
	}
	return list, nil
}

// all returns the zone's records: the SOA first, then what is there without
// weir's doing and is not in the way of what weir writes, then that.
func (e *entry) all(origin string) ([]dns.RR, error) {
	ours, err := e.published(origin)
	if err != nil {
		return nil, err
	}
	taken := map[room.Name]bool{}
	names := map[string]bool{}
	for _, rr := range ours {
		h := rr.Header()
		taken[room.Name{Name: h.Name, Type: h.Rrtype}], names[h.Name] = true, true
		if h.Rrtype == dns.TypeA || h.Rrtype == dns.TypeAAAA {
			// One address record of the config stands for both families.
			taken[room.Name{Name: h.Name, Type: dns.TypeA}] = true
			taken[room.Name{Name: h.Name, Type: dns.TypeAAAA}] = true
		}
	}
	list := make([]dns.RR, 0, len(e.Base)+len(ours))
	for _, text := range e.Base {
		rr, err := dns.NewRR(text)
		if err != nil || rr == nil {
			return nil, fmt.Errorf("reading the zone's entry: %q is no record: %w", text, err)
		}
		h := rr.Header()
		switch soa, is := rr.(*dns.SOA); {
		case is:
			soa.Serial = e.Serial
		case taken[room.Name{Name: h.Name, Type: h.Rrtype}], h.Rrtype == dns.TypeCNAME && names[h.Name]:
			continue
		}
		list = append(list, rr)
	}
	if len(list) == 0 || list[0].Header().Rrtype != dns.TypeSOA {
		return nil, fmt.Errorf("reading the zone's entry: it does not begin with a SOA")
	}
	return append(list, ours...), nil
}

// published returns what weir writes: the sets, and whose they are.
func (e *entry) published(origin string) ([]dns.RR, error) {
	var list []dns.RR
	for _, s := range e.Sets {
		rrs, err := records(room.Set{Name: s.key(), TTL: s.TTL, Records: s.Records})
		if err != nil {
			return nil, fmt.Errorf("reading the zone's entry: %w", err)
		}
		list = append(list, rrs...)
	}
	for _, name := range slices.Sorted(maps.Keys(e.Owners)) {
		list = append(list, text(room.OwnerName(name), "owner="+e.Owners[name]))
	}
	for _, owner := range slices.Sorted(maps.Keys(e.Epochs)) {
		list = append(list, text(room.EpochName(owner, origin), fmt.Sprintf("epoch=%d", e.Epochs[owner])))
	}
	return list, nil
}

func text(name, value string) dns.RR {
	return &dns.TXT{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 60}, Txt: []string{value}}
}
