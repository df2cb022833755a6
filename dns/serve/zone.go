package serve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	room "weir/dns"
)

// pollEvery is how often a store is asked that is no [Watcher], and the pause
// after a store's error.
const pollEvery = 2 * time.Second

// swapTries is how often a change is tried on top of somebody else's.
const swapTries = 8

// tellPause is between two sentences of one matter.
const tellPause = time.Minute

// Zone is one zone: what it says, and where that is kept. It is a [room.Target].
type Zone struct {
	cfg         room.Config
	key         string // its name in wire form
	base        *base  // of this replica's config and zone file
	store       Store
	note        func(string)
	picture     atomic.Pointer[picture] // nil: nothing known yet
	secondaries []*secondary
	copy        *copied // nil: none

	mu   sync.Mutex
	held *entry            // what picture was made of
	seen uint64            // its version in the store
	told map[string]saying // what note was told last, by matter
}

// NewZone reads the zone file. note gets a sentence for the log when something is
// wrong that weir goes on without, and when it is well again; each once. cfg.Serve
// is not nil.
func NewZone(cfg room.Config, store Store, note func(string)) (*Zone, error) {
	b, err := loadBase(cfg)
	if err != nil {
		return nil, err
	}
	key, err := wireName(cfg.Zone)
	if err != nil {
		return nil, err
	}
	z := &Zone{cfg: cfg, key: key, base: b, store: store, note: note, told: map[string]saying{}}
	for _, address := range cfg.Serve.Notify {
		z.secondaries = append(z.secondaries, &secondary{z, address, make(chan struct{}, 1)})
	}
	return z, nil
}

// Run follows the store and tells the secondaries of changes, until ctx ends.
func (z *Zone) Run(ctx context.Context) error {
	jobs := []func(context.Context) error{z.follow}
	for _, n := range z.secondaries {
		n.nudge() // a weir that was away may have missed telling
		jobs = append(jobs, n.run)
	}
	return together(ctx, jobs...)
}

func (z *Zone) follow(ctx context.Context) error {
	for {
		var changed <-chan struct{}
		if w, ok := z.store.(Watcher); ok {
			changed = w.Changed() // before the look: nothing is missed between them
		}
		err := z.refresh(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			z.tell("store", "the zone %s: %v; what was known is served", z.cfg.Zone, err)
		default:
			z.well("store", "the zone %s: its store answers again", z.cfg.Zone)
		}
		if err := z.refreshCopy(ctx); err != nil && ctx.Err() == nil {
			z.tell("copy", "keeping a copy of the zone %s: %v; a restart while the shared store is away would not know the zone", z.cfg.Zone, err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-time.After(pollEvery):
		}
	}
}

// refresh serves what the store has. A store that lost the entry gets ours back:
// absence is no command.
func (z *Zone) refresh(ctx context.Context) error {
	e, version, err := z.load(ctx)
	if err != nil || e == nil {
		return err
	}
	if version == 0 {
		data, err := e.encode()
		if err != nil {
			return err
		}
		if _, err := z.store.Swap(ctx, data, 0); err != nil {
			return err
		}
		return nil // whoever won, the next look tells
	}
	return z.install(e, version)
}

// load returns the entry in the store, or if there is none what is served, with
// version 0; nil: nothing is.
func (z *Zone) load(ctx context.Context) (*entry, uint64, error) {
	data, version, err := z.store.Load(ctx)
	if err != nil {
		return nil, 0, err
	}
	if version == 0 {
		z.mu.Lock()
		defer z.mu.Unlock()
		return z.held, 0, nil
	}
	e, err := decodeEntry(data)
	return e, version, err
}

// install serves an entry, unless what is served is newer.
func (z *Zone) install(e *entry, version uint64) error {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.held != nil && (version == z.seen && e.Serial == z.held.Serial || newer(z.held.Serial, e.Serial)) {
		return nil // a store that began anew may count the same versions again
	}
	p, err := compile(z.cfg.Zone, e, z.cfg.Records)
	if err != nil {
		return err
	}
	before := z.picture.Swap(p)
	z.held, z.seen = e, version
	if before == nil || before.serial != p.serial {
		for _, n := range z.secondaries {
			n.nudge()
		}
	}
	return nil
}

// Adopt makes this replica's zone file, name servers and contact the ones that all
// replicas serve: for a leader at the beginning of its term, and for a weir without
// replicas at its start. A Write does so too.
func (z *Zone) Adopt(ctx context.Context) error {
	err := z.change(ctx, func(e *entry) error {
		if e.Serial != 0 && slices.Equal(e.Base, z.base.text()) {
			return errNothing
		}
		return nil
	})
	if errors.Is(err, errNothing) {
		return z.refresh(ctx)
	}
	return err
}

// errNothing ends a change that would change nothing.
var errNothing = errors.New("nothing to change")

// change makes a change of the entry, on top of whatever it is, with the next
// serial, and serves it.
func (z *Zone) change(ctx context.Context, edit func(*entry) error) error {
	for range swapTries {
		have, version, err := z.load(ctx)
		if err != nil {
			return err
		}
		if have == nil {
			have = &entry{Format: entryFormat}
		}
		e := have.clone()
		if err := edit(e); err != nil {
			return err
		}
		e.Base = z.base.text()
		e.Serial = nextSerial(z.lastSerial(e.Serial), uint32(time.Now().Unix()))
		ok, err := z.swap(ctx, e, version)
		if err != nil || ok {
			return err
		}
	}
	return fmt.Errorf("changing the zone %s: others change it all the time", z.cfg.Zone)
}

// lastSerial is the newest of the serials that anybody may have seen: the entry's,
// what is served (the entry may come from a backup) and what the zone file said
// where the zone was served before.
func (z *Zone) lastSerial(stored uint32) uint32 {
	z.mu.Lock()
	defer z.mu.Unlock()
	last := z.base.soa.Serial
	if stored != 0 && (last == 0 || newer(stored, last)) {
		last = stored
	}
	if z.held != nil && newer(z.held.Serial, last) {
		last = z.held.Serial
	}
	return last
}

// swap writes the entry and serves it.
func (z *Zone) swap(ctx context.Context, e *entry, version uint64) (bool, error) {
	if _, err := compile(z.cfg.Zone, e, z.cfg.Records); err != nil {
		return false, fmt.Errorf("%w: %w", room.ErrRefused, err)
	}
	data, err := e.encode()
	if err != nil {
		return false, err
	}
	ok, err := z.store.Swap(ctx, data, version)
	if err != nil {
		return false, fmt.Errorf("%w: %w", room.ErrUnknownOutcome, err)
	}
	if !ok {
		return false, nil
	}
	// The version is the store's to tell; what is there now may be newer already.
	stored, at, err := z.store.Load(ctx)
	switch {
	case err == nil && bytes.Equal(stored, data):
		return true, z.install(e, at)
	case err == nil && at != 0:
		if after, err := decodeEntry(stored); err == nil {
			return true, z.install(after, at)
		}
	}
	return true, z.install(e, 0)
}

// saying is a sentence that was told.
type saying struct {
	what string
	at   time.Time
}

// tell notes what is wrong, if it is another sentence than the last one of that
// matter, and that one a minute old: strangers must not be able to fill the log.
func (z *Zone) tell(matter, format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	z.mu.Lock()
	last := z.told[matter]
	fresh := last.what != what && time.Since(last.at) >= tellPause
	if fresh {
		z.told[matter] = saying{what, time.Now()}
	}
	z.mu.Unlock()
	if fresh {
		z.note(what)
	}
}

// well notes that a matter is well again, if it was not.
func (z *Zone) well(matter, format string, args ...any) {
	z.mu.Lock()
	_, was := z.told[matter]
	delete(z.told, matter)
	z.mu.Unlock()
	if was {
		z.note(fmt.Sprintf(format, args...))
	}
}
