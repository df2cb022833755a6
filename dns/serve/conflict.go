package serve

import (
	"errors"
	"fmt"

	"github.com/miekg/dns"

	room "weir/dns"
)

// checkLines finds the records that this server cannot serve, and those that
// contradict each other or what weir publishes.
func checkLines(cfg room.Config, lines []line) error {
	var errs []error
	names := map[string][]line{}
	for _, l := range lines {
		if what := unfit(cfg, l.RR); what != "" {
			errs = append(errs, fmt.Errorf("%s:%d: %s", cfg.Serve.ZoneFile, l.at, what))
		}
		names[l.Header().Name] = append(names[l.Header().Name], l)
	}
	for _, l := range lines {
		if what := conflict(cfg, l, names); what != "" {
			errs = append(errs, fmt.Errorf("%s:%d: %s", cfg.Serve.ZoneFile, l.at, what))
		}
	}
	return errors.Join(errs...)
}

// unfit says why a record cannot be served at all, or is empty.
func unfit(cfg room.Config, rr dns.RR) string {
	h := rr.Header()
	switch {
	case !dns.IsSubDomain(cfg.Zone, h.Name):
		return fmt.Sprintf("%s is outside the zone %s", h.Name, cfg.Zone)
	case h.Class != dns.ClassINET:
		return fmt.Sprintf("%s has class %s: only IN is served", h.Name, dns.ClassToString[h.Class])
	case h.Rrtype == dns.TypeSOA && h.Name != cfg.Zone:
		return fmt.Sprintf("a SOA at %s: there is one, at %s", h.Name, cfg.Zone)
	}
	switch h.Rrtype {
	case dns.TypeRRSIG, dns.TypeDNSKEY, dns.TypeNSEC, dns.TypeNSEC3, dns.TypeNSEC3PARAM:
		return "weir serves no signed zone: leave DNSSEC's records out, and put a signer behind weir that has it as its primary"
	case dns.TypeDNAME:
		return "DNAME is not supported: write the names below it out, or serve this part from another server by NS records"
	}
	return ""
}

// conflict says what a record contradicts, or is empty.
func conflict(cfg room.Config, l line, names map[string][]line) string {
	h := l.Header()
	if h.Rrtype == dns.TypeSOA {
		for _, other := range names[h.Name] {
			if other.Header().Rrtype == dns.TypeSOA && other.at < l.at {
				return fmt.Sprintf("a second SOA; the first one ends on line %d", other.at)
			}
		}
	}
	for _, r := range cfg.Records {
		if what := inTheWay(cfg, l.RR, r); what != "" {
			return what
		}
	}
	cname, is := l.RR.(*dns.CNAME)
	if !is {
		return ""
	}
	for _, other := range names[h.Name] {
		if other.at != l.at && (other.Header().Rrtype != dns.TypeCNAME || other.at < l.at) {
			return fmt.Sprintf("%s has a CNAME and, on line %d, %s: a name with a CNAME has nothing else", h.Name, other.at, dns.TypeToString[other.Header().Rrtype])
		}
	}
	if h.Name == cfg.Zone {
		return fmt.Sprintf("a CNAME at %s, where SOA and NS are: a name with a CNAME has nothing else", h.Name)
	}
	if circular(cname, names) {
		return fmt.Sprintf("the CNAME of %s leads back to itself", h.Name)
	}
	return ""
}

// inTheWay says how a record of the file hinders one that weir publishes. One of
// the same type does not: weir's takes its place.
func inTheWay(cfg room.Config, rr dns.RR, ours room.Record) string {
	h := rr.Header()
	switch {
	case h.Rrtype == dns.TypeCNAME && h.Name == ours.Name:
		return fmt.Sprintf("%s has a CNAME, and weir publishes %s there (dns.records): a name with a CNAME has nothing else", h.Name, dns.TypeToString[ours.Type])
	case h.Rrtype == dns.TypeNS && h.Name != cfg.Zone && dns.IsSubDomain(h.Name, ours.Name):
		return fmt.Sprintf("%s is given to other servers, and weir publishes %s below it (dns.records): it would never be asked", h.Name, ours.Name)
	}
	return ""
}

func circular(cname *dns.CNAME, names map[string][]line) bool {
	at := cname
	for range len(names) + 1 {
		next := names[dns.CanonicalName(at.Target)]
		if len(next) == 0 {
			return false
		}
		var is bool
		if at, is = next[0].RR.(*dns.CNAME); !is {
			return false
		}
		if at == cname {
			return true
		}
	}
	return false // into another circle, of which each member is told
}
