package integration

import (
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"
)

// TestConsul_ConnectorsComeAndGo: one that is registered gets mail, one that Consul takes out gets no new mail and comes
// back, each with its state and the reason, and no sender is failed.
func TestConsul_ConnectorsComeAndGo(t *testing.T) {
	t.Parallel()
	s := newSite(t, 3, siteOptions{})
	k := s.load("come")
	s.consul.place(s.connector("c3"))
	s.waitEligible(poolName, 4)
	s.getsMail("c3")

	tests := []struct {
		name, state, words string
		out, back          func()
	}{
		{"critical", "down", "queue is full", func() { s.consul.report("c0", api.HealthCritical, "queue is full") }, func() { s.consul.report("c0", api.HealthPassing, "") }},
		{"maintenance", "drain", "new disks", func() { s.consul.maintenance("c0", "new disks") }, func() { s.consul.maintenance("c0", "") }},
		{"deregistered", "", "", func() { s.consul.deregister("c0") }, func() { s.consul.place(s.named("c0")) }},
	}
	for _, tt := range tests {
		tt.out()
		s.waitState(poolName, "c0", tt.state)
		if got := s.status().backend(poolName, "c0").Reason; !strings.Contains(got, tt.words) {
			t.Errorf("%s: the reason is %q, want %q in it", tt.name, got, tt.words)
		}
		s.getsNone("c0", k)
		tt.back()
		s.waitState(poolName, "c0", "up", "recovering")
		s.getsMail("c0")
	}
	s.finishLoad(k)
	if src := s.status().source(poolName, "consul"); src.State != "fresh" || src.Connectors != 4 {
		t.Errorf("the source is %+v, want fresh with 4 connectors", src)
	}
}

// TestConsul_NodeMaintenance: a node in maintenance drains what runs there.
func TestConsul_NodeMaintenance(t *testing.T) {
	t.Parallel()
	s := newSite(t, 2, siteOptions{static: []string{freeAddr(t)}})
	static := s.status().names(poolName)
	if err := s.consul.api().Agent().EnableNodeMaintenance("new kernel"); err != nil {
		t.Fatal(err)
	}
	s.waitState(poolName, "c1", "drain")
	r := s.ctl("undrain", poolName+"/c1")
	if said := r.stdout + r.stderr; r.code != 1 || !strings.Contains(said, "consul maint -disable") || !strings.Contains(said, "c"+port(s.consul.http)) {
		t.Errorf("undrain under maintenance of the node: exit %d, %q; want 1, the command and the node; members %v", r.code, said, static)
	}
	if err := s.consul.api().Agent().DisableNodeMaintenance(); err != nil {
		t.Fatal(err)
	}
	s.waitState(poolName, "c1", "up", "recovering")
}

// TestConsul_MetaIsRead: name, weight and cost come from the registration, and a source's name stands beside each.
func TestConsul_MetaIsRead(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1, siteOptions{})
	c := s.connector("heavy")
	r := registration("an/odd id", c.Addr())
	r.Meta = map[string]string{"weir_name": "heavy", "weir_cost": "10"}
	r.Weights.Passing = 250
	s.consul.register(r)
	s.waitNames("c0", "heavy")
	got := s.status().backend(poolName, "heavy")
	if got.Weight != 250 || got.Cost != 10 || !slices.ContainsFunc(got.Sources, func(src string) bool { return strings.HasPrefix(src, "consul") }) {
		t.Errorf("weight %d, cost %d, sources %q; want 250, 10, Consul", got.Weight, got.Cost, got.Sources)
	}
}

// TestConsul_MalformedMeta: what cannot be read is named and spoils nothing else.
func TestConsul_MalformedMeta(t *testing.T) {
	t.Parallel()
	s := newSite(t, 2, siteOptions{})
	bad := registration("bad", s.connector("bad").Addr())
	bad.Meta["weir_cost"] = "cheap"
	s.consul.register(bad)
	s.waitNames("bad", "c0", "c1")
	s.waitSource("consul", "fresh", "weir_cost", "cheap", "\"bad\"")
	noPort := registration("portless", "127.0.0.1:0")
	s.consul.register(noPort)
	odd := registration("###", s.connector("odd").Addr())
	odd.Meta["weir_name"] = "no/slashes here"
	s.consul.register(odd)
	s.waitEligible(poolName, 4)
	k := s.load("malformed")
	k.flows(40)
	s.finishLoad(k)
}

// TestConsul_RegisterByCommand: `weir register` and `weir deregister` put a connector into Consul and take it out.
func TestConsul_RegisterByCommand(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1, siteOptions{})
	c := s.connector("mx-b")
	consul := []string{"--consul", s.consul.http}
	args := append([]string{"register", "--service", serviceName, "--name", "mx-b", "--weight", "50", "--cost", "5", c.Addr()}, consul...)
	if r := runWeir(t, args...); r.code != 0 {
		t.Fatalf("weir register: exit %d: %s%s", r.code, r.stdout, r.stderr)
	}
	s.waitState(poolName, "mx-b", "up", "recovering")
	if got := s.status().backend(poolName, "mx-b"); got.Weight != 50 || got.Cost != 5 {
		t.Errorf("weight %d, cost %d, want 50 and 5", got.Weight, got.Cost)
	}
	args = append([]string{"deregister", "--service", serviceName, "mx-b"}, consul...)
	if r := runWeir(t, args...); r.code != 0 {
		t.Fatalf("weir deregister: exit %d: %s%s", r.code, r.stdout, r.stderr)
	}
	s.waitNames("c0")
}
