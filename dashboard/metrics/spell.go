package metrics

import (
	"sync"
	"time"

	"weir/dashboard"
)

// quiet is how long a pool must have deferred nothing for a spell to be over.
const quiet = 5 * time.Minute

// spell is a time in which weir itself deferred messages of a pool: it begins with
// the first of them after a quiet time, and is over when there is another.
type spell struct {
	mu          sync.Mutex
	since, last time.Time // of its messages
	messages    int64     // 0: there was none yet
}

// note counts a message.
func (s *spell) note(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over(now) {
		s.since, s.messages = now, 0
	}
	s.last = now
	s.messages++
}

// at is the spell that goes on; nil: there is none.
func (s *spell) at(now time.Time) *dashboard.Deferring {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over(now) {
		return nil
	}
	return &dashboard.Deferring{Messages: s.messages, Since: s.since.UTC(), Last: s.last.UTC()}
}

func (s *spell) over(now time.Time) bool { return s.messages == 0 || now.Sub(s.last) >= quiet }

// Deferring tells how many messages of a pool weir itself has deferred since the
// trouble began; nil: none in the last five minutes.
func (m *Metrics) Deferring(pool string) *dashboard.Deferring {
	m.meter.mu.RLock()
	p := m.meter.pools[pool]
	m.meter.mu.RUnlock()
	if p == nil {
		return nil
	}
	return p.deferring.at(time.Now())
}
