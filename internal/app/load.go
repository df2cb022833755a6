package app

// loadStatus tells the metrics what the data path has on its hands. They are made
// before it, but asked later.
type loadStatus struct{ app *App }

func (l loadStatus) Waiting(pool string) int { return l.app.balancer.Waiting(pool) }
func (l loadStatus) ReplayMemory() int64     { return l.app.balancer.ReplayMemory() }
func (l loadStatus) Unbuffered() int64       { return l.app.balancer.Unbuffered() }
