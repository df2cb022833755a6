package integration

import (
	"net"
	"strconv"

	"github.com/hashicorp/consul/api"

	"weir/internal/faulty"
)

// serviceName is the Consul service of the pool's connectors.
const serviceName = "connector-internet"

// registration is a connector as a site would register it. Its check is passing until a test says otherwise.
func registration(name, addr string) *api.AgentServiceRegistration {
	host, p, _ := net.SplitHostPort(addr)
	number, _ := strconv.Atoi(p)
	return &api.AgentServiceRegistration{
		ID: name, Name: serviceName, Address: host, Port: number,
		Meta:    map[string]string{"weir_name": name},
		Weights: &api.AgentWeights{Passing: 100, Warning: 100},
		Check:   &api.AgentServiceCheck{CheckID: "check-" + name, Name: "smtp", TTL: "1h", Status: api.HealthPassing},
	}
}

// place registers a connector under its own name.
func (c *consulAgent) place(s *faulty.Server) {
	c.t.Helper()
	c.register(registration(s.Name(), s.Addr()))
}

func (c *consulAgent) register(r *api.AgentServiceRegistration) {
	c.t.Helper()
	if err := c.api().Agent().ServiceRegister(r); err != nil {
		c.t.Fatalf("registering %s: %v", r.ID, err)
	}
}

func (c *consulAgent) deregister(name string) {
	c.t.Helper()
	if err := c.api().Agent().ServiceDeregister(name); err != nil {
		c.t.Fatalf("deregistering %s: %v", name, err)
	}
}

// report sets the status of a connector's check.
func (c *consulAgent) report(name, status, output string) {
	c.t.Helper()
	if err := c.api().Agent().UpdateTTL("check-"+name, output, status); err != nil {
		c.t.Fatalf("setting the check of %s to %s: %v", name, status, err)
	}
}

// maintenance puts a connector into Consul's maintenance mode, or takes it out with an empty reason.
func (c *consulAgent) maintenance(name, reason string) {
	c.t.Helper()
	agent := c.api().Agent()
	err := error(nil)
	if reason != "" {
		err = agent.EnableServiceMaintenance(name, reason)
	} else {
		err = agent.DisableServiceMaintenance(name)
	}
	if err != nil {
		c.t.Fatalf("maintenance of %s: %v", name, err)
	}
}

// put writes a key, whatever is in it.
func (c *consulAgent) put(key, value string) {
	c.t.Helper()
	if _, err := c.api().KV().Put(&api.KVPair{Key: key, Value: []byte(value)}, nil); err != nil {
		c.t.Fatalf("writing %s: %v", key, err)
	}
}

// token makes a token with these rules.
func (c *consulAgent) token(rules string) *api.ACLToken {
	c.t.Helper()
	policy, _, err := c.api().ACL().PolicyCreate(&api.ACLPolicy{Name: "weir", Rules: rules}, nil)
	if err != nil {
		c.t.Fatalf("making a policy: %v", err)
	}
	token, _, err := c.api().ACL().TokenCreate(&api.ACLToken{Policies: []*api.ACLLink{{ID: policy.ID}}}, nil)
	if err != nil {
		c.t.Fatalf("making a token: %v", err)
	}
	return token
}

// setRules changes what the holders of a token may do.
func (c *consulAgent) setRules(token *api.ACLToken, rules string) {
	c.t.Helper()
	policy := &api.ACLPolicy{ID: token.Policies[0].ID, Name: "weir", Rules: rules}
	if _, _, err := c.api().ACL().PolicyUpdate(policy, nil); err != nil {
		c.t.Fatalf("changing a policy: %v", err)
	}
}

// revoke deletes a token.
func (c *consulAgent) revoke(token *api.ACLToken) {
	c.t.Helper()
	if _, err := c.api().ACL().TokenDelete(token.AccessorID, nil); err != nil {
		c.t.Fatalf("deleting a token: %v", err)
	}
}
