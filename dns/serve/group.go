package serve

import (
	"context"
	"sync"
)

// together runs jobs until all have ended, and ends the others when one fails. It
// returns the first failure.
func together(ctx context.Context, jobs ...func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		running sync.WaitGroup
		once    sync.Once
		first   error
	)
	for _, job := range jobs {
		running.Go(func() {
			if err := job(ctx); err != nil {
				once.Do(func() { first = err })
				cancel(err)
			}
		})
	}
	running.Wait()
	return first
}
