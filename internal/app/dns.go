package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"weir/config"
	"weir/dashboard"
	"weir/dns"
	"weir/dns/serve"
	"weir/dns/update"
	"weir/internal/backend"
)

// zone is one zone that weir keeps true.
type zone struct {
	cfg       dns.Config
	cluster   dns.Cluster
	publisher *dns.Publisher
	served    *serve.Zone // nil: it is written elsewhere
}

// newZones makes the zones of the config. Nothing is asked or written yet.
func (a *App) newZones(cfg *config.Config) ([]*zone, error) {
	var list []*zone
	for _, zc := range cfg.DNS {
		z := &zone{cfg: zc, cluster: a.dnsCluster()}
		var target dns.Target
		if zc.Serve != nil {
			store, err := a.zoneStore(zc.Zone)
			if err != nil {
				return nil, err
			}
			note := func(text string) { a.log.warn("dns").Str("zone", zc.Zone).Str("why", text).Send() }
			if z.served, err = serve.NewZone(zc, store, note); err != nil {
				return nil, fmt.Errorf("making the zone %s: %w", zc.Zone, err)
			}
			target = z.served
		} else {
			target = update.New(zc)
		}
		z.publisher = dns.New(zc, dns.Deps{
			Registry: a.registry, Cluster: z.cluster, Target: target, Keep: a.freezeKeep(zc.Zone), Events: a.events,
		})
		list = append(list, z)
	}
	return list, nil
}

// zoneStore is where an embedded zone is kept: shared by the replicas, or in the
// state directory, or else in memory.
func (a *App) zoneStore(name string) (serve.Store, error) {
	switch {
	case a.consul != nil:
		return sharedEntry{a.cluster, "dns/" + strings.TrimSuffix(name, ".") + "/zone"}, nil
	case a.state == "":
		return new(memoryEntry), nil
	}
	dir, err := a.zoneDir()
	if err != nil {
		return nil, err
	}
	return serve.NewFileStore(dir, name), nil
}

func (a *App) zoneDir() (string, error) {
	dir := filepath.Join(a.state, "dns")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("making the folder of zones: %w", err)
	}
	return dir, nil
}

// freezeKeep is where it is noted that an operator has frozen a zone.
func (a *App) freezeKeep(name string) dns.Keep {
	name = strings.TrimSuffix(name, ".")
	switch {
	case a.consul != nil:
		return sharedFreeze{sharedEntry{a.cluster, "dns/" + name + "/freeze"}}
	case a.state == "":
		return nil
	}
	return dns.FileKeep{Path: filepath.Join(a.state, "freeze-"+strings.ReplaceAll(name, "/", "-")+".json")}
}

// serveZones answers for the embedded zones until ctx is done: from the start on,
// with what was published last.
func (a *App) serveZones(ctx context.Context) error {
	var running services
	byAddress := map[string][]*serve.Zone{}
	for _, z := range a.zones {
		if z.served == nil {
			continue
		}
		if err := a.keepCopy(ctx, z); err != nil {
			a.log.warn("dns").Str("zone", z.cfg.Zone).Str("why", err.Error()).Send()
		}
		running.add(a.spawn(ctx, "zone "+z.cfg.Zone, z.served.Run))
		running.add(a.spawn(ctx, "base of "+z.cfg.Zone, func(ctx context.Context) error { return a.adoptBase(ctx, z) }))
		address := z.cfg.Serve.Address
		byAddress[address] = append(byAddress[address], z.served)
	}
	for address, zones := range byAddress {
		socket, server := a.sockets.dns[address], serve.NewServer(zones...)
		running.add(a.spawn(ctx, "dns server", func(ctx context.Context) error {
			return server.Run(ctx, []net.PacketConn{socket.packets}, []net.Listener{socket.streams})
		}))
	}
	<-ctx.Done()
	return running.stop()
}

// keepCopy has an embedded zone that the replicas share kept on disk too, for a
// start while Consul is away.
func (a *App) keepCopy(ctx context.Context, z *zone) error {
	if a.consul == nil || a.state == "" {
		return nil
	}
	dir, err := a.zoneDir()
	if err != nil {
		return err
	}
	return z.served.KeepCopy(ctx, serve.NewFileStore(dir, z.cfg.Zone))
}

// adoptBase makes this weir's zone file, name servers and contact the ones that are
// served, whenever it begins to lead.
func (a *App) adoptBase(ctx context.Context, z *zone) error {
	const look = time.Second
	tick := time.NewTicker(look)
	defer tick.Stop()
	var adopted dns.Term
	for {
		term, leading := z.cluster.Leading()
		if leading && term != adopted && z.served.Adopt(ctx) == nil {
			adopted = term
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// publishZones keeps all zones true until ctx is done.
func (a *App) publishZones(ctx context.Context) error {
	var running services
	for _, z := range a.zones {
		running.add(a.spawn(ctx, "publisher of "+z.cfg.Zone, z.publisher.Run))
	}
	<-ctx.Done()
	return running.stop()
}

// dnsCluster is what the replicas say, for DNS.
func (a *App) dnsCluster() dns.Cluster {
	if a.consul == nil {
		return alone{dns.Alone{Registry: a.registry}, a}
	}
	return shared{a}
}

// alone is a weir that shares nothing, with the addresses that are in force.
type alone struct {
	dns.Alone
	app *App
}

// Replicas implements [dns.Cluster].
func (s alone) Replicas() []dns.Replica {
	now := s.Alone
	now.Addresses, now.Standby = s.app.config().Advertise, func() bool { return s.app.cluster.Status().Standby }
	return now.Replicas()
}

// shared asks the cluster.
type shared struct{ app *App }

// Leading implements [dns.Cluster].
func (s shared) Leading() (term dns.Term, ok bool) {
	term, ok = s.app.cluster.Leading()
	return term, ok
}

// Votes implements [dns.Cluster].
func (s shared) Votes(id backend.ID) (out, live int) {
	if !s.app.cluster.Complete() {
		return 0, 0
	}
	return s.app.cluster.Votes(id)
}

// Replicas implements [dns.Cluster].
func (s shared) Replicas() []dns.Replica {
	if !s.app.cluster.Complete() {
		return nil
	}
	var list []dns.Replica
	for _, r := range append(s.app.cluster.Replicas(), s.app.cluster.Departed()...) {
		if r.Live || r.Standby {
			list = append(list, dns.Replica{Name: r.Name, Addresses: r.Advertise, Standby: r.Standby, Blind: r.Blind})
		}
	}
	return list
}

// zoneStatus tells the dashboard of the zones, and carries its orders out.
type zoneStatus struct{ app *App }

// DNS implements [dashboard.DNS].
func (s zoneStatus) DNS() []dashboard.DNSStatus {
	var list []dashboard.DNSStatus
	for _, z := range s.app.zones {
		list = append(list, statusOfZone(z.publisher.Status(), z.cfg.DryRun, z.served != nil))
	}
	return list
}

// Freeze implements [dashboard.DNS].
func (s zoneStatus) Freeze(ctx context.Context, name, reason, by string) error {
	return s.on(name, func(p *dns.Publisher) error { return p.Freeze(ctx, reason, by) })
}

// Thaw implements [dashboard.DNS].
func (s zoneStatus) Thaw(ctx context.Context, name, by string) error {
	return s.on(name, func(p *dns.Publisher) error { return p.Thaw(ctx, by) })
}

// Release implements [dashboard.DNS].
func (s zoneStatus) Release(ctx context.Context, name, by string) error {
	return s.on(name, func(p *dns.Publisher) error { return p.Release(ctx, by) })
}

// on does something to the zone of that name. Whatever goes wrong is the present
// state of DNS, and none of the asker's mistakes.
func (s zoneStatus) on(name string, do func(*dns.Publisher) error) error {
	for _, z := range s.app.zones {
		if strings.TrimSuffix(z.cfg.Zone, ".") != strings.TrimSuffix(name, ".") {
			continue
		}
		if err := do(z.publisher); err != nil {
			return fmt.Errorf("%w: %w", dashboard.ErrConflict, err)
		}
		return nil
	}
	return errors.New("there is no zone " + name)
}

func statusOfZone(s dns.Status, dryRun, served bool) dashboard.DNSStatus {
	out := dashboard.DNSStatus{
		Zone: strings.TrimSuffix(s.Zone, "."), Mode: "update", DryRun: dryRun, Leader: s.Leader,
		Epoch: uint64(s.Epoch), Serial: s.Serial, LastError: s.Error, LagSeconds: s.Lag,
		Sets: []dashboard.DNSSet{}, Writes: map[string]int64{},
	}
	if served {
		out.Mode = "serve"
	}
	if s.Freeze.Frozen {
		out.Frozen = &dashboard.DNSFreeze{Since: s.Freeze.Since.UTC(), By: s.Freeze.By, Reason: s.Freeze.Reason, Released: s.Freeze.Released}
	}
	if !s.Written.IsZero() {
		at := s.Written.UTC()
		out.LastWrite = &at
	}
	for _, set := range s.Sets {
		out.Sets = append(out.Sets, statusOfSet(set))
	}
	for result, n := range s.Writes {
		out.Writes[string(result)] = int64(n)
	}
	return out
}

func statusOfSet(s dns.SetStatus) dashboard.DNSSet {
	set := dashboard.DNSSet{Name: s.Name, Type: s.Type, Published: s.Published, Desired: s.Desired, Held: []dashboard.DNSHold{}}
	for _, h := range s.Held {
		hold := dashboard.DNSHold{Record: h.Record, Why: h.Why}
		if !h.Until.IsZero() {
			until := h.Until.UTC()
			hold.Until = &until
		}
		set.Held = append(set.Held, hold)
	}
	return set
}
