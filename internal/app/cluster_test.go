package app

import (
	"errors"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"weir/config"
	"weir/dashboard"
	"weir/internal/backend"
)

// made is a weir that is made but does not run.
func made(t *testing.T, cfg *config.Config) *App {
	t.Helper()
	a, err := New(cfg, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.sockets.close)
	return a
}

// While weir stops nobody brings it back into what is in front of it.
func TestStandbyEndsInNoStop(t *testing.T) {
	a := made(t, parse(t, []string{"127.0.0.1:1"}))
	c := controller{a}
	for _, on := range []bool{true, false} {
		if err := c.Standby(on, "alice"); err != nil || a.cluster.Status().Standby != on {
			t.Errorf("standby %t: %v, %+v", on, err, a.cluster.Status())
		}
	}
	a.withdraw()
	if err := c.Standby(false, "alice"); !errors.Is(err, dashboard.ErrConflict) || !a.cluster.Status().Standby {
		t.Errorf("back while it stops: %v, %+v", err, a.cluster.Status())
	}
	if err := c.Standby(true, "alice"); err != nil {
		t.Errorf("standby while it stops: %v", err)
	}
}

// A section without an address is a Consul too: the environment says where.
func TestConsulWithoutAnAddressIsShown(t *testing.T) {
	cfg := parse(t, []string{"127.0.0.1:1"})
	cfg.Consul = &config.Consul{}
	t.Setenv("CONSUL_HTTP_ADDR", "")
	a := made(t, cfg)
	if got := (clusterStatus{a}).Consul().Address; !strings.HasSuffix(got, ":8500") {
		t.Errorf("at %q", got)
	}
	t.Setenv("CONSUL_HTTP_ADDR", "192.0.2.7:8501")
	if got := (clusterStatus{a}).Consul().Address; got != "192.0.2.7:8501" {
		t.Errorf("at %q", got)
	}
}

// What the cluster refuses the dashboard knows, and it is said once.
func TestOrdersInTheDashboardsWords(t *testing.T) {
	cfg := parse(t, []string{"127.0.0.1:1", "127.0.0.1:2"})
	cfg.Consul = &config.Consul{Address: "127.0.0.1:1"}
	a := made(t, cfg)
	c, pool := controller{a}, cfg.Pools[0].Name
	_, err := c.Order(t.Context(), backend.ID{Pool: pool, Name: "none"}, dashboard.Order{Verb: dashboard.Undrain})
	if !errors.Is(err, dashboard.ErrUnknown) {
		t.Errorf("of none: %v", err)
	}
	a.registry.SetMembers(pool, []backend.Spec{{Pool: pool, Name: "a", Address: "127.0.0.1:1"}})
	_, err = c.Order(t.Context(), backend.ID{Pool: pool, Name: "a"}, dashboard.Order{Verb: dashboard.Drain})
	const want = "in force on this replica only until Consul is back (whether there are other replicas is not known): no Consul agent runs there: "
	if !errors.Is(err, dashboard.ErrNotShared) || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v", err)
	}
}

// Flags that wait for their connector, and that no disk keeps, are shown.
func TestFlagsInTheStatus(t *testing.T) {
	cfg := parse(t, []string{"127.0.0.1:1"})
	cfg.StateDir = filepath.Join("/dev/null", "state")
	a := made(t, cfg)
	id := backend.ID{Pool: cfg.Pools[0].Name, Name: "a"}
	a.registry.SetMembers(id.Pool, []backend.Spec{{Pool: id.Pool, Name: id.Name, Address: "127.0.0.1:1"}})
	order := dashboard.Order{Verb: dashboard.Drain, By: "alice", Reason: "sold", For: 1 << 40}
	if answer, err := (controller{a}).Order(t.Context(), id, order); err != nil || !strings.Contains(answer.Warning, "state_dir cannot be used") {
		t.Errorf("%+v, %v", answer, err)
	}
	if got := (clusterStatus{a}).Flags(); len(got.Absent) != 0 || !strings.Contains(got.Unkept, "state_dir cannot be used") {
		t.Errorf("while it is there: %+v", got)
	}
	a.registry.SetMembers(id.Pool, nil)
	got := (clusterStatus{a}).Flags().Absent
	if len(got) != 1 || got[0].ID != id.String() || got[0].Admin != "drain" || got[0].By != "alice" || got[0].Reason != "sold" || got[0].Until == nil {
		t.Errorf("%+v", got)
	}
}

// A reload changes what DNS and the other replicas are told of this one.
func TestReloadOfTheAddresses(t *testing.T) {
	s := startSite(t)
	port := s.firstPort(s.config())
	s.write(t, siteFile+"advertise: [192.0.2.9]\n")
	if _, err := s.Reload(false, "test"); err != nil {
		t.Fatal(err)
	}
	want := netip.MustParseAddr("192.0.2.9")
	if got := s.dnsCluster().Replicas(); len(got) != 1 || len(got[0].Addresses) != 1 || got[0].Addresses[0] != want {
		t.Errorf("DNS sees %+v", got)
	}
	if got := s.cluster.Replicas(); len(got[0].Advertise) != 1 || got[0].Advertise[0] != want || !got[0].Live || port == 0 {
		t.Errorf("the cluster sees %+v, port %d", got, port)
	}
}
