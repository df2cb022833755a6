package gate

// Knock takes a place for a connection whose proxy has yet to say for whom it speaks;
// [Gate.Knocked] gives it back, before Enter is asked for that client. Where the
// listener is full a few may knock all the same, as many as there may be above its
// limit while others make room: a client of a light network, or one that is exempt,
// would never get to be told apart otherwise. False: they are too many already.
func (g *Gate[S]) Knock() bool {
	limit := g.rules.Load().Connections
	g.mu.Lock()
	defer g.mu.Unlock()
	if limit > 0 && g.inside-g.shedding >= limit && g.knocking >= slack(limit) {
		return false
	}
	g.inside++
	g.knocking++
	return true
}

// Knocked gives back the place that a Knock has taken.
func (g *Gate[S]) Knocked() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	g.knocking--
}
