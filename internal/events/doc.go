// Package events holds what changed: a bounded ring of transitions with ids, in
// the order in which they happened. The owner of a fact appends an event when
// the fact changes; log, timeline and counters read them with [Log.Since], each
// from the last id it saw, and wait on the channel that comes with the answer.
//
// The package knows edges only: what is true now is the registry's to say. It
// never blocks a writer and never grows: a reader that stays away longer than
// the ring is deep misses the oldest, which shows as a gap in the ids.
package events
