package dns

import (
	"maps"
	"time"
)

// stranger is a published record that is no member's: of a connector that was
// deregistered, or put there by hand.
type stranger struct {
	set Name
	key string
}

// memory is what one publisher remembers between two plans.
type memory struct {
	tracks    map[string]*track      // by member
	strangers map[stranger]time.Time // since when
	wrote     time.Time              // when a change was last sent, whatever came of it
	removed   time.Time              // when one last left that no operator had sent away
}

func newMemory() memory {
	return memory{tracks: map[string]*track{}, strangers: map[stranger]time.Time{}}
}

// see takes in how all members are now, and lets them know their tracks.
func (mem *memory) see(members []*member, now time.Time) {
	for _, m := range members {
		m.track = mem.tracks[m.id]
		if m.track == nil {
			m.track = &track{}
			mem.tracks[m.id] = m.track
		}
		m.track.see(m, now)
	}
	for _, t := range mem.tracks {
		if !t.seen.Equal(now) {
			t.health, t.since, t.ordered = unsure, time.Time{}, time.Time{}
		}
	}
	maps.DeleteFunc(mem.tracks, func(_ string, t *track) bool { return t.forgotten(now) })
}

// meet returns since when a stranger has been seen.
func (mem *memory) meet(s stranger, now time.Time) time.Time {
	if _, known := mem.strangers[s]; !known {
		mem.strangers[s] = now
	}
	return mem.strangers[s]
}

// dismiss forgets the strangers that are not among these any more.
func (mem *memory) dismiss(present map[stranger]bool) {
	maps.DeleteFunc(mem.strangers, func(s stranger, _ time.Time) bool { return !present[s] })
}
