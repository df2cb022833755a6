package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	mdns "github.com/miekg/dns"

	"weir/config"
	"weir/dns"
	"weir/dns/update"
)

// zoneLongest bounds what is asked of one name server.
const zoneLongest = 10 * time.Second

// liveZones asks each primary of each zone that weir would write.
func liveZones(cfg *config.Config) (checks []liveCheck) {
	for _, z := range cfg.DNS {
		if z.Update == nil {
			continue
		}
		for _, server := range z.Update.Servers {
			alone := z
			alone.Update = &dns.Update{Servers: []string{server}, Key: z.Update.Key}
			what := "zone " + strings.TrimSuffix(z.Zone, ".") + " at " + server
			checks = append(checks, liveCheck{what, func(ctx context.Context) (string, error) { return liveZone(ctx, alone) }})
		}
	}
	return checks
}

// liveZone asks for the zone and the records as weir will ask: by TCP, and signed by
// the key, so that a wrong key and a wrong clock show. It fails where weir would not
// be the owner of what it should keep.
func liveZone(ctx context.Context, z dns.Config) (remark string, err error) {
	ctx, cancel := context.WithTimeout(ctx, zoneLongest)
	defer cancel()
	state, err := update.New(z).Read(ctx, namesOf(z.Records))
	if err != nil {
		return "", err
	}
	for _, set := range state.Sets {
		if state.Owners[set.Name.Name] != z.Owner {
			return "", fmt.Errorf("%s exists and is not weir's, so weir would not touch it; remove it, or hand it over by a TXT record \"owner=%s\" at %s",
				set.Name, z.Owner, dns.OwnerName(set.Name.Name))
		}
	}
	return fmt.Sprintf("serial %d", state.Serial), nil
}

func namesOf(records []dns.Record) (names []dns.Name) {
	for _, r := range records {
		names = append(names, dns.Name{Name: r.Name, Type: r.Type})
		if r.Type == mdns.TypeA { // it stands for both
			names = append(names, dns.Name{Name: r.Name, Type: mdns.TypeAAAA})
		}
	}
	return names
}
