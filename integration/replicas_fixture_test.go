package integration

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"weir/internal/faulty"
)

// replicas are several weirs in network namespaces before the same connectors, with one Consul between them.
type replicas struct {
	*lab
	consul     *consulAgent
	connectors *flock // its weir is nil
	rooms      []*room
	weirs      []*weir
}

// startReplicas starts n replicas before m connectors, and waits until each knows the others.
func startReplicas(t *testing.T, n, m int) *replicas {
	t.Helper()
	r := &replicas{lab: newLab(t), connectors: &flock{t: t}}
	r.consul = startConsul(t, consulOptions{reach: []string{r.lab.control + ".1"}})
	var addrs []string
	for i := range m {
		addrs = append(addrs, r.connector(backendName(i)))
	}
	cfg := basicConfig(opts{
		socket: true, backends: addrs, health: quietHealth, timeouts: shortTimeouts,
		top: []string{fmt.Sprintf("consul: {address: \"%s.1:%s\"}", r.lab.control, port(r.consul.http))},
	})
	for range n {
		rm := r.add()
		r.rooms = append(r.rooms, rm)
		r.weirs = append(r.weirs, rm.startWeir(cfg))
	}
	for _, w := range r.weirs {
		w.waitReady(ceiling)
		w.waitEligible(poolName, m)
	}
	r.waitTogether()
	return r
}

// connector starts a connector on the mail network.
func (r *replicas) connector(name string) string {
	r.t.Helper()
	s, err := faulty.New(faulty.Options{Name: name, Address: r.lab.mail + ".1:0", Behaviour: faulty.Honest()})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(s.Close)
	r.connectors.c = append(r.connectors.c, s)
	return s.Addr()
}

// waitTogether waits until every replica reaches Consul and sees all of them.
func (r *replicas) waitTogether() {
	r.t.Helper()
	for i, w := range r.weirs {
		eventually(r.t, 2*time.Minute, func() bool {
			s := w.status()
			return s.Consul.Reachable && len(s.Replicas) == len(r.weirs)
		}, "replica %d does not see all others: %s", i, later(w))
	}
}

// later makes words of a status when they are printed, not before.
func later(w *weir) fmt.Stringer { return statusWords{w} }

type statusWords struct{ w *weir }

func (s statusWords) String() string {
	now := s.w.status()
	return fmt.Sprintf("Consul %+v, replicas %+v, verdict %q", now.Consul, now.Replicas, now.Verdict)
}

// allShow waits until every replica shows a connector in one of the states.
func (r *replicas) allShow(name string, states ...string) {
	r.t.Helper()
	for i, w := range r.weirs {
		eventually(r.t, 90*time.Second, func() bool {
			return slices.Contains(states, w.status().backend(poolName, name).State)
		}, "replica %d does not show %s as %v: %s", i, name, states, later(w))
	}
}

// load is senders on every replica.
func (r *replicas) load(kind string) (all []*keepers) {
	r.t.Helper()
	for i, w := range r.weirs {
		k := startKeepers(r.t, w.smtp, fmt.Sprintf("%s-r%d-", kind, i), 2, 10*time.Millisecond)
		k.flows(10)
		all = append(all, k)
	}
	return all
}

// finish ends the loads: nobody was failed, everything is stored once.
func (r *replicas) finish(all []*keepers) {
	r.t.Helper()
	var acknowledged []*message
	for _, k := range all {
		acknowledged = append(acknowledged, k.end()...)
	}
	checkStored(r.t, r.connectors.c, acknowledged)
}
