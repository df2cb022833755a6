package dashboard

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/backend"
)

// shared is a cluster as it stands.
type shared struct {
	consul   ConsulStatus
	replicas []Replica
	flags    Flags
}

func (c shared) Consul() ConsulStatus { return c.consul }
func (c shared) Replicas() []Replica  { return c.replicas }
func (c shared) Flags() Flags         { return c.flags }

type sourcesFunc func() []SourceStatus

func (f sourcesFunc) Sources() []SourceStatus { return f() }

// troubled is a server about which there is much to say.
func troubled() *Server {
	s, registry := newServer()
	registry.SetMembers("internet", []backend.Spec{
		{Pool: "internet", Name: "mx-a", Address: "192.0.2.1:25", Weight: 100, Sources: []string{"consul", "config"}},
		{Pool: "internet", Name: "mx-b", Address: "192.0.2.2:25", Weight: 50, Cost: 10, Sources: []string{"consul"}},
	})
	b := registry.Snapshot().Pool("internet").Member("mx-b").Backend
	b.Acquire()
	registry.SetMembers("internet", []backend.Spec{{Pool: "internet", Name: "mx-a", Address: "192.0.2.1:25", Weight: 100, Sources: []string{"consul", "config"}}})
	now := time.Now()
	since, until := now.Add(-time.Hour), now.Add(time.Hour)
	registry.SetAdmin(backend.ID{Pool: "fax", Name: "fax-a"}, backend.AdminFact{Admin: backend.AdminDisabled, By: "bob", Since: now, Until: until})
	s.deps.Sources = sourcesFunc(func() []SourceStatus {
		return []SourceStatus{
			{Source: "config", Pool: "fax", State: "fresh", Since: since, Connectors: 1},
			{Source: "consul", Pool: "internet", State: "holding", Since: since, Until: &until, Why: "answered <empty>", Connectors: 2},
			{Source: "dns", Pool: "fax", State: "stale", Since: since, Connectors: 1, FromDisk: true},
		}
	})
	s.deps.Cluster = shared{
		ConsulStatus{Address: "127.0.0.1:8500", Since: &since, Error: "connection refused", Leader: true, Unshared: []string{"drain of fax/fax-a"}},
		[]Replica{
			{Name: "one", Self: true, Leader: true, Version: "1.2.3", Live: true, Seen: now, Agrees: true},
			{Name: "two", Version: "1.2.2", Seen: since, Standby: true},
		},
		Flags{
			Absent: []AbsentFlag{{ID: "fax/fax-z", Admin: "drain", By: "alice", Reason: "sold", Since: since, Until: &until}},
			Unkept: "no space left on device",
		},
	}
	s.deps.DNS = twoZones(now)
	s.SetReady(true)
	return s
}

func TestStatusOfACluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		golden(t, "status-cluster.json", indented(t, ask(troubled(), "GET", "/v1/status")))
	})
}

func TestAttention(t *testing.T) {
	now := time.Date(2026, 1, 3, 3, 4, 5, 0, time.UTC)
	day, hour := now.Add(-24*time.Hour), now.Add(time.Hour)
	member := func(name string, state backend.State, since time.Time, admin backend.AdminFact) *backend.Member {
		return &backend.Member{Backend: recordOf(name), Spec: backend.Spec{Pool: "p", Name: name}, State: state, Since: since, Admin: admin, Reason: "reboot"}
	}
	drain := backend.AdminFact{Admin: backend.AdminDrain}
	for name, tt := range map[string]struct {
		facts facts
		want  string
	}{
		"nothing":                      {facts{}, ""},
		"a fresh and a waiting source": {facts{sources: []SourceStatus{{State: "fresh"}, {State: "waiting"}}}, ""},
		"stale": {
			facts{sources: []SourceStatus{{Source: "consul", Pool: "p", State: "stale", Since: day, Why: "no leader"}}},
			"discovery of pool p by consul is stale since 2026-01-02T03:04:05Z (no leader)",
		},
		"holding": {
			facts{sources: []SourceStatus{{Source: "dns", Pool: "p", State: "holding", Since: day, Until: &hour}}},
			"discovery of pool p by dns holds its last good set since 2026-01-02T03:04:05Z until 2026-01-03T04:04:05Z",
		},
		"many":           {facts{sources: []SourceStatus{{State: "stale"}, {State: "stale"}, {State: "stale"}, {State: "stale"}, {State: "stale"}}}, "and 2 more of the kind"},
		"no Consul":      {facts{consul: ConsulStatus{Error: "x", Unshared: []string{"x"}}}, ""},
		"Consul is well": {facts{consul: ConsulStatus{Address: "a", Reachable: true}}, ""},
		"Consul is away": {
			facts{consul: ConsulStatus{Address: "a:1", Error: "refused", Since: &day}},
			"Consul at a:1 is not reachable since 2026-01-02T03:04:05Z (refused)",
		},
		"flags not shared": {
			facts{consul: ConsulStatus{Address: "a", Reachable: true, Unshared: []string{"w", "x", "y", "z"}}},
			"the other replicas have not been told of w, x, y and 1 more",
		},
		"a drain since yesterday": {
			facts{snapshot: poolOf(member("m", backend.StateDrain, now, backend.AdminFact{Admin: backend.AdminDrain, Since: day}))},
			"p/m is out (drain) since 2026-01-02T03:04:05Z: needs a person (reboot)",
		},
		"disabled, of unknown age": {
			facts{snapshot: poolOf(member("m", backend.StateDisabled, day, backend.AdminFact{Admin: backend.AdminDisabled}))},
			"p/m is out (disabled) since 2026-01-02T03:04:05Z: needs a person (reboot)",
		},
		"maintenance since yesterday": {
			facts{snapshot: poolOf(member("m", backend.StateDrain, day, backend.AdminFact{}))},
			"p/m is out (drain) since 2026-01-02T03:04:05Z: needs a person (reboot)",
		},
		"a drain of today":     {facts{snapshot: poolOf(member("m", backend.StateDrain, day.Add(time.Second), drain))}, ""},
		"a drain that ends":    {facts{snapshot: poolOf(member("m", backend.StateDrain, day, backend.AdminFact{Admin: backend.AdminDrain, Until: hour}))}, ""},
		"down since yesterday": {facts{snapshot: poolOf(member("m", backend.StateDown, day, backend.AdminFact{}))}, ""},
		"gone":                 {facts{snapshot: poolOf(&backend.Member{State: backend.StateDrain, Since: day, Gone: true})}, ""},
	} {
		tt.facts.now = now
		got := attentionTo(&tt.facts)
		if last := append([]string{""}, got...)[len(got)]; last != tt.want || len(got) > mostOfAKind+1 {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

func TestAttentionToTheCluster(t *testing.T) {
	day := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f := facts{
		replicas: []Replica{
			{Name: "a", Self: true, Live: true},
			{Name: "b", Live: true, Agrees: true},
			{Name: "c", Live: true},
			{Name: "d", Agrees: true, Seen: day},
		},
		flags: Flags{Unkept: "no space", Absent: []AbsentFlag{{ID: "p/old"}}},
	}
	want := []string{
		"drain flags are not kept on disk (no space)",
		"replica c sees other connectors eligible than this one",
		"replica d is silent since 2026-01-02T03:04:05Z",
	}
	if got := attentionTo(&f); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func attentionTo(f *facts) []string {
	if f.snapshot == nil {
		f.snapshot = &backend.Snapshot{}
	}
	return f.attention()
}

func poolOf(m *backend.Member) *backend.Snapshot {
	return &backend.Snapshot{Pools: []*backend.Pool{{PoolConfig: backend.PoolConfig{Name: "p"}, Members: []*backend.Member{m}}}}
}

// recordOf is the record of a connector in the pool p.
func recordOf(name string) *backend.Backend {
	registry := backend.NewRegistry([]backend.PoolConfig{{Name: "p"}})
	registry.SetMembers("p", []backend.Spec{{Pool: "p", Name: name}})
	return registry.Snapshot().Pool("p").Member(name).Backend
}
