package dns

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"weir/internal/backend"
)

const (
	maxWeight = 1000
	maxName   = 64
	// parallel is how many targets are looked up at once.
	parallel = 8
)

// answer is what DNS knows at the moment.
type answer struct {
	specs []backend.Spec
	life  time.Duration // the shortest time to live of what it is made of
}

// addresses are those of one host.
type addresses struct {
	ips  []netip.Addr
	life time.Duration
}

// forever stands for the life of what was not told one.
const forever = time.Duration(1<<63 - 1)

// askHost asks for the addresses of a host.
func (s *Source) askHost(ctx context.Context) (answer, error) {
	found, err := s.lookUp(ctx, s.cfg.Host)
	if err != nil {
		return answer{}, err
	}
	a := answer{life: found.life}
	for _, ip := range found.ips {
		address := netip.AddrPortFrom(ip, uint16(s.cfg.Port)).String()
		a.specs = append(a.specs, backend.Spec{Name: backend.NameOf(address), Address: address, Weight: backend.DefaultWeight})
	}
	return a, nil
}

// askService asks for an SRV record, and for the addresses of its targets.
func (s *Source) askService(ctx context.Context) (answer, error) {
	reply, err := s.client.query(ctx, s.cfg.SRV, dns.TypeSRV)
	if err != nil {
		return answer{}, err
	}
	a := answer{life: life(reply.Answer)}
	var records []*dns.SRV
	for _, rr := range reply.Answer {
		// A target of "." says that the service is not offered (RFC 2782).
		if srv, ok := rr.(*dns.SRV); ok && srv.Target != "." && srv.Port != 0 {
			records = append(records, srv)
		}
	}
	hosts, err := s.targets(ctx, records, reply.Extra)
	if err != nil {
		return answer{}, err
	}
	for _, srv := range records {
		host := hosts[strings.ToLower(srv.Target)]
		a.life = min(a.life, host.life)
		a.specs = append(a.specs, connectors(srv, host.ips)...)
	}
	slices.SortFunc(a.specs, func(x, y backend.Spec) int {
		return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.Address, y.Address), x.Cost-y.Cost, y.Weight-x.Weight)
	})
	return a, nil
}

// connectors makes one of each address of a target: named after the target, if
// that has one address.
func connectors(srv *dns.SRV, ips []netip.Addr) []backend.Spec {
	// Weight 0 asks for hardly any traffic beside others that have a weight, and is
	// what everyone gets where there is nothing to choose (RFC 2782). 1 is the least
	// a connector can have, and among equals it is as good as any other number.
	weight := min(max(int(srv.Weight), 1), maxWeight)
	target := backend.NameOf(strings.ToLower(strings.TrimSuffix(srv.Target, ".")))
	var specs []backend.Spec
	for _, ip := range ips {
		name := target[:min(len(target), maxName)]
		if len(ips) > 1 {
			suffix := "-" + backend.NameOf(ip.String())
			name = target[:min(len(target), maxName-len(suffix))] + suffix
		}
		specs = append(specs, backend.Spec{
			Name: name, Address: netip.AddrPortFrom(ip, srv.Port).String(),
			Weight: weight, Cost: int(srv.Priority),
		})
	}
	return specs
}

// targets returns the addresses of all targets, by name in lower case. Those in
// the additional section need not be asked for.
func (s *Source) targets(ctx context.Context, records []*dns.SRV, additional []dns.RR) (map[string]addresses, error) {
	hosts := map[string]addresses{}
	var missing []string
	for _, srv := range records {
		name := strings.ToLower(srv.Target)
		if _, ok := hosts[name]; ok {
			continue
		}
		hosts[name] = collect(additional, name)
		if len(hosts[name].ips) == 0 {
			missing = append(missing, name)
		}
	}
	found, err := s.lookUpAll(ctx, missing)
	for i, name := range missing {
		hosts[name] = found[i]
	}
	return hosts, err
}

// lookUpAll looks hosts up, some at a time. Its error is that of the first one
// that could not be: half a truth is none.
func (s *Source) lookUpAll(ctx context.Context, names []string) ([]addresses, error) {
	found := make([]addresses, len(names))
	errs := make([]error, len(names))
	places := make(chan struct{}, parallel)
	var wg sync.WaitGroup
	for i, name := range names {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			found[i], errs[i] = s.lookUp(ctx, name)
		})
	}
	wg.Wait()
	return found, cmp.Or(errs...)
}

// lookUp returns all addresses of a host; none is no error.
func (s *Source) lookUp(ctx context.Context, name string) (addresses, error) {
	all := addresses{life: forever}
	for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
		reply, err := s.client.query(ctx, name, kind)
		if err != nil {
			return addresses{}, err
		}
		some := collect(reply.Answer, "")
		all.ips = append(all.ips, some.ips...)
		all.life = min(all.life, some.life, life(reply.Answer))
	}
	slices.SortFunc(all.ips, netip.Addr.Compare)
	all.ips = slices.Compact(all.ips)
	return all, nil
}

// collect returns the addresses among records, of one owner or (with no name) of
// all: in an answer, aliases may lead to another owner.
func collect(records []dns.RR, owner string) addresses {
	found := addresses{life: forever}
	for _, rr := range records {
		if owner != "" && !strings.EqualFold(rr.Header().Name, owner) {
			continue
		}
		var ip netip.Addr
		switch rr := rr.(type) {
		case *dns.A:
			ip, _ = netip.AddrFromSlice(rr.A)
		case *dns.AAAA:
			ip, _ = netip.AddrFromSlice(rr.AAAA)
		default:
			continue
		}
		// One that no machine can have is a way to say "nowhere".
		if ip = ip.Unmap(); !ip.IsValid() || ip.IsUnspecified() || ip.IsMulticast() {
			continue
		}
		found.ips = append(found.ips, ip)
		found.life = min(found.life, life([]dns.RR{rr}))
	}
	slices.SortFunc(found.ips, netip.Addr.Compare)
	found.ips = slices.Compact(found.ips)
	return found
}

// life returns the shortest time to live of records.
func life(records []dns.RR) time.Duration {
	shortest := forever
	for _, rr := range records {
		shortest = min(shortest, time.Duration(rr.Header().Ttl)*time.Second)
	}
	return shortest
}
