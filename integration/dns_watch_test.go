package integration

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	mdns "github.com/miekg/dns"
)

// dnsWatch asks a name server over and over for the addresses of a name, as the world does, and takes down every answer
// that nobody should ever have got: NXDOMAIN, nothing, or what its judge calls wrong. No answer, or SERVFAIL, only delays
// mail, and is none of them.
type dnsWatch struct {
	t     *testing.T
	addr  string
	name  string
	judge func(records []string) (wrong string)
	quit  chan struct{}
	ended chan struct{}

	mu     sync.Mutex
	asked  int
	faults []string
}

// watchName begins to ask.
func watchName(t *testing.T, addr, name string, judge func(records []string) (wrong string)) *dnsWatch {
	t.Helper()
	d := &dnsWatch{t: t, addr: addr, name: name, judge: judge, quit: make(chan struct{}), ended: make(chan struct{})}
	go d.run()
	t.Cleanup(d.stop)
	return d
}

// atLeast is the judge for a floor.
func atLeast(n int) func(records []string) string {
	return func(records []string) string {
		if len(records) < n {
			return fmt.Sprintf("%v: fewer than %d", records, n)
		}
		return ""
	}
}

// never is the judge for a set that must not be seen.
func never(set []string) func(records []string) string {
	return func(records []string) string {
		if slices.Equal(records, set) {
			return fmt.Sprintf("%v again", records)
		}
		return ""
	}
}

func (d *dnsWatch) run() {
	defer close(d.ended)
	tick := time.NewTicker(15 * time.Millisecond)
	defer tick.Stop()
	for {
		reply, err := askName("udp", d.addr, d.name, mdns.TypeA)
		if err == nil && reply.Rcode != mdns.RcodeServerFailure {
			d.note(reply)
		}
		select {
		case <-tick.C:
		case <-d.quit:
			return
		}
	}
}

func (d *dnsWatch) note(reply *mdns.Msg) {
	wrong := ""
	switch records := recordsIn(reply); {
	case reply.Rcode != mdns.RcodeSuccess:
		wrong = mdns.RcodeToString[reply.Rcode]
	case len(records) == 0:
		wrong = "nothing"
	default:
		wrong = d.judge(records)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked++
	if wrong != "" {
		d.faults = append(d.faults, time.Now().Format("15:04:05.000")+" "+wrong)
	}
}

func (d *dnsWatch) stop() {
	select {
	case <-d.quit:
	default:
		close(d.quit)
	}
	<-d.ended
}

// end stops asking and fails the test for every wrong answer.
func (d *dnsWatch) end() {
	d.t.Helper()
	d.stop()
	if d.asked == 0 {
		d.t.Errorf("%s never answered for %s", d.addr, d.name)
	}
	for _, fault := range d.faults[:min(len(d.faults), 5)] {
		d.t.Errorf("%s was shown as %s", d.name, fault)
	}
	d.t.Logf("%s: %d answers, %d wrong", d.name, d.asked, len(d.faults))
}
