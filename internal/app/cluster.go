package app

import (
	"net"
	"strconv"

	"weir/config"
	"weir/dashboard"
	"weir/internal/cluster"
	"weir/internal/events"
)

// newCluster makes this replica's part in what all share.
func (a *App) newCluster(cfg *config.Config, hostname string) (*cluster.Cluster, error) {
	return cluster.New(cluster.Config{
		Cluster: cfg.Balancer.Cluster, Hostname: hostname, Version: a.opts.Version, Dir: a.state, NoDir: a.noState,
		Register:  cfg.Consul != nil && cfg.Consul.Register,
		Advertise: cfg.Advertise, Port: a.firstPort(cfg),
	}, cluster.Deps{Registry: a.registry, Client: a.consul, Event: a.clusterEvent})
}

// firstPort is where the others may tell senders to go: the first listener's.
func (a *App) firstPort(cfg *config.Config) int {
	for _, l := range cfg.Balancer.Listeners {
		addr := a.sockets.addr(l.Name)
		if addr == nil {
			continue
		}
		if _, port, err := net.SplitHostPort(addr.String()); err == nil {
			n, _ := strconv.Atoi(port) // the system's own word
			return n
		}
	}
	return 0
}

func (a *App) clusterEvent(e cluster.Event) {
	by := e.By
	if by == "" {
		by = "weir"
	}
	a.events.Append(events.Event{
		Kind: e.Kind, Pool: e.Pool, Backend: e.Backend, From: e.From, To: e.To, Why: e.Why, By: by,
	})
}

func answerOf(s cluster.Standing) dashboard.OrderAnswer {
	answer := dashboard.OrderAnswer{
		State: s.State, InFlight: s.InFlight, Safe: s.Safe, Warning: s.Warning, Replicas: []dashboard.ReplicaShare{},
	}
	for _, r := range s.Replicas {
		answer.Replicas = append(answer.Replicas, dashboard.ReplicaShare(r))
	}
	return answer
}

// clusterStatus tells the dashboard of Consul and of the other replicas.
type clusterStatus struct{ app *App }

// Consul implements [dashboard.Cluster].
func (c clusterStatus) Consul() dashboard.ConsulStatus {
	s := c.app.cluster.Status()
	out := dashboard.ConsulStatus{Leader: s.Leader, Unshared: []string{}}
	if !s.Consul {
		return out
	}
	out.Address = consulAddress(c.app.config().Consul)
	out.Reachable, out.Error, out.Registered = s.Reachable, s.Error, s.Registered
	if !s.Since.IsZero() {
		since := s.Since.UTC()
		out.Since = &since
	}
	for _, id := range s.Unshared {
		out.Unshared = append(out.Unshared, id.String())
	}
	return out
}

// Replicas implements [dashboard.Cluster].
func (c clusterStatus) Replicas() []dashboard.Replica {
	var list []dashboard.Replica
	for _, r := range c.app.cluster.Replicas() {
		list = append(list, dashboard.Replica{
			Name: r.Name, Self: r.Self, Leader: r.Leader, Standby: r.Standby, Version: r.Version,
			Live: r.Live, Seen: r.Seen.UTC(), Agrees: r.Agrees,
		})
	}
	return list
}

// Flags implements [dashboard.Cluster].
func (c clusterStatus) Flags() dashboard.Flags {
	flags := dashboard.Flags{Unkept: c.app.cluster.Status().Unkept}
	for _, f := range c.app.cluster.Absent() {
		flag := dashboard.AbsentFlag{
			ID: f.ID.String(), Admin: f.Fact.Admin.String(), By: f.Fact.By, Reason: f.Fact.Reason, Since: f.Fact.Since.UTC(),
		}
		if !f.Fact.Until.IsZero() {
			until := f.Fact.Until.UTC()
			flag.Until = &until
		}
		flags.Absent = append(flags.Absent, flag)
	}
	return flags
}
