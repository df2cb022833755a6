package cluster

import (
	"maps"
	"net/netip"
	"time"

	"weir/internal/backend"
)

// Share is one replica's part in a connector.
type Share struct {
	Name     string
	Self     bool
	Seen     bool   // it is alive, and its view knows the operator's last word
	State    string // as that replica sees it, or absent; of a silent one what it saw last
	InFlight int64  // of others it is known only while the connector is not up there
}

// Standing is how a connector stands with all replicas.
type Standing struct {
	State    string // here; absent when no source knows it
	InFlight int64  // in all replicas that are seen
	// Safe: it is out in every replica, and nothing runs there in any, by views
	// that were written after the operator's last word was known. A replica that
	// has fallen silent within ten minutes makes it unsafe: what runs there may
	// run on.
	Safe     bool
	Replicas []Share // this one first, then by name; silent ones too
	Warning  string  // what an order leaves behind, or why others are not seen
}

// Look tells how a connector stands now.
func (c *Cluster) Look(id backend.ID) Standing {
	now := time.Now()
	flagged := c.book.get(id).When
	own := c.ownSight(id, flagged)
	s := Standing{State: own.State, Safe: isOut(own.State) && own.InFlight == 0, InFlight: own.InFlight}
	s.Replicas = append(s.Replicas, Share{Name: c.Name(), Self: true, Seen: true, State: own.State, InFlight: own.InFlight})
	for _, o := range c.peers.others(now) {
		theirs := o.view.of(id)
		share := Share{Name: o.name, State: theirs.State, InFlight: theirs.InFlight}
		share.Seen = o.live && !theirs.Flag.Before(flagged)
		if share.Seen {
			s.InFlight += theirs.InFlight
		}
		s.Safe = s.Safe && share.Seen && isOut(theirs.State) && theirs.InFlight == 0
		s.Replicas = append(s.Replicas, share)
	}
	if c.client != nil && !(c.peers.complete() && c.link.works("views")) {
		s.Safe = false
		s.warn("the views of other replicas cannot be read now: what runs there is not known")
		if c.peers.haveTwin() {
			s.Warning = "another weir uses the name " + c.Name() + ": is its state_dir a copy?"
		}
	}
	return s
}

// warn adds to the warning.
func (s *Standing) warn(words string) {
	switch {
	case s.Warning == "":
		s.Warning = words
	case words != "":
		s.Warning += "; " + words
	}
}

// ownSight is how this replica sees a connector right now.
func (c *Cluster) ownSight(id backend.ID, flagged time.Time) sight {
	s := sight{State: stateAbsent, Flag: flagged}
	p := c.deps.Registry.Snapshot().Pool(id.Pool)
	if p == nil {
		return s
	}
	if m := p.Member(id.Name); m != nil {
		s = sightOf(m, flagged)
		s.InFlight = m.InFlight()
	}
	s.InFlight += p.Left(id.Name)
	return s
}

func (c *Cluster) member(id backend.ID) *backend.Member {
	p := c.deps.Registry.Snapshot().Pool(id.Pool)
	if p == nil {
		return nil
	}
	return p.Member(id.Name)
}

// Complete reports whether the views of the others are known: without Consul there
// are none.
func (c *Cluster) Complete() bool { return c.client == nil || c.peers.complete() }

// Replica is one replica of the cluster.
type Replica struct {
	Name      string
	Self      bool
	Live      bool // false: silent since Seen
	Leader    bool
	Standby   bool
	Version   string
	Advertise []netip.Addr
	Seen      time.Time // when its last view was heard, by this replica's clock
	Agrees    bool      // it sees the same connectors eligible as this one
	Blind     bool      // it sees no connector eligible at all
}

// Replicas returns this replica and then the others by name, with those that fell
// silent within ten minutes.
func (c *Cluster) Replicas() []Replica {
	now := time.Now()
	own := c.look(now)
	_, leading := c.Leading()
	list := []Replica{{
		Name: c.Name(), Self: true, Live: true, Leader: leading, Standby: own.Standby,
		Version: own.Version, Advertise: own.Advertise, Seen: now, Agrees: true, Blind: own.blind(),
	}}
	for _, o := range c.peers.others(now) {
		list = append(list, Replica{
			Name: o.name, Live: o.live, Leader: o.live && o.view.Leader, Standby: o.view.Standby, Version: o.view.Version,
			Advertise: o.view.Advertise, Seen: o.heard, Agrees: own.agrees(o.view), Blind: o.view.blind(),
		})
	}
	return list
}

// Departed returns the replicas that were stopped in an orderly way and have not
// come back, for as long as that is remembered: a minute.
func (c *Cluster) Departed() []Replica {
	var list []Replica
	for _, o := range c.peers.departed() {
		list = append(list, Replica{
			Name: o.name, Standby: true, Version: o.view.Version, Advertise: o.view.Advertise, Seen: o.heard, Blind: true,
		})
	}
	return list
}

// agrees reports whether both see the same connectors eligible. Those that are
// plainly up are only counted.
func (v view) agrees(w view) bool {
	if !maps.Equal(v.Eligible, w.Eligible) {
		return false
	}
	for id, s := range v.Connectors {
		if t, ok := w.Connectors[id]; s.Eligible != (t.Eligible || !ok) {
			return false
		}
	}
	for id, t := range w.Connectors {
		if _, ok := v.Connectors[id]; !ok && !t.Eligible {
			return false
		}
	}
	return true
}

// Votes returns how many replicas are live, this one included, and how many of
// them have the connector out for reasons of health: down or ejected, and not used
// all the same. A replica that has no such connector is live and does not vote it
// out.
func (c *Cluster) Votes(id backend.ID) (out, live int) {
	sights := []sight{c.ownSight(id, time.Time{})}
	for _, o := range c.peers.others(time.Now()) {
		if o.live {
			sights = append(sights, o.view.of(id))
		}
	}
	for _, s := range sights {
		if !s.Eligible && (s.State == backend.StateDown.String() || s.State == backend.StateEjected.String()) {
			out++
		}
	}
	return out, len(sights)
}
