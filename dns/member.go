package dns

import (
	"fmt"
	"net/netip"

	"weir/internal/backend"
)

// verdict is what is thought of a member at one moment.
type verdict uint8

const (
	unsure verdict = iota // it stays as it is: shown or not shown
	in
	out
)

// member is a connector, or a replica of weir, as DNS sees it at one moment.
type member struct {
	id        string // "pool/name", or "replica NAME": what is remembered of it goes by this
	name      string
	pool      string
	addresses []netip.Addr
	port      uint16
	cost      int
	weight    int

	health  verdict // whatever the operator says
	ordered bool    // out by the word of an operator, or of Consul's maintenance
	why     string  // of both
	track   *track  // what is remembered of it
}

// verdict is the operator's word, or else health's.
func (m *member) verdict() verdict {
	if m.ordered {
		return out
	}
	return m.health
}

// connectors returns the members of a pool. One that no source knows any more is
// none.
func connectors(p *backend.Pool, votes func(backend.ID) (out, live int)) []*member {
	var members []*member
	for _, b := range p.Members {
		if b.Gone {
			continue
		}
		m := &member{
			id: b.Spec.ID().String(), name: b.Spec.Name, pool: p.Name, port: portOf(b.Spec.Address),
			cost: b.Spec.Cost, weight: b.Spec.Weight, why: b.Reason,
			ordered: b.Admin.Admin != backend.AdminEnabled || b.Spec.Maintenance != "",
		}
		if address := addressOf(b.Spec); address.IsValid() {
			m.addresses = []netip.Addr{address}
		}
		m.judge(b, votes)
		members = append(members, m)
	}
	return members
}

// judge finds health's verdict. It takes the majority of the replicas to call a
// connector out, whatever this one sees; one that is used in panic is in doubt.
func (m *member) judge(b *backend.Member, votes func(backend.ID) (out, live int)) {
	switch {
	case m.ordered && ill(b):
		m.health = out // nobody votes on what an operator has taken out
		return
	case ill(b) && b.Eligible:
		m.why = "is " + b.State.String() + ", but used all the same: too few others are well"
		return
	case well(b):
		m.health = in
	}
	if m.ordered {
		return
	}
	against, live := votes(b.Spec.ID())
	switch {
	case live == 0:
		m.health, m.why = unsure, "the views of the replicas are not known"
	case 2*against > live:
		m.health = out
		if !ill(b) {
			m.why = fmt.Sprintf("%d of %d replicas have it out", against, live)
		}
	case ill(b) && b.Eligible: // said above
	case ill(b):
		m.why = fmt.Sprintf("is %s here, but only %d of %d replicas have it out", b.State, against, live)
	case m.health == unsure:
		m.why = "no probe has ended yet"
	}
}

// ill and well are health's facts without the operator's word; neither holds
// before the first probe has ended.
func ill(m *backend.Member) bool {
	tripped := m.Health.Breaker != backend.BreakerClosed && !m.Health.Recovering
	return m.Health.Health == backend.HealthDown || m.Spec.Critical != "" || tripped
}

func well(m *backend.Member) bool { return !ill(m) && m.Health.Health == backend.HealthUp }

// replicas returns the replicas of weir as members. One that alone sees no
// connector is cut off: it is out, while another is not.
func replicas(list []Replica) []*member {
	sees := false
	for _, r := range list {
		sees = sees || !r.Blind && !r.Standby
	}
	var members []*member
	for _, r := range list {
		m := &member{id: "replica " + r.Name, name: r.Name, addresses: r.Addresses, ordered: r.Standby, health: in}
		switch {
		case r.Standby:
			m.why = "stands by, or was stopped"
		case r.Blind && sees:
			m.health, m.why = out, "sees no connector up, while others do: it is cut off"
		}
		members = append(members, m)
	}
	return members
}
