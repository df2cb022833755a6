package dns

import (
	"context"
	"errors"
)

// What a [Target] answers instead of doing it; each is wrapped in a sentence for
// operators that names the remedy. Any other error is believed to pass: it is
// tried again.
var (
	// ErrFenced: another writer has claimed a newer epoch; this one's term is over.
	ErrFenced = errors.New("another writer has taken over")
	// ErrForeign: a record of that name is not ours: somebody else's, or another
	// cluster's.
	ErrForeign = errors.New("not ours")
	// ErrUnknownOutcome: the change was sent and no trustworthy answer came. What
	// holds now must be read back.
	ErrUnknownOutcome = errors.New("outcome not known")
	// ErrRefused: the server's own rules forbid it; trying again does not help
	// before somebody has changed them.
	ErrRefused = errors.New("refused")
)

// Name is an RRset's key.
type Name struct {
	Name string // fully qualified, lower case
	Type uint16 // A, AAAA, MX or SRV
}

// Set is an RRset.
type Set struct {
	Name
	TTL     uint32   // seconds
	Records []string // rdata in presentation form, sorted: "192.0.2.1", "10 mx-a.example.com."
}

// State is what a zone says of the names that were asked for.
type State struct {
	Sets   []Set             // those that exist, by name and type
	Owners map[string]string // by a set's name: what the ownership TXT beside it says
	Epoch  Epoch             // of our owner
	Serial uint32            // of the SOA
}

// Epoch counts the writers of one owner in one zone: each raises it by one when
// its term begins, and from then on no earlier writer's change is accepted. The
// zero Epoch: nobody has written yet.
type Epoch uint64

// Change is what is written in one go: wholly or not at all.
type Change struct {
	Owner   string
	Was     Epoch    // what the zone must say, or the change fails with ErrFenced
	Becomes Epoch    // Was, or Was+1 at the beginning of a term
	Put     []Set    // each replaces its set; one without records is not possible
	Claim   []string // names without an owner that become ours
	Release []string // names that are ours no more; their records stay
}

// Target is where a zone is published: a primary that is written by RFC 2136, or
// the embedded server. It is used by one goroutine at a time.
type Target interface {
	// Read asks what is published now, of these names.
	Read(ctx context.Context, names []Name) (State, error)
	// Write makes one change and returns when it is visible, or with one of the
	// errors above. A name of Put that is neither ours nor in Claim, and one of
	// Claim that has an owner or records already, fail with ErrForeign.
	Write(ctx context.Context, change Change) error
}

// OwnerName is where the ownership of a name is written, as a TXT record: beside
// the name and not at it, because a TXT there may be somebody else's.
func OwnerName(name string) string { return "_weir." + name }

// EpochName is where the epoch of an owner is written in its zone, as a TXT
// record "epoch=N".
func EpochName(owner, zone string) string { return "_epoch." + owner + "." + zone }
