package discovery

// nudge wakes Run. The lock need not be held.
func (m *Manager) nudge() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// owe puts a call in line: the functions of the options are called without the
// lock, so that they may ask the manager back. The lock is held.
func (m *Manager) owe(call func()) { m.news = append(m.news, call) }

// tell makes the calls that are owed, in their order.
func (m *Manager) tell() {
	m.mu.Lock()
	news := m.news
	m.news = nil
	m.mu.Unlock()
	for _, call := range news {
		call()
	}
}

// fail puts the news of a failure in line.
func (m *Manager) fail(feed string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.owe(func() { m.failed(feed, err) })
	m.nudge()
}

func (m *Manager) failed(feed string, err error) {
	if m.opts.Failed != nil {
		m.opts.Failed(feed, err)
	}
}

// arrive closes First, once. What led to it has been told by then.
func (m *Manager) arrive() {
	select {
	case <-m.first:
	default:
		close(m.first)
	}
}
