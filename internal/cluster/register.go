package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

const (
	serviceName = "weir"
	serviceTTL  = 30 * time.Second
	serviceBeat = 10 * time.Second
)

// keepRegistered keeps this replica in Consul's catalogue while it does not stand
// by.
func (c *Cluster) keepRegistered(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; {
		err := c.beat(ctx)
		if ctx.Err() != nil {
			return
		}
		c.report("registration", err)
		if err != nil {
			failures++
			c.link.backoff(ctx, failures)
			continue
		}
		failures = 0
		pause(ctx, serviceBeat, c.roll)
	}
}

// beat says that this replica lives, and registers it where Consul does not know
// it: at the start, and when its agent has begun anew.
func (c *Cluster) beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	is, wanted := c.registration()
	switch {
	case is.name != "" && is.name != wanted.name: // it stands by, or has another name now
		if err := c.deregister(ctx, is.name); err != nil || wanted.name == "" {
			return err
		}
		return c.register(ctx, wanted)
	case wanted.name == "":
		return nil
	case is != wanted:
		return c.register(ctx, wanted)
	}
	err := c.client.Agent().UpdateTTLOpts("service:"+is.name, "weir "+c.cfg.Version+" serves", api.HealthPassing, new(api.QueryOptions).WithContext(ctx))
	var status api.StatusError
	if errors.As(err, &status) && status.Code != 403 {
		return c.register(ctx, wanted)
	}
	if err != nil {
		return fmt.Errorf("renewing the registration: %w", err)
	}
	return nil
}

// registration is what the catalogue is told of this replica. The zero one is of a
// replica that is not there.
type registration struct {
	name    string
	address netip.Addr // invalid: the agent's
	port    int
}

// registration returns how this replica is registered, and how it should be.
func (c *Cluster) registration() (is, wanted registration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.standby {
		return c.registered, registration{}
	}
	wanted = registration{name: c.name, port: c.port}
	if len(c.advertise) > 0 {
		wanted.address = c.advertise[0]
	}
	return c.registered, wanted
}

func (c *Cluster) register(ctx context.Context, r registration) error {
	service := &api.AgentServiceRegistration{
		ID: r.name, Name: serviceName, Tags: []string{c.cfg.Cluster}, Port: r.port,
		Meta: map[string]string{"version": c.cfg.Version, "cluster": c.cfg.Cluster},
		Check: &api.AgentServiceCheck{
			TTL: serviceTTL.String(), Status: api.HealthPassing, // else it is critical until the first beat
			DeregisterCriticalServiceAfter: time.Hour.String(),
		},
	}
	if r.address.IsValid() {
		service.Address = r.address.String()
	}
	err := c.client.Agent().ServiceRegisterOpts(service, api.ServiceRegisterOpts{ReplaceExistingChecks: true}.WithContext(ctx))
	if err != nil {
		return fmt.Errorf("registering this replica: %w", err)
	}
	c.setRegistered(r)
	return nil
}

func (c *Cluster) deregister(ctx context.Context, name string) error {
	err := c.client.Agent().ServiceDeregisterOpts(name, new(api.QueryOptions).WithContext(ctx))
	var status api.StatusError
	if errors.As(err, &status) && status.Code == 404 {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("deregistering this replica: %w", err)
	}
	c.setRegistered(registration{})
	return nil
}

func (c *Cluster) setRegistered(as registration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.registered = as
}

func containsFold(text, part string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(part))
}
