package backend

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// model is the registry as a user would describe it: per connector the address
// and the facts, nothing shared and nothing derived.
type model struct {
	registry *Registry
	facts    map[ID]modelFacts
	flags    map[ID]AdminFact
	kept     []keptSnapshot
}

type modelFacts struct {
	address string
	health  HealthFact
	admin   AdminFact
}

// keptSnapshot is an old snapshot beside a copy of what it said.
type keptSnapshot struct {
	snapshot *Snapshot
	members  map[ID]Member
}

var modelPools = []string{"internet", "fax"}

// Whatever the owners write in whatever order, the snapshot shows exactly their
// last words, and no old snapshot ever changes.
func TestRegistryAgainstItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{
			registry: NewRegistry([]PoolConfig{{Name: "internet"}, {Name: "fax"}}),
			facts:    map[ID]modelFacts{},
			flags:    map[ID]AdminFact{},
		}
		t.Repeat(map[string]func(*rapid.T){
			"members": m.setMembers,
			"health":  m.setHealth,
			"admin":   m.setAdmin,
			"started": func(*rapid.T) { m.registry.SetStarted() },
			"keep":    m.keep,
			"":        m.check,
		})
	})
}

func (m *model) setMembers(t *rapid.T) {
	pool := rapid.SampledFrom(modelPools).Draw(t, "pool")
	names := rapid.SliceOfDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d"}), rapid.ID[string]).Draw(t, "names")
	maps.DeleteFunc(m.facts, func(id ID, _ modelFacts) bool {
		return id.Pool == pool && !slices.Contains(names, id.Name)
	})
	var specs []Spec
	for _, name := range names {
		spec := specOf(pool, name, rapid.SampledFrom([]string{"192.0.2.1:25", "192.0.2.2:25"}).Draw(t, "address"))
		specs = append(specs, spec)
		f := m.facts[spec.ID()]
		f.admin = m.flags[spec.ID()]
		if f.address != spec.Address {
			f.address, f.health = spec.Address, HealthFact{}
		}
		m.facts[spec.ID()] = f
	}
	m.registry.SetMembers(pool, specs)
}

func (m *model) setHealth(t *rapid.T) {
	id := m.anyID(t)
	f := m.facts[id]
	f.health = drawHealth(t)
	m.facts[id] = f
	if _, ok := m.registry.SetHealth(m.registry.Snapshot().Pool(id.Pool).Member(id.Name).Backend, f.health); !ok {
		t.Errorf("the verdict on %s was ignored", id)
	}
}

func (m *model) setAdmin(t *rapid.T) {
	id := m.anyID(t)
	fact := AdminFact{Admin: Admin(rapid.IntRange(0, 2).Draw(t, "admin")), By: "alice"}
	if _, ok := m.registry.SetAdmin(id, fact); !ok {
		t.Errorf("the flag on %s was ignored", id)
	}
	if fact.Admin == AdminEnabled {
		fact = AdminFact{}
		delete(m.flags, id)
	} else {
		m.flags[id] = fact
	}
	f := m.facts[id]
	f.admin = fact
	m.facts[id] = f
}

func (m *model) anyID(t *rapid.T) ID {
	if len(m.facts) == 0 {
		t.Skip("no connectors")
	}
	return rapid.SampledFrom(slices.SortedFunc(maps.Keys(m.facts), func(a, b ID) int {
		if a.Less(b) {
			return -1
		}
		return 1
	})).Draw(t, "id")
}

func (m *model) keep(*rapid.T) {
	s := m.registry.Snapshot()
	m.kept = append(m.kept, keptSnapshot{s, membersOf(s)})
}

func (m *model) check(t *rapid.T) {
	members := membersOf(m.registry.Snapshot())
	if len(members) != len(m.facts) {
		t.Errorf("%d connectors, want %d", len(members), len(m.facts))
	}
	for id, want := range m.facts {
		got := members[id]
		if got.Spec.Address != want.address || got.Health != want.health || got.Admin != want.admin {
			t.Errorf("%s: got %+v, want %+v", id, got, want)
		}
		if state, _ := deriveState(&got); got.State != state {
			t.Errorf("%s: state %s is not what its facts say: %s", id, got.State, state)
		}
	}
	for _, k := range m.kept {
		for id, now := range membersOf(k.snapshot) {
			then := k.members[id]
			if now.State != then.State || now.Health != then.Health || now.Admin != then.Admin || now.Eligible != then.Eligible {
				t.Errorf("snapshot %d changed: %s", k.snapshot.Version, id)
			}
		}
	}
}

func membersOf(s *Snapshot) map[ID]Member {
	out := map[ID]Member{}
	for _, p := range s.Pools {
		for _, m := range p.Members {
			out[m.Spec.ID()] = *m
		}
	}
	return out
}
