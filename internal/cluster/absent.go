package cluster

import (
	"slices"
	"time"

	"weir/internal/backend"
)

// Absent is a flag in force on a connector that no source knows here now. It waits
// for the connector to come back.
type Absent struct {
	ID   backend.ID
	Fact backend.AdminFact
}

// Absent returns the flags that wait, in the order of their connectors.
func (c *Cluster) Absent() []Absent {
	now := time.Now()
	var list []Absent
	for id, e := range c.book.all() {
		if fact := e.fact(now); fact.Admin != backend.AdminEnabled && c.member(id) == nil {
			list = append(list, Absent{id, fact})
		}
	}
	slices.SortFunc(list, func(a, b Absent) int { return compareIDs(a.ID, b.ID) })
	return list
}
