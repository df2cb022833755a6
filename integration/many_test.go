package integration

import (
	"fmt"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"weir/internal/faulty"
)

// crowd is weir before thousands of registrations, which a handful of connectors stand behind: each listens on every
// address of loopback, so that every registration has an address of its own.
type crowd struct {
	*site
}

// newCrowd registers n instances and starts weir.
func newCrowd(t *testing.T, n int) *crowd {
	t.Helper()
	c := &crowd{&site{flock: &flock{t: t}, consul: startConsul(t, consulOptions{})}}
	for i := range 5 {
		s, err := faulty.New(faulty.Options{Name: fmt.Sprintf("many%d", i), Address: "0.0.0.0:0", Behaviour: faulty.Honest(), ForgetDialog: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		c.c = append(c.c, s)
	}
	c.registerAll(0, n, 100)
	// Nobody probes thousands often; and idle connections to thousands are not what is tested here.
	c.weir = launchWeir(t, launch{config: siteConfig(c.consul.http, siteOptions{opts: opts{
		health: "{probe: tcp, interval: 1h, timeout: 20s, rise: 1, fall: 5}", pool: []string{"reuse: {idle: 1s}"},
	}})})
	return c
}

// registerAll writes instances from…to with a weight straight into the catalog, several at a time.
func (c *crowd) registerAll(from, to, weight int) {
	c.t.Helper()
	const writers = 8
	errs := make(chan error, writers)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := from + w; i < to; i += writers {
				if err := c.write(i, weight); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		c.t.Fatalf("registering many instances: %v", err)
	default:
	}
}

// write registers instance i.
func (c *crowd) write(i, weight int) error {
	_, err := c.consul.api().Catalog().Register(c.instance(i, weight), nil)
	return err
}

// instance is registration i, on a node that no agent looks after.
func (c *crowd) instance(i, weight int) *api.CatalogRegistration {
	_, p, _ := net.SplitHostPort(c.c[i%len(c.c)].Addr())
	number, _ := strconv.Atoi(p)
	name := fmt.Sprintf("m%04d", i)
	return &api.CatalogRegistration{
		Node: "crowd", Address: "127.0.0.1", SkipNodeUpdate: true,
		Service: &api.AgentService{
			ID: name, Service: serviceName, Address: fmt.Sprintf("127.1.%d.%d", i/250, 1+i%250), Port: number,
			Meta: map[string]string{"weir_name": name}, Weights: api.AgentWeights{Passing: weight, Warning: weight},
		},
	}
}

// waitTotal waits until the pool has n connectors, of which all are eligible.
func (c *crowd) waitTotal(n int) {
	c.t.Helper()
	var last poolStatus
	ok := poll(3*time.Minute, func() bool { last = c.status().Pools[0]; return last.Total == n && last.Eligible == n })
	if !ok {
		c.t.Fatalf("the pool has %d connectors, %d eligible; want %d; the end of the log:\n%s", last.Total, last.Eligible, n, c.tail(3000))
	}
}

// TestConsul_Thousands: a service of thousands is served, and one that comes or goes is seen. What that costs is
// measured by `make bench-consul`.
func TestConsul_Thousands(t *testing.T) {
	t.Parallel()
	n := 2000
	if testing.Short() {
		n = 500
	}
	c := newCrowd(t, n)
	c.waitReady(2 * time.Minute)
	c.waitTotal(n)
	k := c.load("many")
	c.registerAll(n, n+1, 100)
	c.waitTotal(n + 1)
	_, err := c.consul.api().Catalog().Deregister(&api.CatalogDeregistration{Node: "crowd", ServiceID: "m0000"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.waitTotal(n)
	c.finishLoad(k)
}
