package cluster

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"weir/internal/backend"
)

// entry is what this replica holds of one connector's flag.
type entry struct {
	flag
	unshared bool // Consul has not been told
}

// book is this replica's mirror of all flags. Whatever changes in it is applied to
// the registry under the same lock, so that the two cannot fall apart.
type book struct {
	registry *backend.Registry
	file     stateFile

	mu      sync.Mutex
	flags   map[backend.ID]entry
	applied map[backend.ID]backend.Admin // what the registry was told last
	dirty   bool                         // a word has come since the last save

	saving sync.Mutex
	saved  time.Time // when it was tried last; guarded by saving
	broken error     // why the last save failed; guarded by mu
}

func newBook(registry *backend.Registry, file stateFile) *book {
	return &book{registry: registry, file: file, flags: map[backend.ID]entry{}, applied: map[backend.ID]backend.Admin{}}
}

// load reads the state file and applies what it says.
func (b *book) load(now time.Time) []Event {
	flags, err := b.file.read()
	b.mu.Lock()
	defer b.mu.Unlock()
	var events []Event
	if err != nil {
		events = append(events, Event{Kind: "state", To: "trouble", Why: err.Error()})
	}
	for id, e := range flags {
		events = append(events, b.put(id, e, now)...)
	}
	return events
}

// save writes the state file as the book is now, and tells when that begins to fail
// and when it works again. Saves run one after the other, and each takes what is
// newest, so that an old state never covers a new one.
func (b *book) save() []Event {
	b.saving.Lock()
	defer b.saving.Unlock()
	return b.write()
}

// write is save, with saving held.
func (b *book) write() []Event {
	b.saved = time.Now()
	b.mu.Lock()
	flags := maps.Clone(b.flags)
	b.dirty = false
	b.mu.Unlock()
	err := b.file.write(flags)
	b.mu.Lock()
	before := b.broken
	b.broken = err
	b.mu.Unlock()
	switch {
	case err != nil && before == nil:
		return []Event{{Kind: "state", To: "trouble", Why: err.Error()}}
	case err == nil && before != nil:
		return []Event{{Kind: "state", From: "trouble", To: "kept", Why: "the drain flags are on disk again"}}
	}
	return nil
}

// saveAgain is how long after a save that failed the next one is tried.
const saveAgain = time.Minute

// retry saves again what could not be saved a while ago, and returns when the next
// try is due; zero: none is.
func (b *book) retry() (next time.Time, events []Event) {
	b.saving.Lock()
	defer b.saving.Unlock()
	if b.unsaved() != nil && time.Since(b.saved) >= saveAgain {
		events = b.write()
	}
	if b.unsaved() != nil {
		next = b.saved.Add(saveAgain)
	}
	return next, events
}

// stale reports whether a word has come that no save has seen yet: not every one is
// an event.
func (b *book) stale() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.dirty
}

// unsaved returns why the flags are not on disk as they are; nil: they are.
func (b *book) unsaved() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.broken
}

// get returns what is held of a connector; the zero entry for nothing.
func (b *book) get(id backend.ID) entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.flags[id]
}

// all returns a copy of the book.
func (b *book) all() map[backend.ID]entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.flags)
}

// unshared returns the connectors of which Consul has not been told.
func (b *book) unshared() []backend.ID {
	b.mu.Lock()
	defer b.mu.Unlock()
	var ids []backend.ID
	for id, e := range b.flags {
		if e.unshared {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, compareIDs)
	return ids
}

// take takes a word for a connector if it stands against the one that is held, and
// returns what there is to tell.
func (b *book) take(id backend.ID, f flag, unshared bool, now time.Time) []Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	held, known := b.flags[id]
	if known && held.plausible(now) && !f.newer(held.flag) {
		if f.same(held.flag) && !unshared {
			return b.markShared(id)
		}
		return nil
	}
	return b.put(id, entry{f, unshared}, now)
}

// told notes that Consul holds this word now, unless a newer one has come since.
func (b *book) told(id backend.ID, f flag) []Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !f.same(b.flags[id].flag) {
		return nil
	}
	return b.markShared(id)
}

// doubted notes that Consul does not hold a connector's word.
func (b *book) doubted(id backend.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e, ok := b.flags[id]; ok {
		e.unshared = true
		b.flags[id] = e
	}
}

func (b *book) markShared(id backend.ID) []Event {
	e := b.flags[id]
	if !e.unshared {
		return nil
	}
	e.unshared = false
	b.flags[id] = e
	return []Event{{Kind: "flag", Pool: id.Pool, Backend: id.Name, From: "not shared", To: "shared", Why: e.Why, By: e.Who}}
}

// put replaces an entry.
func (b *book) put(id backend.ID, e entry, now time.Time) []Event {
	b.flags[id], b.dirty = e, true
	return b.apply(id, e.flag, now)
}

// apply tells the registry what a flag means now.
func (b *book) apply(id backend.ID, f flag, now time.Time) []Event {
	admin, before := f.admin(now), b.applied[id]
	b.applied[id] = admin
	edge, _ := b.registry.SetAdmin(id, f.fact(now))
	if admin == before && !edge.Changed() {
		return nil
	}
	event := Event{Kind: "backend", Pool: id.Pool, Backend: id.Name, From: edge.From.String(), To: edge.To.String(), Why: f.Why, By: f.Who}
	if !edge.Changed() {
		event.Kind, event.From, event.To = "flag", before.String(), admin.String()
	}
	if admin == backend.AdminEnabled && (f.Drained || f.Disabled) {
		event.Why = fmt.Sprintf("its time is over: it was set until %s", f.Until.Format(time.RFC3339))
	}
	return []Event{event}
}

// due ends the flags whose time is over and returns when the next one ends; zero:
// none does.
func (b *book) due(now time.Time) (next time.Time, events []Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, e := range b.flags {
		switch {
		case e.Until.IsZero() || b.applied[id] == backend.AdminEnabled:
		case !now.Before(e.Until):
			events = append(events, b.apply(id, e.flag, now)...)
		case next.IsZero() || e.Until.Before(next):
			next = e.Until
		}
	}
	return next, events
}

func compareIDs(a, b backend.ID) int {
	switch {
	case a.Less(b):
		return -1
	case b.Less(a):
		return 1
	}
	return 0
}
