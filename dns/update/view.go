package update

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	mdns "github.com/miekg/dns"

	"weir/dns"
)

// view is what a primary says of some names.
type view struct {
	sets    map[dns.Name]dns.Set
	aliases map[string]string // a name to the target of its CNAME
	owners  map[string]string // a name to whom the TXT beside it names; absent: nobody
	stamp   stamp
	serial  uint32
}

// state is a view as callers know it.
func (v view) state() dns.State {
	sets := slices.SortedFunc(maps.Values(v.sets), func(a, b dns.Set) int { return compare(a.Name, b.Name) })
	return dns.State{Sets: sets, Owners: v.owners, Epoch: v.stamp.epoch, Serial: v.serial}
}

// at is the first set at a name, an alias included.
func (v view) at(name string) (dns.Name, bool) {
	if _, ok := v.aliases[name]; ok {
		return dns.Name{Name: name, Type: mdns.TypeCNAME}, true
	}
	for _, kind := range written {
		if _, ok := v.sets[dns.Name{Name: name, Type: kind}]; ok {
			return dns.Name{Name: name, Type: kind}, true
		}
	}
	return dns.Name{}, false
}

func compare(a, b dns.Name) int {
	if c := strings.Compare(a.Name, b.Name); c != 0 {
		return c
	}
	return int(a.Type) - int(b.Type)
}

// lookAt is look over a connection of its own.
func (t *Target) lookAt(ctx context.Context, server string, names []dns.Name) (view, error) {
	c, err := t.dial(ctx, server)
	if err != nil {
		return view{}, err
	}
	defer c.end()
	return t.look(ctx, c, names)
}

// look asks a primary for sets, for the owners beside them, and for the epoch and the
// serial of the zone. ANY would be one question, and servers rightly answer only part
// of it (RFC 8482).
func (t *Target) look(ctx context.Context, c *conn, names []dns.Name) (view, error) {
	epoch := dns.Name{Name: dns.EpochName(t.owner, t.zone), Type: mdns.TypeTXT}
	wanted := []dns.Name{{Name: t.zone, Type: mdns.TypeSOA}, epoch}
	for _, n := range names {
		wanted = append(wanted, n, dns.Name{Name: dns.OwnerName(n.Name), Type: mdns.TypeTXT})
	}
	got, err := t.query(ctx, c, wanted)
	if err != nil {
		return view{}, err
	}
	if got, err = t.withoutWildcards(ctx, c, epoch, got); err != nil {
		return view{}, err
	}
	v := view{sets: map[dns.Name]dns.Set{}, aliases: map[string]string{}, owners: map[string]string{}}
	if v.serial, err = t.serial(c, got); err != nil {
		return view{}, err
	}
	if v.stamp, err = epochStamp(epoch, got[epoch]); err != nil {
		return view{}, err
	}
	for _, n := range names {
		v.take(n, got[n])
		if beside := texts(got[dns.Name{Name: dns.OwnerName(n.Name), Type: mdns.TypeTXT}]); len(beside) > 0 {
			v.owners[n.Name] = ownerOf(beside)
		}
	}
	return v, nil
}

// take adds what was answered for a set.
func (v *view) take(n dns.Name, answer []mdns.RR) {
	set := dns.Set{Name: n}
	for _, rr := range answer {
		if alias, ok := rr.(*mdns.CNAME); ok {
			v.aliases[n.Name] = alias.Target
			continue
		}
		set.TTL = rr.Header().Ttl
		set.Records = append(set.Records, data(rr))
	}
	if len(set.Records) > 0 {
		slices.Sort(set.Records)
		v.sets[n] = set
	}
}

func (t *Target) serial(c *conn, got map[dns.Name][]mdns.RR) (uint32, error) {
	for _, rr := range got[dns.Name{Name: t.zone, Type: mdns.TypeSOA}] {
		if soa, ok := rr.(*mdns.SOA); ok {
			return soa.Serial, nil
		}
	}
	return 0, fmt.Errorf("%s has no zone %s: check the zone's name, and that this server is its primary: %w", c.server, t.zone, dns.ErrRefused)
}

func epochStamp(at dns.Name, answer []mdns.RR) (stamp, error) {
	said := texts(answer)
	if len(said) == 0 {
		return stamp{}, nil
	}
	if s, ok := parseStamp(said[0]); ok && len(said) == 1 {
		return s, nil
	}
	return stamp{}, fmt.Errorf("%s says %q, which weir did not write; remove that record, and weir begins anew: %w", label(at), said, dns.ErrForeign)
}

// texts are the TXT records of an answer, each as one string.
func texts(answer []mdns.RR) []string {
	var all []string
	for _, rr := range answer {
		if txt, ok := rr.(*mdns.TXT); ok {
			all = append(all, strings.Join(txt.Txt, ""))
		}
	}
	slices.Sort(all)
	return all
}

// query asks for RRsets, each once, and returns the records that stand at that very
// name: of that type, or a CNAME.
func (t *Target) query(ctx context.Context, c *conn, wanted []dns.Name) (map[dns.Name][]mdns.RR, error) {
	slices.SortFunc(wanted, compare)
	wanted = slices.Compact(wanted)
	questions := make([]*mdns.Msg, len(wanted))
	for i, n := range wanted {
		questions[i] = new(mdns.Msg)
		questions[i].SetQuestion(n.Name, n.Type)
		questions[i].RecursionDesired = false
	}
	replies, err := c.ask(ctx, questions)
	if err != nil {
		return nil, err
	}
	got := make(map[dns.Name][]mdns.RR, len(wanted))
	for i, n := range wanted {
		if err := t.unreadable(c.server, n, replies[i]); err != nil {
			return nil, err
		}
		for _, rr := range replies[i].Answer {
			h := rr.Header()
			if strings.EqualFold(h.Name, n.Name) && (h.Rrtype == n.Type || h.Rrtype == mdns.TypeCNAME) {
				got[n] = append(got[n], rr)
			}
		}
	}
	return got, nil
}

// withoutWildcards drops answers that a wildcard made up (RFC 4592): nothing stands at
// such a name. Whatever is ours is not asked about. Should it stand there after all,
// with the wildcard's very data, the prerequisites of a change see it.
func (t *Target) withoutWildcards(ctx context.Context, c *conn, epoch dns.Name, got map[dns.Name][]mdns.RR) (map[dns.Name][]mdns.RR, error) {
	stars := map[dns.Name][]dns.Name{} // a set to the wildcards that could have made it
	var wanted []dns.Name
	for n, answer := range got {
		if n.Name == t.zone || t.ours(n, epoch, got) || len(answer) == 0 {
			continue
		}
		for up := parent(n.Name); mdns.IsSubDomain(t.zone, up); up = parent(up) {
			star := dns.Name{Name: "*." + up, Type: n.Type}
			stars[n], wanted = append(stars[n], star), append(wanted, star)
			if up == t.zone {
				break
			}
		}
	}
	if len(wanted) == 0 {
		return got, nil
	}
	made, err := t.query(ctx, c, wanted)
	if err != nil {
		return nil, err
	}
	for n, candidates := range stars {
		for _, star := range candidates {
			if same(got[n], made[star]) {
				delete(got, n)
				break
			}
		}
	}
	return got, nil
}

// ours says whether a set is known to stand at its name: because it says what only weir
// writes, or because such a record stands beside it.
func (t *Target) ours(n, epoch dns.Name, got map[dns.Name][]mdns.RR) bool {
	said := texts(got[n])
	if n == epoch {
		_, ok := parseStamp(strings.Join(said, " "))
		return ok
	}
	if n.Type != mdns.TypeTXT {
		said = texts(got[dns.Name{Name: dns.OwnerName(n.Name), Type: mdns.TypeTXT}])
	}
	return len(said) == 1 && strings.HasPrefix(said[0], ownerPrefix)
}

// same says whether two answers have the same data.
func same(a, b []mdns.RR) bool {
	return slices.Equal(datas(a), datas(b))
}

func datas(answer []mdns.RR) []string {
	all := make([]string, len(answer))
	for i, rr := range answer {
		all[i] = data(rr)
	}
	slices.Sort(all)
	return all
}

// parent is the name above one.
func parent(name string) string {
	at, end := mdns.NextLabel(name, 0)
	if end {
		return "."
	}
	return name[at:]
}
