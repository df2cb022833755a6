package update

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	mdns "github.com/miekg/dns"

	"weir/dns"
)

const (
	// timeout bounds each step with a server: to connect, to read what stands there,
	// to have a change applied. RFC 2136 names none; primaries answer in milliseconds.
	timeout = 3 * time.Second
	// visibleWithin is how long after its acknowledgement a change may take to be
	// seen. BIND and Knot need none of it; servers with a database behind them do.
	visibleWithin = time.Second
)

// Target is a zone on primaries that take dynamic updates. It is used by one
// goroutine at a time.
type Target struct {
	zone     string
	owner    string
	servers  []string
	key      dns.Key
	patience time.Duration
	now      func() time.Time // the clock that signs

	current int    // of servers: the one that answered last is asked first
	writer  string // who we are in the zone's epoch, unlike any other process
}

var _ dns.Target = (*Target)(nil)

// New makes the target of a zone with an Update section. Nothing is dialled yet.
func New(cfg dns.Config) *Target {
	key := cfg.Update.Key
	// With capitals in it the server would apply an update and the client library
	// would not recognise the answer.
	key.Name = mdns.CanonicalName(key.Name)
	key.Algorithm = mdns.CanonicalName(key.Algorithm)
	return &Target{
		zone: mdns.CanonicalName(cfg.Zone), owner: cfg.Owner,
		servers: cfg.Update.Servers, key: key,
		patience: timeout, now: time.Now, writer: newWriter(),
	}
}

func newWriter() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails: documented since Go 1.24
	return hex.EncodeToString(b[:])
}

// Read asks what is published now, of these names: the first server that gives a
// trustworthy answer is believed. An error is joined of what each of them said.
func (t *Target) Read(ctx context.Context, names []dns.Name) (dns.State, error) {
	var seen view
	err := t.each(ctx, func(server string) error {
		v, err := t.lookAt(ctx, server, names)
		seen = v
		return err
	})
	if err != nil {
		return dns.State{}, err
	}
	return seen.state(), nil
}

// Write makes one change and returns when it is visible at the primary that took it.
// A server that cannot be reached, or that says no, hands it on to the next one; one
// that may have applied it does not. Besides the errors of [dns.Target] it fails on a
// change that could empty a set or that leaves the zone.
func (t *Target) Write(ctx context.Context, change dns.Change) error {
	if err := t.check(change); err != nil {
		return err
	}
	return t.each(ctx, func(server string) error {
		return t.writeTo(ctx, server, change)
	})
}

// each tries the servers in turn, the one that answered last first, until one has
// done it or what it said is true of all of them.
func (t *Target) each(ctx context.Context, do func(server string) error) error {
	var failed []error
	for range t.servers {
		err := do(t.servers[t.current])
		if err == nil {
			return nil
		}
		if ctx.Err() != nil || final(err) {
			return err
		}
		failed = append(failed, err)
		t.current = (t.current + 1) % len(t.servers)
	}
	return join(failed)
}

// final says whether another server is not to be asked: it would say the same, or
// might apply a second time what was applied already.
func final(err error) bool {
	return errors.Is(err, dns.ErrFenced) || errors.Is(err, dns.ErrForeign) || errors.Is(err, dns.ErrUnknownOutcome)
}

// join makes one error of what the servers said. It is a refusal only when all
// refused: one that is merely away may come back and take the change.
func join(failed []error) error {
	refused := !slices.ContainsFunc(failed, func(err error) bool { return !errors.Is(err, dns.ErrRefused) })
	all := failed[0]
	for _, err := range failed[1:] {
		all = fmt.Errorf("%w; %w", all, err)
	}
	if refused {
		return all
	}
	return unkind(all)
}

// check refuses what no caller may ask for, before anything is sent.
func (t *Target) check(change dns.Change) error {
	if change.Owner != t.owner {
		return fmt.Errorf("writing %s: the change is of owner %s, the target of %s", t.zone, change.Owner, t.owner)
	}
	if change.Becomes == 0 || change.Becomes != change.Was && change.Becomes != change.Was+1 {
		return fmt.Errorf("writing %s: epoch %d cannot follow epoch %d", t.zone, change.Becomes, change.Was)
	}
	for _, set := range change.Put {
		if len(set.Records) == 0 {
			return fmt.Errorf("writing %s: %s would become empty, which is never done", t.zone, label(set.Name))
		}
		if _, err := records(set); err != nil {
			return err
		}
	}
	for _, name := range touched(change) {
		if !mdns.IsSubDomain(t.zone, name) {
			return fmt.Errorf("writing %s: %s is not in that zone", t.zone, name)
		}
	}
	return nil
}
