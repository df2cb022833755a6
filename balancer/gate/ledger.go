package gate

import (
	"hash/maphash"
	"time"
)

// ways is how many entries share a row of a ledger: those that compete for a place.
const ways = 8

// ledger remembers, for as many clients as fit, until when each is in debt. It never
// grows. Who is not in it has no debt, and neither has who is in it until a time that
// has passed, so that such an entry can be given away and nothing is lost. Where a
// row is full the smallest debt is forgotten. Which clients share a row cannot be
// known from outside.
type ledger struct {
	seed maphash.Seed
	rows [][ways]entry
	mask uint64
}

// entry is a client's. The hash stands for its key: that two clients share all 64
// bits of a hash with a secret seed does not happen.
type entry struct {
	hash  uint64
	until time.Duration // since the gate's epoch
}

// newLedger makes one with a place for so many, a power of two and at least ways.
func newLedger(places int) *ledger {
	return &ledger{seed: maphash.MakeSeed(), rows: make([][ways]entry, places/ways), mask: uint64(places/ways - 1)}
}

// find returns a client's entry or, where it has none, one that it may have: its
// until has passed then or is the smallest of its row.
func (l *ledger) find(k key) (e *entry, hash uint64) {
	hash = maphash.Comparable(l.seed, k)
	row := &l.rows[hash&l.mask]
	e = &row[0]
	for i := range row {
		if row[i].hash == hash {
			return &row[i], hash
		}
		if row[i].until < e.until {
			e = &row[i]
		}
	}
	return e, hash
}

// debt is for how long from now on a client is in debt.
func (l *ledger) debt(k key, now time.Duration) time.Duration {
	if e, hash := l.find(k); e.hash == hash {
		return max(e.until-now, 0)
	}
	return 0
}

// charge adds to a client's debt, unless it would pass the most that it may be.
func (l *ledger) charge(k key, now, price, most time.Duration) bool {
	e, hash := l.find(k)
	debt := time.Duration(0)
	if e.hash == hash {
		// A reload may have lowered what is the most.
		debt = min(max(e.until-now, 0), most)
	}
	if debt+price > most {
		return false
	}
	*e = entry{hash, now + debt + price}
	return true
}

// add adds to a client's debt, which stays within the most that it may be.
func (l *ledger) add(k key, now, price, most time.Duration) {
	e, hash := l.find(k)
	debt := time.Duration(0)
	if e.hash == hash {
		debt = max(e.until-now, 0)
	}
	*e = entry{hash, now + min(debt+price, most)}
}
