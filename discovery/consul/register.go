package consul

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"weir/internal/backend"
)

// The check that a registered connector gets. Consul can only look whether
// somebody accepts the connection; whether mail is taken is what weir's own
// probes find out. Three failures in a row are needed, so that a mail server's
// reload is not an outage.
const (
	checkInterval = 5 * time.Second
	checkTimeout  = 3 * time.Second
	checkFailures = 2 // before the one that makes it critical
	checkNotes    = "Only whether the port accepts; weir's own probes speak SMTP."
)

// registerDeadline is how long the agent may take for each step.
const registerDeadline = 10 * time.Second

// Registration is a connector to be put into Consul.
type Registration struct {
	Service string // in Consul; what a pool's consul.service names
	Address string // IP:port of the connector, as the weirs are to dial it
	Name    string // for people; empty: the address
	Weight  int    // 1 … 1000; 0: 100
	Cost    int    // priority tier, lowest first
}

// ID returns the service ID that the connector has on its agent. Registering it
// again replaces what was there.
func (r Registration) ID() string { return "weir-" + r.Service + "-" + r.name() }

func (r Registration) name() string { return cmp.Or(r.Name, cleanName(r.Address)) }

// Register puts a connector into the agent that client talks to, which should be
// the one on the connector's own machine: only there can it be put into
// maintenance or taken out. Consul checks the port; until that check has passed
// once the connector is critical. One that stays down is not removed by Consul:
// it would vanish from every list before anybody has looked.
func Register(ctx context.Context, client *api.Client, r Registration) error {
	entry, err := r.entry()
	if err != nil {
		return err
	}
	ctx, end := context.WithTimeoutCause(ctx, registerDeadline, errSilent)
	defer end()
	opts := api.ServiceRegisterOpts{ReplaceExistingChecks: true}.WithContext(ctx)
	if err := client.Agent().ServiceRegisterOpts(entry, opts); err != nil {
		return fmt.Errorf("registering %s: %w", r.name(), explained(causeOf(ctx, err), r.Service))
	}
	return nil
}

// entry makes what the agent is told, or says what is wrong with r.
func (r Registration) entry() (*api.AgentServiceRegistration, error) {
	at, err := netip.ParseAddrPort(r.Address)
	switch {
	case r.Service == "":
		return nil, errors.New("no service is named: give the one that the pool's consul.service names")
	case strings.ContainsFunc(r.Service, func(c rune) bool { return c <= ' ' || strings.ContainsRune("/?#\"", c) }):
		return nil, fmt.Errorf("%q is not a service's name: use letters, digits and hyphens", r.Service)
	case err != nil:
		return nil, fmt.Errorf("%q is not an address: give IP:port, such as 10.0.0.11:25 or [2001:db8::11]:25", r.Address)
	case at.Port() == 0 || at.Addr().IsUnspecified() || at.Addr().IsMulticast():
		return nil, fmt.Errorf("%s is not an address that can be dialled", r.Address)
	case r.Weight < 0 || r.Weight > maxWeight:
		return nil, fmt.Errorf("weight %d is not within 1 … %d", r.Weight, maxWeight)
	case r.Cost < 0:
		return nil, fmt.Errorf("cost %d is negative: the lowest tier is 0", r.Cost)
	case r.Name != cleanName(r.Name):
		return nil, fmt.Errorf("%.80q is not a connector's name: up to %d letters, digits and . _ : - such as %q", r.Name, maxName, cleanName(r.Name))
	}
	meta := map[string]string{metaName: r.name()}
	if r.Cost > 0 {
		meta[metaCost] = strconv.Itoa(r.Cost)
	}
	return &api.AgentServiceRegistration{
		ID: r.ID(), Name: r.Service,
		Address: at.Addr().Unmap().String(), Port: int(at.Port()),
		Meta:    meta,
		Weights: &api.AgentWeights{Passing: cmp.Or(r.Weight, backend.DefaultWeight), Warning: cmp.Or(r.Weight, backend.DefaultWeight)},
		Check: &api.AgentServiceCheck{
			Name: "SMTP port", Notes: checkNotes, TCP: at.String(),
			Interval: checkInterval.String(), Timeout: checkTimeout.String(), FailuresBeforeCritical: checkFailures,
		},
	}, nil
}

// Deregister takes a connector of a service out of the agent that client talks
// to. It is known by its name, its service ID or its address.
func Deregister(ctx context.Context, client *api.Client, service, which string) error {
	ctx, end := context.WithTimeoutCause(ctx, registerDeadline, errSilent)
	defer end()
	opts := (&api.QueryOptions{}).WithContext(ctx)
	here, err := client.Agent().ServicesWithFilterOpts("", opts)
	if err != nil {
		return fmt.Errorf("deregistering %s: %w", which, explained(causeOf(ctx, err), service))
	}
	id, err := find(here, service, which)
	if err != nil {
		return fmt.Errorf("deregistering %s: %w", which, err)
	}
	if err := client.Agent().ServiceDeregisterOpts(id, opts); err != nil {
		return fmt.Errorf("deregistering %s: %w", which, explained(causeOf(ctx, err), service))
	}
	return nil
}

// find returns the ID of the one instance of the service that is meant.
func find(here map[string]*api.AgentService, service, which string) (string, error) {
	var ids, names []string
	for id, s := range here {
		if s == nil || s.Service != service {
			continue
		}
		address, err := join(s.Address, s.Port)
		if err != nil {
			address = "" // registered without one of its own, or wrongly
		}
		name := cmp.Or(s.Meta[metaName], id)
		names = append(names, name)
		if which == id || which == name || which == address {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	slices.Sort(names)
	switch {
	case len(ids) == 1:
		return ids[0], nil
	case len(ids) > 1:
		return "", fmt.Errorf("several services are meant: say which by its ID, %s", strings.Join(ids, " or "))
	case len(names) == 0:
		return "", fmt.Errorf("this agent has no connector of service %q: run this on the machine whose agent it was registered with, with a token that may read the service", service)
	}
	return "", fmt.Errorf("this agent does not have it; of service %q it has %s; others are deregistered on their own machines", service, strings.Join(names, ", "))
}

// explained wraps an error of a write in its sentence.
func explained(err error, service string) error {
	var status api.StatusError
	if errors.As(err, &status) && strings.Contains(strings.ToLower(status.Body), "permission denied") {
		return fmt.Errorf("the token may not register service %q: it needs service:write", service)
	}
	return &wordedError{words: explain(err, Config{Service: service}), cause: err}
}

// wordedError shows a sentence and keeps the cause for programs.
type wordedError struct {
	words string
	cause error
}

func (e *wordedError) Error() string { return e.words }

func (e *wordedError) Unwrap() error { return e.cause }
