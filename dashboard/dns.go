package dashboard

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// DNS tells of the zones that weir keeps, and has orders about them carried out.
// Zones are named as [DNSStatus] names them. Refusals wrap one of the errors of a
// [Controller].
type DNS interface {
	DNS() []DNSStatus
	// Freeze stops all writing to the zone until Thaw.
	Freeze(ctx context.Context, zone, reason, by string) error
	Thaw(ctx context.Context, zone, by string) error
	// Release gives the zone away: its records stay, weir's ownership of them
	// goes, and it is frozen.
	Release(ctx context.Context, zone, by string) error
}

// DNSStatus is how a zone stands. Lists are never null in its JSON.
type DNSStatus struct {
	Zone       string           `json:"zone"` // without a dot at its end
	Mode       string           `json:"mode"` // update | serve
	DryRun     bool             `json:"dry_run"`
	Leader     bool             `json:"leader"` // this replica is the one that writes; only it knows of sets and lag
	Epoch      uint64           `json:"epoch"`  // of this term; 0: none was claimed
	Serial     uint32           `json:"serial"` // as it was read last
	Frozen     *DNSFreeze       `json:"frozen"` // null: it is not
	LastWrite  *time.Time       `json:"last_write"`
	LastError  string           `json:"last_error"`  // what is wrong now; empty: nothing
	LagSeconds float64          `json:"lag_seconds"` // for so long the zone has not been what it should be
	Sets       []DNSSet         `json:"sets"`
	Writes     map[string]int64 `json:"writes"` // attempts since the start, by how they ended
}

// DNSFreeze is an operator's word that a zone is not written.
type DNSFreeze struct {
	Since    time.Time `json:"since"`
	By       string    `json:"by"`
	Reason   string    `json:"reason"`
	Released bool      `json:"released"` // it was given away
}

// DNSSet is an RRset. Its records are in presentation form. What differs between
// the two lists will be written; what keeps a record from being in the second,
// or in it, is in Held.
type DNSSet struct {
	Name      string    `json:"name"` // with a dot at its end
	Type      string    `json:"type"`
	Published []string  `json:"published"`
	Desired   []string  `json:"desired"`
	Held      []DNSHold `json:"held"`
}

// DNSHold is why a record is not shown yet, or is shown still.
type DNSHold struct {
	Record string     `json:"record"` // the address or the target; empty: the whole set
	Why    string     `json:"why"`
	Until  *time.Time `json:"until"` // null: not by time
}

// DNSRequest is the body of an order about a zone, and may be left out.
type DNSRequest struct {
	Reason string `json:"reason,omitempty"`
}

// The orders about a zone, as in the paths.
const (
	dnsFreeze  = "freeze"
	dnsThaw    = "thaw"
	dnsRelease = "release"
)

// zonesPath begins the paths of one zone.
const zonesPath = "/v1/dns/"

// serveZone answers POST /v1/dns/{zone}/{order} with how the zone stands then. The
// zone's name may have a dot at its end, and any case.
func (s *Server) serveZone(w http.ResponseWriter, r *http.Request) {
	parts, err := pathParts(strings.TrimPrefix(r.URL.EscapedPath(), zonesPath))
	switch {
	case err != nil:
		writeError(w, http.StatusBadRequest, err.Error())
		return
	case len(parts) != 2 || parts[1] != dnsFreeze && parts[1] != dnsThaw && parts[1] != dnsRelease:
		noSuchPath(w, r)
		return
	case r.Method != http.MethodPost:
		notPossible(w, r, http.MethodPost)
		return
	}
	from, no := s.admit(r, RoleOperate)
	if no != nil {
		deny(w, no)
		return
	}
	var request DNSRequest
	if !readBody(w, r, &request, `{"reason": "the primary moves"}`) {
		return
	}
	zone := s.zone(parts[0])
	switch {
	case zone == nil:
		writeError(w, http.StatusNotFound, "no such zone: "+parts[0])
	case len(request.Reason) > MaxReason:
		writeError(w, http.StatusBadRequest, "the reason is too long: a sentence is enough")
	default:
		s.orderZone(w, r, zone.Zone, parts[1], request.Reason, from.who)
	}
}

// orderZone carries an order out, wholly even when the client goes away meanwhile.
func (s *Server) orderZone(w http.ResponseWriter, r *http.Request, zone, order, reason, by string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), orderTimeout)
	defer cancel()
	var err error
	switch order {
	case dnsFreeze:
		err = s.deps.DNS.Freeze(ctx, zone, reason, by)
	case dnsThaw:
		err = s.deps.DNS.Thaw(ctx, zone, by)
	case dnsRelease:
		err = s.deps.DNS.Release(ctx, zone, by)
	}
	if err != nil {
		writeError(w, codeOf(err), err.Error())
		return
	}
	if now := s.zone(zone); now != nil {
		writeJSON(w, http.StatusOK, now)
		return
	}
	writeError(w, http.StatusNotFound, "no such zone any more: "+zone)
}

// zone is how the zone of that name stands; nil: there is none.
func (s *Server) zone(name string) *DNSStatus {
	for _, z := range s.zones() {
		if strings.EqualFold(z.Zone, strings.TrimSuffix(name, ".")) {
			return &z
		}
	}
	return nil
}

// zones are all of them, with empty lists where there is nothing.
func (s *Server) zones() []DNSStatus {
	if s.deps.DNS == nil {
		return []DNSStatus{}
	}
	zones := append([]DNSStatus{}, s.deps.DNS.DNS()...)
	for i := range zones {
		z := &zones[i]
		z.LagSeconds = milliseconds(time.Duration(z.LagSeconds*float64(time.Second))) / 1000
		if z.Writes == nil {
			z.Writes = map[string]int64{}
		}
		z.Sets = append([]DNSSet{}, z.Sets...)
		for j := range z.Sets {
			set := &z.Sets[j]
			set.Published, set.Desired = append([]string{}, set.Published...), append([]string{}, set.Desired...)
			set.Held = append([]DNSHold{}, set.Held...)
		}
	}
	return zones
}

// lateZone is the lag that needs a person: writing and finding out what went wrong
// take seconds, and what waits by the rules is no lag.
const lateZone = 2 * time.Minute

// zoneWords is what needs a person about DNS. Mail flows meanwhile, but senders may
// be led to a connector that is out.
func (f *facts) zoneWords() (words []string) {
	for i := range f.zones {
		z := &f.zones[i]
		name := "zone " + z.Zone
		if z.Frozen != nil {
			state := "frozen"
			if z.Frozen.Released {
				state = "released"
			}
			text := fmt.Sprintf("%s is %s since %s", name, state, stamp(z.Frozen.Since))
			if z.Frozen.By != "" {
				text += " by " + z.Frozen.By
			}
			words = append(words, because(text+": nothing is written", z.Frozen.Reason))
		}
		lag := time.Duration(z.LagSeconds * float64(time.Second))
		switch late := lag >= lateZone && z.Frozen == nil && !z.DryRun; {
		case late:
			words = append(words, because(fmt.Sprintf("%s has not been what it should be for %s", name, lag.Round(time.Second)), z.LastError))
		case z.LastError != "":
			words = append(words, name+": "+z.LastError)
		}
		words = append(words, f.overdue(z, name)...)
	}
	return words
}

// overdue names records that should have been shown, or withdrawn, long ago.
func (f *facts) overdue(z *DNSStatus, name string) (words []string) {
	for i := range z.Sets {
		set := &z.Sets[i]
		for _, h := range set.Held {
			if z.Frozen == nil && h.Until != nil && f.now.Sub(*h.Until) >= lateZone {
				words = append(words, because(fmt.Sprintf("%s: %s of %s %s is held since %s, when that should have ended",
					name, h.what(), set.Name, set.Type, stamp(*h.Until)), h.Why))
			}
		}
	}
	return words
}

func (h *DNSHold) what() string {
	if h.Record == "" {
		return "the set"
	}
	return h.Record
}
