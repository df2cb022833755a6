package dashboard

import (
	"context"
	"errors"
	"time"

	"weir/internal/backend"
)

// What a [Controller] refuses or could not do, in words for people. Handlers
// turn them into status codes.
var (
	// ErrEmpties: it would leave the pool without an eligible connector (409).
	ErrEmpties = errors.New("refused")
	// ErrConflict: somebody else's word stands against it (409).
	ErrConflict = errors.New("not possible now")
	// ErrUnknown: there is no such connector, and no flag on one (404).
	ErrUnknown = errors.New("no such connector")
	// ErrHeld: done, but somebody else's word keeps the connector out, such as
	// Consul's maintenance, which only Consul can end (409, with the answer beside
	// the error).
	ErrHeld = errors.New("weir's own flag is lifted")
	// ErrNotShared: done here, but some replicas could not be told (502, with
	// the answer beside the error).
	ErrNotShared = errors.New("not shared")
)

// Verb is what an operator may order of a connector.
type Verb string

// The verbs, as in the paths.
const (
	Drain   Verb = "drain"
	Undrain Verb = "undrain"
	Disable Verb = "disable"
	Enable  Verb = "enable"
)

// Order is an operator's word on one connector.
type Order struct {
	Verb   Verb
	By     string        // who, for the log and the other replicas
	Reason string        // may be empty
	Force  bool          // even if that leaves the pool without an eligible connector
	For    time.Duration // it ends by itself; 0: it does not
}

// OrderRequest is the body of an order, and may be left out.
type OrderRequest struct {
	Reason string `json:"reason,omitempty"`
	Force  bool   `json:"force,omitempty"`
	For    string `json:"for,omitempty"` // a Go duration
}

// OrderAnswer tells how a connector stands, here and with the other replicas.
type OrderAnswer struct {
	ID       string         `json:"id"`
	State    string         `json:"state"`
	InFlight int64          `json:"inflight"` // in all replicas that are seen
	Safe     bool           `json:"safe"`     // out in every replica, and nothing in flight in any: it may be rebooted
	Replicas []ReplicaShare `json:"replicas"`
	Warning  string         `json:"warning,omitempty"`
	Error    string         `json:"error,omitempty"` // of ErrNotShared and ErrHeld
}

// ReplicaShare is one replica's part in a connector.
type ReplicaShare struct {
	Name     string `json:"name"`
	Self     bool   `json:"self"`
	Seen     bool   `json:"seen"`  // it is alive and has shown its view since the order
	State    string `json:"state"` // as that replica sees it; empty when it is not known
	InFlight int64  `json:"inflight"`
}

// Controller carries orders out.
type Controller interface {
	// Order does it, or returns an error that wraps one of those above. With
	// ErrNotShared and ErrHeld the answer is valid.
	Order(ctx context.Context, id backend.ID, order Order) (OrderAnswer, error)
	// Look tells how a connector stands now.
	Look(id backend.ID) OrderAnswer
	// Standby takes this replica out of DNS and Consul and fails its readiness,
	// or brings it back. It keeps serving.
	Standby(on bool, by string) error
}

// Reloader brings a changed config file into force.
type Reloader interface {
	// Reload reads the file again, or with previous the config that was in force
	// before the present one, each time one further back; wholly or not at all. It returns what has changed,
	// a line each. The error holds every mistake, a line each.
	Reload(previous bool, by string) (changes []string, err error)
	// Config is what is in force, as YAML, with every default written out and
	// secrets masked. diff: only what differs from the defaults.
	Config(diff bool) (string, error)
}

// ReloadRequest is the body of POST /v1/reload, and may be left out.
type ReloadRequest struct {
	Previous bool `json:"previous,omitempty"`
}

// ReloadAnswer is the answer of POST /v1/reload.
type ReloadAnswer struct {
	Changes []string `json:"changes"`
	Error   string   `json:"error,omitempty"`
}

// StandbyRequest is the body of POST /v1/standby, and may be left out: then on.
type StandbyRequest struct {
	Off bool `json:"off,omitempty"`
}

// SourceStatus is a source of connectors as the status shows it.
type SourceStatus struct {
	Source     string     `json:"source"`
	Pool       string     `json:"pool"`
	State      string     `json:"state"` // waiting | fresh | stale | holding
	Since      time.Time  `json:"since"`
	Until      *time.Time `json:"until,omitempty"` // when what is held will be applied
	Why        string     `json:"why,omitempty"`
	Connectors int        `json:"connectors"`
	FromDisk   bool       `json:"from_disk,omitempty"`
}

// ConsulStatus is how weir stands with Consul; all empty when it has none.
type ConsulStatus struct {
	Address    string     `json:"address,omitempty"`
	Reachable  bool       `json:"reachable"`
	Since      *time.Time `json:"since,omitempty"` // of Reachable
	Error      string     `json:"error,omitempty"`
	Registered bool       `json:"registered"`
	Leader     bool       `json:"leader"`   // this replica is the elected one
	Unshared   []string   `json:"unshared"` // flags that the others have not been told
}

// Replica is one replica of the cluster as the status shows it.
type Replica struct {
	Name    string    `json:"name"`
	Self    bool      `json:"self"`
	Leader  bool      `json:"leader"`
	Standby bool      `json:"standby"`
	Version string    `json:"version"`
	Live    bool      `json:"live"`   // false: nothing has been heard of it since Seen
	Seen    time.Time `json:"seen"`   // its last view
	Agrees  bool      `json:"agrees"` // it sees the same connectors eligible as this one
}

// AbsentFlag is a flag in force on a connector that no source knows now: it waits for
// that one to come back.
type AbsentFlag struct {
	ID     string     `json:"id"`
	Admin  string     `json:"admin"` // drain | disabled
	By     string     `json:"by"`
	Reason string     `json:"reason"`
	Since  time.Time  `json:"since"`
	Until  *time.Time `json:"until,omitempty"` // when it ends by itself
}

// Flags is what there is to say of the operators' flags besides those of connectors
// that are here.
type Flags struct {
	Absent []AbsentFlag
	Unkept string // why a restart would forget flags; empty: it would not
}

// Cluster tells of the operators' flags and of what replicas share.
type Cluster interface {
	Consul() ConsulStatus
	Replicas() []Replica
	Flags() Flags
}
