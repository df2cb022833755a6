package integration

import (
	"fmt"
	"testing"
	"time"

	"weir/internal/faulty"
)

// site is weir fed by a Consul, in front of connectors that are registered there.
type site struct {
	*flock
	consul *consulAgent
}

// siteOptions say what a site should differ in.
type siteOptions struct {
	opts
	acl       bool
	tokenFile string // for weir
	hold      string // empty_hold; empty: the default
	static    []string
}

// newSite starts a Consul, n connectors that are registered in it, and weir, and waits until all are eligible.
func newSite(t *testing.T, n int, o siteOptions) *site {
	t.Helper()
	s := &site{flock: &flock{t: t}, consul: startConsul(t, consulOptions{acl: o.acl})}
	for i := range n {
		s.consul.place(s.connector(backendName(i)))
	}
	s.weir = startWeir(t, siteConfig(s.consul.http, o))
	s.waitEligible(poolName, n)
	return s
}

// siteConfig is the config of weir before the connectors that are registered in the Consul at an address.
func siteConfig(consul string, o siteOptions) string {
	line := fmt.Sprintf("consul: {address: %q, register: false", consul)
	if o.tokenFile != "" {
		line += fmt.Sprintf(", token_file: %q", o.tokenFile)
	}
	if o.hold != "" {
		line += ", empty_hold: " + o.hold
	}
	o.top = append(o.top, line+"}")
	o.pool = append(o.pool, "consul: {service: "+serviceName+"}")
	o.backends = o.static
	o.health, o.timeouts = or(o.health, quietHealth), or(o.timeouts, shortTimeouts)
	return basicConfig(o.opts)
}

// connector starts one more connector; Consul does not know it yet.
func (f *flock) connector(name string) *faulty.Server {
	f.t.Helper()
	c, err := faulty.New(faulty.Options{Name: name, Behaviour: faulty.Honest()})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(c.Close)
	f.c = append(f.c, c)
	return c
}

// named is the connector of a name.
func (f *flock) named(name string) *faulty.Server {
	f.t.Helper()
	for _, c := range f.c {
		if c.Name() == name {
			return c
		}
	}
	f.t.Fatalf("no connector is named %s", name)
	return nil
}

// getsMail waits until a connector gets new mail of the load.
func (f *flock) getsMail(name string) {
	f.t.Helper()
	c := f.named(name)
	at := c.Stats().Messages
	eventually(f.t, ceiling, func() bool { return c.Stats().Messages > at }, "%s gets no mail", name)
}

// getsNone proves that a connector that is out gets no new mail while the load goes on.
func (f *flock) getsNone(name string, k *keepers) {
	f.t.Helper()
	c := f.named(name)
	// What was begun before it was out may still end.
	eventually(f.t, ceiling, func() bool { return f.status().backend(poolName, name).Inflight == 0 }, "%s still has mail in flight", name)
	at := c.Stats().Messages
	k.flows(40)
	// One may have been chosen for it before, by a session that was then held up for long. Its share would be a dozen.
	if n := c.Stats().Messages - at; n > 1 {
		f.t.Errorf("%s is out and got %d new messages", name, n)
	}
}

// load is a few senders that keep their connections.
func (f *flock) load(kind string) *keepers {
	f.t.Helper()
	k := startKeepers(f.t, f.smtp, kind, 4, 8*time.Millisecond)
	k.flows(20)
	return k
}

// finish ends the load: no sender was failed, and everything is stored once.
func (f *flock) finishLoad(k *keepers) {
	f.t.Helper()
	checkStored(f.t, f.c, k.end())
}
