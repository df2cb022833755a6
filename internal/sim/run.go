package sim

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"
)

// Run plays the scenario once for each of its policies. It uses all processors and
// blocks until the end, or until ctx is done, whose error it then returns.
func Run(ctx context.Context, sc *Scenario) (*Result, error) {
	ready := *sc
	ready.prepare()
	jobs := ready.jobs()
	tallies := make([]*tally, len(ready.Policies))
	worlds := make([]*world, len(ready.Policies))
	var mu sync.Mutex
	err := inParallel(ctx, len(jobs), func(ctx context.Context, i int) error {
		w, err := newWorld(&ready, ready.Policies[jobs[i].policy], jobs[i].replicas)
		if err == nil {
			err = w.run(ctx)
		}
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		if at := jobs[i].policy; tallies[at] == nil {
			tallies[at], worlds[at] = w.tally, w.remains()
		} else {
			tallies[at].merge(w.tally)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	r := &Result{
		Scenario: ready.Name, Seed: ready.Seed, Connectors: ready.connectors(), Replicas: ready.Replicas,
		Bucket: round(time.Duration(tallies[0].width).Seconds()),
	}
	for i, y := range tallies {
		r.Policies = append(r.Policies, y.result(worlds[i]))
	}
	return r, nil
}

// remains is what is needed of a world for the result.
func (w *world) remains() *world {
	return &world{sc: w.sc, policy: w.policy, connectors: w.connectors}
}

// job is a world to be played: some replicas with one policy.
type job struct {
	policy   int
	replicas []int
}

func (s *Scenario) jobs() []job {
	var all []job
	for policy := range s.Policies {
		var together []int
		for r := range s.Replicas {
			together = append(together, r)
			if !s.coupled() {
				all = append(all, job{policy, together})
				together = nil
			}
		}
		if together != nil {
			all = append(all, job{policy, together})
		}
	}
	return all
}

// prepare works out what all worlds use.
func (s *Scenario) prepare() {
	s.parts = parts()
	s.senders.addresses = make([]string, s.senders.count)
	for i := range s.senders.addresses {
		s.senders.addresses[i] = fmt.Sprintf("user%d@example.com", i)
	}
}

// inParallel does n jobs on all processors, and returns the first error.
func inParallel(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	todo := make(chan int, n)
	for i := range n {
		todo <- i
	}
	close(todo)
	var running sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		running.Go(func() {
			for i := range todo {
				if err := do(ctx, i); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	running.Wait()
	return context.Cause(ctx)
}
