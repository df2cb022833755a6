package health

import "weir/internal/backend"

// counts are the failures in traffic that no success has contradicted yet, by
// stage. A success contradicts those at its own stage and at the stages that it
// must have passed to get there. So a connector that always takes MAIL and
// always dies at DATA is found out: its successes at MAIL leave the failures at
// DATA standing.
//
// Stages come in two groups, for the connection and for the transaction. Success
// in a transaction does not speak for the connection stages, because it may run
// on a connection that was opened long before.
type counts struct {
	by  [backend.Stages]int
	all int // of all stages; mostly none, and each success asks
}

// stageSet is a set of stages, a bit each.
type stageSet uint32

// contradicts returns the stages whose failures a success at this one refutes.
func contradicts(stage backend.Stage) stageSet {
	upTo := stageSet(1)<<(stage+1) - 1
	if stage >= backend.StageMail {
		return upTo &^ (stageSet(1)<<backend.StageMail - 1)
	}
	return upTo
}

func (c *counts) add(stage backend.Stage) {
	c.by[stage]++
	c.all++
}

func (c *counts) clear(stages stageSet) {
	if c.all == 0 {
		return
	}
	for s := range backend.Stages {
		if stages&(1<<s) != 0 {
			c.all -= c.by[s]
			c.by[s] = 0
		}
	}
}

func (c *counts) total() int { return c.all }

// deepest returns the last stage at which failures stand.
func (c *counts) deepest() backend.Stage {
	deepest := backend.StageConnect
	for s, k := range c.by {
		if k > 0 {
			deepest = backend.Stage(s)
		}
	}
	return deepest
}
