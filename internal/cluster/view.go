package cluster

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"weir/internal/backend"
)

// view is what a replica shows the others of itself, under views/NAME.
type view struct {
	Name      string         `json:"name"`
	Version   string         `json:"version"`
	Standby   bool           `json:"standby,omitempty"`
	Leader    bool           `json:"leader,omitempty"`
	Left      bool           `json:"left,omitempty"` // it was stopped in an orderly way
	Advertise []netip.Addr   `json:"advertise,omitempty"`
	Seen      time.Time      `json:"seen"`     // when it was written, by that replica's clock
	Eligible  map[string]int `json:"eligible"` // connectors, by pool

	// Connectors are those that are not plainly up, by "pool/name".
	Connectors map[string]sight `json:"connectors,omitempty"`
}

// sight is how a replica sees one connector.
type sight struct {
	State    string    `json:"state"` // as in the status, or absent: it has none of that name
	Eligible bool      `json:"eligible,omitempty"`
	InFlight int64     `json:"inflight,omitempty"`
	Flag     time.Time `json:"flag,omitzero"` // the time of the operator's word that it knows
}

// stateAbsent is shown for a connector that has a flag but is no member here.
const stateAbsent = "absent"

// plain is how one sees a connector that a view does not name.
func plain() sight { return sight{State: backend.StateUp.String(), Eligible: true} }

// of returns how the view's replica sees a connector.
func (v view) of(id backend.ID) sight {
	if s, ok := v.Connectors[id.String()]; ok {
		return s
	}
	return plain()
}

// look makes this replica's view of the present.
func (c *Cluster) look(now time.Time) view {
	v := view{
		Name: c.Name(), Version: c.cfg.Version, Standby: c.standingBy(), Advertise: c.addresses(),
		Seen: now.UTC(), Eligible: map[string]int{}, Connectors: map[string]sight{},
	}
	_, v.Leader = c.Leading()
	flags := c.book.all()
	snapshot := c.deps.Registry.Snapshot()
	for _, p := range snapshot.Pools {
		v.Eligible[p.Name] = p.Eligible
		for _, m := range p.Members {
			flagged, known := flags[m.Spec.ID()]
			if s := sightOf(m, flagged.When); s.State != plain().State || known {
				v.Connectors[m.Spec.ID().String()] = s
			}
		}
	}
	// Of connectors that come and go, the lifted flags would become ever more.
	for id, e := range flags {
		if _, member := v.Connectors[id.String()]; !member && e.admin(now) != backend.AdminEnabled {
			v.Connectors[id.String()] = sight{State: stateAbsent, Flag: e.When}
		}
	}
	for _, p := range snapshot.Pools {
		v.countLeft(p)
	}
	return v
}

// countLeft counts what runs where connectors were before they moved as running
// there: people ask by the name.
func (v view) countLeft(p *backend.Pool) {
	for _, m := range p.Members {
		if m.Was == "" {
			continue
		}
		id := backend.ID{Pool: p.Name, Name: m.Was}.String()
		if s, shown := v.Connectors[id]; shown {
			s.InFlight += m.InFlight()
			v.Connectors[id] = s
		}
	}
}

func sightOf(m *backend.Member, flagged time.Time) sight {
	s := sight{State: m.State.String(), Eligible: m.Eligible, Flag: flagged}
	if m.State != backend.StateUp { // of the others it changes all the time
		s.InFlight = m.InFlight()
	}
	return s
}

// isOut reports whether no new mail goes there by an operator's word, or Consul's.
func isOut(state string) bool {
	return state == backend.StateDrain.String() || state == backend.StateDisabled.String() || state == stateAbsent
}

// busy reports whether something still runs where nothing new goes: that is what
// people wait for.
func (v view) busy() bool {
	for _, s := range v.Connectors {
		if isOut(s.State) && s.InFlight > 0 {
			return true
		}
	}
	return false
}

// viewAtMost bounds a view, in bytes: Consul refuses values above 512 KiB, and this
// is far beyond what a site has out at once.
const viewAtMost = 400_000

// text is the view as its key holds it.
func (v view) text() ([]byte, error) {
	text, err := json.Marshal(v)
	if err == nil && len(text) > viewAtMost {
		return nil, fmt.Errorf("it has become too long for Consul (%d KB): %d connectors are out or have a flag: remove from the sources those that are not there any more", len(text)/1000, len(v.Connectors))
	}
	return text, err
}

// blind reports whether no connector at all is eligible for that replica.
func (v view) blind() bool {
	for _, n := range v.Eligible {
		if n > 0 {
			return false
		}
	}
	return true
}

// essence is the view without its time, to tell whether it says anything new.
func (v view) essence() string {
	v.Seen = time.Time{}
	text, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(text)
}

// farewell is the last view of a replica that stops.
func (c *Cluster) farewell() []byte {
	text, err := view{
		Name: c.Name(), Version: c.cfg.Version, Standby: true, Left: true, Advertise: c.addresses(), Seen: time.Now().UTC(),
	}.text()
	if err != nil {
		return nil
	}
	return text
}
