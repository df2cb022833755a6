package cluster

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"
)

const (
	// peerSilent is the age of its view at which a replica no longer counts: three
	// of them were missed.
	peerSilent = 15 * time.Second
	// peerRemembered is how long a replica that fell silent is still missed: what
	// runs there may run on.
	peerRemembered = 10 * time.Minute
)

// peer is another replica, as far as its views tell.
type peer struct {
	view  view
	index uint64
	heard time.Time // by our clock: clocks of replicas differ
	gone  bool      // its key has vanished with its session
	said  bool      // that it is silent was told
}

func (p *peer) live(now time.Time) bool {
	return !p.gone && !p.view.Left && now.Sub(p.heard) <= peerSilent
}

// missed reports whether it was alive lately and did not take its leave.
func (p *peer) missed(now time.Time) bool {
	return !p.live(now) && !p.view.Left && now.Sub(p.heard) <= peerRemembered
}

// peers are the other replicas by name.
type peers struct {
	mu     sync.Mutex
	byName map[string]*peer
	self   bool // this replica's own view was there, written by itself

	foreign writing // another's view under this replica's name
	twin    bool    // whoever shows that is alive: it has shown another one since
}

// writing is what was written to a key last: in whose session, and at which index.
type writing struct {
	session string // empty: none
	index   uint64
}

func newPeers() *peers { return &peers{byName: map[string]*peer{}} }

// update takes what the prefix holds now; self is our name and session our session.
// freed: a view that was there is gone with its session, so the locks of that may be
// free; or lost, if it is our own.
func (ps *peers) update(pairs api.KVPairs, prefix, self, session string, now time.Time) (events []Event, freed bool) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	there := map[string]bool{}
	for _, pair := range pairs {
		name := strings.TrimPrefix(pair.Key, prefix)
		var v view
		if name == self || json.Unmarshal(pair.Value, &v) != nil || v.Name != name {
			continue
		}
		there[name] = true
		news := ps.hear(name, v, pair.ModifyIndex, now)
		events, freed = append(events, news...), freed || v.Left && len(news) > 0
	}
	for name, p := range ps.byName {
		if !there[name] && !p.gone {
			p.gone, freed = true, true
		}
	}
	before := ps.self
	ps.hearSelf(pairs, prefix+self, session)
	return append(events, ps.silent(now)...), freed || before && !ps.self
}

// hearSelf takes what stands under our own name. That is ours only if our session
// wrote it: it may be an earlier life's, which is over soon, or that of another weir
// which began with a copy of our state directory.
func (ps *peers) hearSelf(pairs api.KVPairs, key, session string) {
	var found writing
	if at := slices.IndexFunc(pairs, func(pair *api.KVPair) bool { return pair.Key == key }); at >= 0 {
		found = writing{pairs[at].Session, pairs[at].ModifyIndex}
	}
	ps.self = session != "" && found.session == session
	switch {
	case ps.self || found.session == "":
		ps.foreign, ps.twin = writing{}, false
	default:
		ps.twin = ps.twin || found.session == ps.foreign.session && found.index != ps.foreign.index
		ps.foreign = found
	}
}

// haveTwin reports whether another replica that is alive shows its view under our
// name.
func (ps *peers) haveTwin() bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return ps.twin
}

// hear takes one view.
func (ps *peers) hear(name string, v view, index uint64, now time.Time) []Event {
	p, known := ps.byName[name]
	if !known {
		p = &peer{gone: true}
		ps.byName[name] = p
	}
	if known && !p.gone && p.index == index {
		return nil
	}
	was := known && p.live(now) && !p.said
	p.view, p.index, p.heard, p.gone = v, index, now, false
	if v.Left {
		if !was {
			return nil
		}
		return []Event{{Kind: "replica", From: "live", To: "left", Why: name + " was stopped", By: name}}
	}
	p.said = false
	if was {
		return nil
	}
	return []Event{{Kind: "replica", To: "live", Why: name + " shows its view", By: name}}
}

// silent tells, once, of those from which nothing is heard any more, and forgets
// the ones that nobody misses.
func (ps *peers) silent(now time.Time) []Event {
	var events []Event
	for name, p := range ps.byName {
		if p.missed(now) && !p.said {
			p.said = true
			events = append(events, Event{Kind: "replica", From: "live", To: "silent", Why: "nothing was heard of " + name + " since " + p.heard.UTC().Format(time.RFC3339), By: name})
		}
		if p.gone && !p.missed(now) {
			delete(ps.byName, name)
		}
	}
	return events
}

// check tells of those that fell silent since.
func (ps *peers) check(now time.Time) []Event {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return ps.silent(now)
}

// complete reports whether what is read holds our own view. A token without rights
// reads nothing, and is not told so.
func (ps *peers) complete() bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return ps.self
}

func (ps *peers) leftLongAgo(name string, now time.Time) bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p := ps.byName[name]
	return p != nil && p.view.Left && now.Sub(p.heard) > leftFor
}

// departed returns the replicas that were stopped in an orderly way a moment ago,
// by name.
func (ps *peers) departed() []other {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	var out []other
	for name, p := range ps.byName {
		if p.view.Left && !p.gone {
			out = append(out, other{name: name, view: p.view, heard: p.heard})
		}
	}
	slices.SortFunc(out, func(a, b other) int { return cmp.Compare(a.name, b.name) })
	return out
}

// other is another replica at one moment.
type other struct {
	name  string
	view  view
	heard time.Time
	live  bool
}

// others returns the replicas that are live, and those that are missed, by name.
func (ps *peers) others(now time.Time) []other {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	var out []other
	for name, p := range ps.byName {
		if live := p.live(now); live || p.missed(now) {
			out = append(out, other{name: name, view: p.view, heard: p.heard, live: live})
		}
	}
	slices.SortFunc(out, func(a, b other) int { return cmp.Compare(a.name, b.name) })
	return out
}
