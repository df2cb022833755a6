package serve

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	room "weir/dns"
)

// Timers of the SOA where no zone file gives others. Secondaries hear of changes
// by NOTIFY; the refresh is for those whose NOTIFY got lost. A name that is said
// not to exist bounces mail, so that answer may not live long.
const (
	soaRefresh  = 300     // s
	soaRetry    = 60      // s
	soaExpire   = 1209600 // s
	soaNegative = 60      // s
)

// line is a record of the zone file, with where it ends.
type line struct {
	dns.RR
	at int // counted from 1
}

// base is what a zone is without the sets that weir publishes.
type base struct {
	soa      *dns.SOA
	rest     []dns.RR // NS first
	warnings []string
}

// text returns the base in presentation form, with the serial 0.
func (b *base) text() []string {
	soa := *b.soa
	soa.Serial = 0
	list := []string{soa.String()}
	for _, rr := range b.rest {
		list = append(list, rr.String())
	}
	return list
}

// Check looks at a zone's config and reads its zone file. The error tells of
// everything that stands in the way, as FILE:LINE where a line is to blame;
// warnings are for what works but surely is not meant.
func Check(cfg room.Config) (warnings []string, err error) {
	b, err := loadBase(cfg)
	if err != nil {
		return nil, err
	}
	return b.warnings, nil
}

// loadBase makes the base from the config and the zone file, if there is one.
func loadBase(cfg room.Config) (*base, error) {
	var lines []line
	if name := cfg.Serve.ZoneFile; name != "" {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("reading the zone file: %w", err)
		}
		if lines, err = parseFile(cfg, data); err != nil {
			return nil, err
		}
	}
	if err := checkLines(cfg, lines); err != nil {
		return nil, err
	}
	return makeBase(cfg, lines)
}

// byteCounter counts the lines that the parser has taken. It is an io.ByteReader,
// of which the parser reads no byte ahead.
type byteCounter struct {
	*bytes.Reader
	lines int
	last  byte
}

func (c *byteCounter) ReadByte() (byte, error) {
	b, err := c.Reader.ReadByte()
	if err == nil {
		if c.last = b; b == '\n' {
			c.lines++
		}
	}
	return b, err
}

// line is the one that the byte taken last stands in.
func (c *byteCounter) line() int {
	if c.last == '\n' {
		return c.lines
	}
	return c.lines + 1
}

func parseFile(cfg room.Config, data []byte) ([]line, error) {
	counter := &byteCounter{Reader: bytes.NewReader(data)}
	parser := dns.NewZoneParser(counter, cfg.Zone, "")
	parser.SetDefaultTTL(uint32(cfg.TTL / time.Second))
	var lines []line
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		rr.Header().Name = dns.CanonicalName(rr.Header().Name)
		lines = append(lines, line{rr, counter.line()})
	}
	if err := parser.Err(); err != nil {
		what := strings.TrimPrefix(err.Error(), "dns: ")
		if strings.Contains(what, "$INCLUDE") {
			what += ": put the records into this file"
		}
		return nil, fmt.Errorf("%s:%d: %s", cfg.Serve.ZoneFile, counter.line(), what)
	}
	return lines, nil
}

// makeBase joins the config's words and the file's. What the config says of NS
// and contact holds; the SOA's timers are the file's.
func makeBase(cfg room.Config, lines []line) (*base, error) {
	b := &base{soa: &dns.SOA{Refresh: soaRefresh, Retry: soaRetry, Expire: soaExpire, Minttl: soaNegative}}
	var ns []string
	for _, l := range lines {
		switch rr := l.RR.(type) {
		case *dns.SOA:
			b.soa = rr
		case *dns.NS:
			if rr.Hdr.Name == cfg.Zone {
				ns = append(ns, dns.CanonicalName(rr.Ns))
				continue
			}
			b.rest = append(b.rest, rr)
		default:
			b.rest = append(b.rest, l.RR)
		}
	}
	if len(cfg.Serve.NS) > 0 {
		ns = cfg.Serve.NS
	}
	if len(ns) == 0 {
		return nil, fmt.Errorf("the zone %s has no name server: name it in serve.ns, for example ns: [ns1.%s], or by NS records in the zone file", cfg.Zone, strings.TrimSuffix(cfg.Zone, "."))
	}
	ttl := uint32(cfg.TTL / time.Second)
	b.soa.Hdr = dns.RR_Header{Name: cfg.Zone, Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: ttl}
	if b.soa.Ns == "" || len(cfg.Serve.NS) > 0 {
		b.soa.Ns = ns[0]
	}
	switch {
	case cfg.Serve.Contact != "":
		b.soa.Mbox = cfg.Serve.Contact
	case b.soa.Mbox == "":
		b.soa.Mbox = "hostmaster." + cfg.Zone
	}
	b.rest = append(apex(cfg.Zone, ns, ttl), sameTTL(b.rest)...)
	b.warnings = b.warn(cfg, ns)
	return b, nil
}

func apex(zone string, ns []string, ttl uint32) []dns.RR {
	var list []dns.RR
	for _, name := range slices.Compact(slices.Sorted(slices.Values(ns))) {
		list = append(list, &dns.NS{Hdr: dns.RR_Header{Name: zone, Rrtype: dns.TypeNS, Class: dns.ClassINET, Ttl: ttl}, Ns: name})
	}
	return list
}

// sameTTL removes duplicates, and gives all records of a set its lowest TTL (RFC
// 2181 section 5.2).
func sameTTL(list []dns.RR) []dns.RR {
	lowest := map[room.Name]uint32{}
	for _, rr := range list {
		h := rr.Header()
		key := room.Name{Name: h.Name, Type: h.Rrtype}
		if ttl, seen := lowest[key]; !seen || h.Ttl < ttl {
			lowest[key] = h.Ttl
		}
	}
	for _, rr := range list {
		h := rr.Header()
		h.Ttl = lowest[room.Name{Name: h.Name, Type: h.Rrtype}]
	}
	return dns.Dedup(list, nil)
}

// warn tells of name servers in the zone without an address: nobody would find them.
func (b *base) warn(cfg room.Config, ns []string) []string {
	var list []string
	for _, name := range ns {
		if !dns.IsSubDomain(cfg.Zone, name) || b.hasAddress(name) ||
			slices.ContainsFunc(cfg.Records, func(r room.Record) bool {
				return r.Name == name && (r.Type == dns.TypeA || r.Type == dns.TypeAAAA)
			}) {
			continue
		}
		list = append(list, fmt.Sprintf("the name server %s is in the zone %s and has no address there: write its A or AAAA record into the zone file, or publish it by dns.records", name, cfg.Zone))
	}
	return list
}

func (b *base) hasAddress(name string) bool {
	return slices.ContainsFunc(b.rest, func(rr dns.RR) bool {
		h := rr.Header()
		return h.Name == name && (h.Rrtype == dns.TypeA || h.Rrtype == dns.TypeAAAA)
	})
}
