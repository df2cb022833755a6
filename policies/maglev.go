package policies

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"

	"weir/internal/backend"
)

// maglev sends a key always to the same connector (Eisenbud et al.: Maglev, NSDI
// 2016, section 3.4; the weights are as in Envoy). Its tables are made of all
// members, healthy or not, by name and configured weight only: so all replicas
// have the same ones, whatever each thinks of the connectors' health, and when one
// comes or goes nearly all keys stay where they are.
type maglev struct {
	tables   atomic.Pointer[maglevTables]
	building sync.Mutex
}

// first returns the key's target. Where that is out, or cannot serve the needs,
// the key is hashed anew: so the keys of a dead connector spread over all others.
func (g *maglev) first(t *Tier, cur *Cursor) int { return g.target(t, cur, -1) }

func (g *maglev) second(t *Tier, cur *Cursor) int { return g.target(t, cur, cur.first) }

func (g *maglev) target(t *Tier, cur *Cursor, not int) int {
	if table := g.of(cur.candidates.pool).tier(t.Cost); table != nil {
		for k := range uint64(draws) {
			name := table.members[table.slots[below(number(cur.key, k), len(table.slots))]].name
			if i := t.find(name); i >= 0 && i != not && t.Members[i].Serves(cur.needs) && t.Members[i].keeps(cur.key, k) {
				return i
			}
		}
	}
	// Nearly all of them are out.
	i := below(number(cur.key, draws), len(t.Members))
	for range len(t.Members) {
		if i != not && t.Members[i].Serves(cur.needs) {
			return i
		}
		i = (i + 1) % len(t.Members)
	}
	if i == not {
		i = (i + 1) % len(t.Members)
	}
	return i
}

// keeps reports whether a key that was hashed to the connector for the k-th time
// belongs to the share that health leaves it. As that grows again, keys come back
// and none goes.
func (c *Candidate) keeps(key, k uint64) bool {
	return c.part >= fullShare || below(number(^key, k), fullShare) < c.part
}

// of returns the tables of a pool's membership. A transaction that still goes by
// an older snapshot uses the newer tables: whom it does not find there it passes
// over. When the membership has changed one transaction makes the new tables, and
// the others go on by the old ones until these are done; only where there are none
// yet they wait.
func (g *maglev) of(p *backend.Pool) *maglevTables {
	tables := g.tables.Load()
	if tables.of(p) {
		return tables
	}
	if tables == nil {
		g.building.Lock()
	} else if !g.building.TryLock() {
		return tables
	}
	defer g.building.Unlock()
	if tables = g.tables.Load(); !tables.of(p) { // else another one has just made them
		tables = newMaglevTables(p, tables)
		g.tables.Store(tables)
	}
	return tables
}

// maglevTables are the tables of a pool's tiers.
type maglevTables struct {
	membership uint64
	tiers      []*maglevTier // by cost
}

// of reports whether the tables are those of a pool's membership, or of a newer one.
func (t *maglevTables) of(p *backend.Pool) bool { return t != nil && t.membership >= p.Membership }

// newMaglevTables makes the tables of a membership; before is nil or an older one,
// of which tiers that have not changed are kept.
func newMaglevTables(p *backend.Pool, before *maglevTables) *maglevTables {
	tables := &maglevTables{membership: p.Membership}
	for _, m := range p.Members {
		if m.Gone || m.Was != "" {
			continue
		}
		i, ok := tables.find(m.Spec.Cost)
		if !ok {
			tables.tiers = slices.Insert(tables.tiers, i, &maglevTier{cost: m.Spec.Cost})
		}
		tier := tables.tiers[i]
		tier.members = append(tier.members, maglevMember{m.Spec.Name, uint64(max(m.Spec.Weight, 1))})
	}
	for _, tier := range tables.tiers {
		if old := before.tier(tier.cost); old != nil && slices.Equal(old.members, tier.members) {
			tier.slots = old.slots
		} else {
			tier.slots = maglevSlots(tier.members, maglevSizeFor(len(tier.members)))
		}
	}
	return tables
}

func (t *maglevTables) find(cost int) (int, bool) {
	return slices.BinarySearchFunc(t.tiers, cost, func(t *maglevTier, cost int) int { return cmp.Compare(t.cost, cost) })
}

// tier returns the table of a cost, or nil.
func (t *maglevTables) tier(cost int) *maglevTier {
	if t == nil {
		return nil
	}
	if i, ok := t.find(cost); ok {
		return t.tiers[i]
	}
	return nil
}

// maglevTier is the table of one tier.
type maglevTier struct {
	cost    int
	members []maglevMember // by name
	slots   []int32        // indices of members
}

type maglevMember struct {
	name   string
	weight uint64
}

// The size of a table is a prime, so that steps of any width meet every slot, and a
// hundred times the members at least, so that shares are right to a hundredth.
// Tables of other sizes have nothing in common: so it grows in wide steps, and
// only when a tier comes to have more than 655 members (2621, 10485 …) or fewer
// again do all keys move.
const (
	maglevSize    = 1 << 16
	maglevGrowth  = 4
	maglevSlotsOf = 100
)

func maglevSizeFor(members int) uint64 {
	size := maglevSize
	for size < maglevSlotsOf*members {
		size *= maglevGrowth
	}
	return uint64(nextPrime(size))
}

// maglevSlots fills a table of so many slots, a prime: in rounds, each member takes
// the next free slot of its own permutation, as often as its weight allows. Weights
// count in a unit near their mean, a power of two: so that it stays the same when
// one member leaves, and with it the order in which the others take turns.
func maglevSlots(members []maglevMember, size uint64) []int32 {
	slots := make([]int32, size)
	taken := make(slotSet, (size+63)/64)
	unit := maglevUnit(members)
	steps := make([]maglevSteps, len(members))
	for i, m := range members {
		// The first round gives everybody a slot.
		steps[i] = maglevSteps{name: hashText(0, m.name, false), credit: max(unit, m.weight) - m.weight}
	}
	for free := size; ; {
		for i := range steps {
			s := &steps[i]
			for s.credit += members[i].weight; s.credit >= unit; s.credit -= unit {
				slots[s.next(taken, size)] = int32(i)
				if free--; free == 0 {
					return slots
				}
			}
		}
	}
}

// maglevSteps is a member's way through the table: its permutation, in which it
// comes upon every slot in the end. Unlike in the paper the width of the steps
// changes after each lap: members of which one's width is a small multiple of
// another's would else follow each other all the way, and then keys move that
// need not.
type maglevSteps struct{ name, turn, at, width, credit uint64 }

const maglevLap = 64

// next takes the next slot that is free. Nearly all the time is spent here, on slots
// that are not: so what is taken is kept apart, as small as can be, and a step goes
// round the table's end without a branch, which no processor could predict.
func (s *maglevSteps) next(taken slotSet, size uint64) uint64 {
	at, width, turn := s.at, s.width, s.turn
	for {
		if turn%maglevLap == 0 {
			h := number(s.name, turn/maglevLap)
			at, width = uint64(below(h, int(size))), 1+h%(size-1)
		} else {
			at += width - size
			at += size & uint64(int64(at)>>63) // where that was below 0
		}
		turn++
		if !taken.has(at) {
			break
		}
	}
	taken[at/64] |= 1 << (at % 64)
	s.at, s.width, s.turn = at, width, turn
	return at
}

// slotSet is a set of slots.
type slotSet []uint64

func (b slotSet) has(i uint64) bool { return b[i/64]&(1<<(i%64)) != 0 }

// maglevUnit returns the highest power of two that is not above the mean weight.
func maglevUnit(members []maglevMember) uint64 {
	var sum uint64
	for _, m := range members {
		sum += m.weight
	}
	unit := uint64(1)
	for 2*unit*uint64(len(members)) <= sum {
		unit *= 2
	}
	return unit
}

// nextPrime returns the lowest prime that is not below n, which is 3 at least.
func nextPrime(n int) int {
	for n |= 1; ; n += 2 {
		prime := true
		for d := 3; d*d <= n && prime; d += 2 {
			prime = n%d != 0
		}
		if prime {
			return n
		}
	}
}
