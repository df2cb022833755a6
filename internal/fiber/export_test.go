package fiber

// For the tests: who waits now, and how many workers there are.

func (s *side) waits() bool {
	w := s.state.Load()
	return w != nil && w != noted
}

// ReadWaits reports whether somebody waits to read, or something is parked.
func (c *Conn) ReadWaits() bool { return c.in.waits() }

// WriteWaits reports whether somebody waits to write.
func (c *Conn) WriteWaits() bool { return c.out.waits() }

// ReadNoted reports whether something has come that nobody has looked at.
func (c *Conn) ReadNoted() bool { return c.in.state.Load() == noted }

// ExpireEarly has the timer of the read deadline fire, as it does for a deadline by a wall
// clock that was set back meanwhile.
func (c *Conn) ExpireEarly() {
	c.in.mu.Lock()
	c.in.timer.Stop()
	c.in.mu.Unlock()
	c.in.expire()
}

// ToItself reports whether a connection has only itself at its other end.
func (c *Conn) ToItself() bool { return c.toItself() }

// Stood reports whether a fiber has let others go first since it last waited.
func (f *Fiber) Stood() bool { return f.stood > 0 }

// Waits reports whether somebody awaits the signal.
func (s *Signal) Waits() bool { return s.side.waits() }

// Workers returns how many workers there are, and at most are of use at a time.
func (g *Group) Workers() (are, most int) {
	g.shift.mu.Lock()
	defer g.shift.mu.Unlock()
	return g.shift.workers, g.shift.most
}

// Polling reports whether a worker waits for events, and all others rest or are held up.
func (g *Group) Polling() bool {
	g.shift.mu.Lock()
	defer g.shift.mu.Unlock()
	return g.shift.polling && g.shift.left == 0
}

// Unguarded reports whether a worker waits for events, and nobody looks after the others.
func (g *Group) Unguarded() bool {
	g.shift.mu.Lock()
	defer g.shift.mu.Unlock()
	return g.shift.polling && !g.shift.guarded
}

// Spare returns how many fibers without work are kept.
func (g *Group) Spare() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.spare)
}

// MaxSpare is how many are kept at most.
const MaxSpare = maxSpare
