package integration

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// readRules are what weir needs of a Consul with ACLs.
const readRules = `service_prefix "" { policy = "read" }
node_prefix "" { policy = "read" }
key_prefix "weir/" { policy = "write" }
session_prefix "" { policy = "write" }
service "weir" { policy = "write" }`

// TestConsul_AgentKilled: the last set stands, status says that it is stale, and what changes in Consul later is seen.
func TestConsul_AgentKilled(t *testing.T) {
	t.Parallel()
	s := newSite(t, 3, siteOptions{})
	k := s.load("killed")
	s.consul.kill9()
	s.waitSource("consul", "stale")
	k.flows(60)
	s.keepsAll(3)
	s.consul.start()
	for _, c := range s.c {
		s.consul.place(c)
	}
	s.consul.place(s.connector("c3"))
	s.waitEligible(poolName, 4)
	s.waitSource("consul", "fresh")
	s.getsMail("c3")
	s.finishLoad(k)
}

// keepsAll proves that all connectors are in service.
func (s *site) keepsAll(n int) {
	s.t.Helper()
	// A connector that health has ejected for a moment, as on a machine that was held up, is
	// back soon; one that Consul's trouble has cost is not, as that lasts.
	got := 0
	if !poll(20*time.Second, func() bool { got = s.status().eligible(poolName); return got == n }) {
		s.t.Errorf("%d connectors are eligible, want %d: Consul's trouble is not theirs", got, n)
	}
}

// TestConsul_AgentFrozen: a Consul that takes connections and answers nothing is stale, not a hang.
func TestConsul_AgentFrozen(t *testing.T) {
	t.Parallel()
	s := newSite(t, 3, siteOptions{})
	k := s.load("frozen")
	thaw := s.consul.freeze()
	defer thaw()
	s.waitSource("consul", "stale")
	k.flows(60)
	s.keepsAll(3)
	thaw()
	s.waitSource("consul", "fresh")
	s.consul.place(s.connector("c3"))
	s.waitState(poolName, "c3", "up", "recovering")
	s.finishLoad(k)
}

// TestConsul_RestartedEmpty: an agent that has forgotten everything answers with nothing, which is held; once it knows
// the connectors again all is fresh.
func TestConsul_RestartedEmpty(t *testing.T) {
	t.Parallel()
	s := newSite(t, 4, siteOptions{})
	k := s.load("empty")
	s.consul.kill9()
	s.consul.start()
	s.waitSource("consul", "holding", "answered empty")
	k.flows(60)
	s.keepsAll(4)
	s.consul.place(s.c[0])
	s.waitSource("consul", "holding")
	k.flows(20)
	s.keepsAll(4)
	for _, c := range s.c {
		s.consul.place(c)
	}
	s.waitEligible(poolName, 4)
	s.waitSource("consul", "fresh")
	s.finishLoad(k)
}

// TestConsul_HoldEnds: what stands for empty_hold is believed in the end.
func TestConsul_HoldEnds(t *testing.T) {
	t.Parallel()
	s := newSite(t, 3, siteOptions{hold: "5s"})
	k := s.load("hold")
	for _, name := range []string{"c0", "c1"} {
		s.consul.deregister(name)
	}
	s.waitNames("c2")
	s.waitSource("consul", "fresh")
	s.finishLoad(k)
}

// TestConsul_RightsTakenAway: a token that may not read any more gets empty answers, which are not believed: the rights
// that it lacks are named. One that was deleted gets errors. With its rights back all is fresh.
func TestConsul_RightsTakenAway(t *testing.T) {
	t.Parallel()
	c := startConsul(t, consulOptions{acl: true})
	token := c.token(readRules)
	file := filepath.Join(t.TempDir(), "consul.token")
	if err := os.WriteFile(file, []byte(token.SecretID+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &site{flock: &flock{t: t}, consul: c}
	for i := range 3 {
		c.place(s.connector(backendName(i)))
	}
	s.weir = startWeir(t, siteConfig(c.http, siteOptions{tokenFile: file}))
	s.waitEligible(poolName, 3)
	k := s.load("rights")

	// Consul wakes nobody when rights change; the next change of the service does.
	change := func() {
		r := registration("c0", s.c[0].Addr())
		r.Meta["changed"] = time.Now().String()
		c.register(r)
	}
	c.setRules(token, `key_prefix "weir/" { policy = "write" }`)
	change()
	s.waitSource("consul", "stale", "token", serviceName, "service:read")
	k.flows(40)
	s.keepsAll(3)
	c.setRules(token, readRules)
	change()
	s.waitSource("consul", "fresh")
	c.revoke(token)
	change()
	s.waitSource("consul", "stale", "token")
	k.flows(40)
	s.keepsAll(3)
	s.finishLoad(k)
}

// TestConsul_LeaderAndQuorum: the loss of the leader is over in seconds; without a quorum the follower that weir asks
// has no leader and says so. Mail flows all the time.
func TestConsul_LeaderAndQuorum(t *testing.T) {
	t.Parallel()
	cluster := startConsulCluster(t)
	mine := cluster.followers()[0]
	s := &site{flock: &flock{t: t}, consul: mine}
	for i := range 3 {
		mine.place(s.connector(backendName(i)))
	}
	s.weir = startWeir(t, siteConfig(mine.http, siteOptions{}))
	s.waitEligible(poolName, 3)
	k := s.load("quorum")

	cluster.servers[cluster.leader()].kill9()
	eventually(t, consulUp, func() bool { l := cluster.leader(); return l >= 0 }, "no new leader")
	k.flows(40)
	s.waitSource("consul", "fresh")
	mine.place(s.connector("c3"))
	s.waitEligible(poolName, 4)

	for _, c := range cluster.servers {
		if c != mine {
			c.kill9()
		}
	}
	s.waitSource("consul", "stale", "leader")
	k.flows(40)
	s.keepsAll(4)
	s.finishLoad(k)
}
