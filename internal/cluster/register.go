package cluster

import (
	"context"
	"errors"
	"fmt"
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
	switch registered := c.isRegistered(); {
	case c.standingBy() && registered:
		return c.deregister(ctx)
	case c.standingBy():
		return nil
	case !registered:
		return c.register(ctx)
	}
	err := c.client.Agent().UpdateTTLOpts("service:"+c.name, "weir "+c.cfg.Version+" serves", api.HealthPassing, new(api.QueryOptions).WithContext(ctx))
	var status api.StatusError
	if errors.As(err, &status) && status.Code != 403 {
		return c.register(ctx)
	}
	if err != nil {
		return fmt.Errorf("renewing the registration: %w", err)
	}
	return nil
}

func (c *Cluster) register(ctx context.Context) error {
	service := &api.AgentServiceRegistration{
		ID: c.name, Name: serviceName, Tags: []string{c.cfg.Cluster}, Port: c.cfg.Port,
		Meta: map[string]string{"version": c.cfg.Version, "cluster": c.cfg.Cluster},
		Check: &api.AgentServiceCheck{
			TTL: serviceTTL.String(), Status: api.HealthPassing, // else it is critical until the first beat
			DeregisterCriticalServiceAfter: time.Hour.String(),
		},
	}
	if len(c.cfg.Advertise) > 0 {
		service.Address = c.cfg.Advertise[0].String()
	}
	err := c.client.Agent().ServiceRegisterOpts(service, api.ServiceRegisterOpts{ReplaceExistingChecks: true}.WithContext(ctx))
	if err != nil {
		return fmt.Errorf("registering this replica: %w", err)
	}
	c.setRegistered(true)
	return nil
}

func (c *Cluster) deregister(ctx context.Context) error {
	err := c.client.Agent().ServiceDeregisterOpts(c.name, new(api.QueryOptions).WithContext(ctx))
	var status api.StatusError
	if errors.As(err, &status) && status.Code == 404 {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("deregistering this replica: %w", err)
	}
	c.setRegistered(false)
	return nil
}

func (c *Cluster) isRegistered() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.registered
}

func (c *Cluster) setRegistered(is bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.registered = is
}

func containsFold(text, part string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(part))
}
