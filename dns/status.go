package dns

import (
	"errors"
	"maps"
	"slices"
	"time"

	mdns "github.com/miekg/dns"
)

// Result is how an attempt to write ended, as metrics name it.
type Result string

// The results.
const (
	ResultWritten Result = "written"
	ResultDryRun  Result = "dry-run"
	ResultFenced  Result = "fenced"
	ResultForeign Result = "foreign"
	ResultRefused Result = "refused"
	ResultUnknown Result = "unknown"
	ResultFailed  Result = "failed"
)

// Status is how a zone stands.
type Status struct {
	Zone    string            `json:"zone"`
	Mode    string            `json:"mode"` // update | serve | dry-run
	Leader  bool              `json:"leader"`
	Epoch   Epoch             `json:"epoch"`  // of this term; 0: not claimed
	Serial  uint32            `json:"serial"` // as it was read last
	Freeze  Freeze            `json:"freeze,omitzero"`
	Sets    []SetStatus       `json:"sets,omitempty"`   // only where it leads
	Written time.Time         `json:"written,omitzero"` // when a write last succeeded
	Read    time.Time         `json:"read,omitzero"`    // when the zone was last read
	Error   string            `json:"error,omitempty"`  // what is wrong now, in words
	Lag     float64           `json:"lag"`              // seconds for which the zone has not been what it should be
	Next    time.Time         `json:"next,omitzero"`    // when something may change by itself
	Writes  map[Result]uint64 `json:"writes,omitempty"` // attempts since the start
}

// SetStatus is how one RRset stands. Desired is what the rules want there now:
// hold-down, votes and floor are in it, and Held says what they keep back.
type SetStatus struct {
	Name      string   `json:"name"`
	Type      string   `json:"type"`
	TTL       uint32   `json:"ttl"` // as published; 0: it is not
	Published []string `json:"published"`
	Desired   []string `json:"desired"`
	Held      []Hold   `json:"held,omitempty"`
}

// Status tells how the zone stands.
func (p *Publisher) Status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.status
	s.Writes = maps.Clone(s.Writes)
	return s
}

// show makes a plan the status, and tells of what it holds back anew. nil: there
// is none.
func (p *Publisher) show(out *plan, now time.Time) {
	if out != nil && out.pending && p.differs.IsZero() {
		p.differs = now
	}
	if out != nil && !out.pending {
		p.differs = time.Time{}
	}
	p.mu.Lock()
	s := &p.status
	s.Leader, s.Epoch, s.Serial, s.Read = p.term != nil, p.epoch, p.state.Serial, p.read
	s.Sets, s.Next, s.Lag = nil, time.Time{}, 0
	if !p.differs.IsZero() {
		s.Lag = now.Sub(p.differs).Seconds()
	}
	if out != nil {
		s.Next = out.next
		for _, dec := range out.decisions {
			s.Sets = append(s.Sets, dec.status()...)
		}
	}
	p.mu.Unlock()
	if out != nil {
		p.tellHolds(out)
	}
}

// status is nothing for a family of addresses that nobody has.
func (dec *decision) status() []SetStatus {
	nothing := len(dec.layout.entries) == 0 && len(dec.present.Records) == 0
	if nothing && (dec.layout.doubt == "" || dec.layout.Type == mdns.TypeAAAA) {
		return nil
	}
	s := SetStatus{
		Name: dec.layout.Name.Name, Type: mdns.TypeToString[dec.layout.Type], TTL: dec.present.TTL,
		Published: slices.Concat([]string{}, dec.present.Records), Desired: slices.Concat([]string{}, dec.desired), Held: dec.holds,
	}
	if len(s.Held) == 0 && dec.layout.doubt != "" {
		s.Held = []Hold{{Why: dec.layout.doubt}}
	}
	return []SetStatus{s}
}

// count counts how an attempt to write ended.
func (p *Publisher) count(err error) { p.bump(resultOf(err)) }

func (p *Publisher) bump(r Result) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status.Writes[r]++
}

func resultOf(err error) Result {
	switch {
	case err == nil:
		return ResultWritten
	case errors.Is(err, ErrFenced):
		return ResultFenced
	case errors.Is(err, ErrForeign):
		return ResultForeign
	case errors.Is(err, ErrRefused):
		return ResultRefused
	case errors.Is(err, ErrUnknownOutcome):
		return ResultUnknown
	default:
		return ResultFailed
	}
}
