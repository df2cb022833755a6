package integration

import (
	"testing"
	"time"
)

// TestRollingMaintenance takes four real Postfix servers out of service with the command, one after the other, reboots
// them, and takes them back, while 20 senders keep the connections that they began with: nobody is told anything but
// success, nothing is lost or stored twice, nobody is disconnected.
func TestRollingMaintenance(t *testing.T) {
	needWeir(t)
	senders, messages, pause := 20, int64(10_000), 20*time.Millisecond
	if testing.Short() {
		messages = 1000
	}
	posts := startPostfixes(t, 4)
	_, w := front(t, posts)
	k := startKeepers(t, w.SMTPAddr(), "upkeep", senders, pause)
	k.flows(200)
	for i, p := range posts {
		name := poolName + "/" + backendName(i)
		w.mustCtl("drain", name, "--wait", "--timeout", "2m", "--reason", "reboot")
		before := settled(p)
		p.stop()
		k.flows(100)
		p.start()
		if after := settled(p); after != before {
			t.Errorf("%s got %d messages after it was said to be safe to reboot", p.host, after-before)
		}
		w.mustCtl("undrain", name)
		w.waitState(poolName, backendName(i), "up", "recovering")
		w.waitEligible(poolName, len(posts))
	}
	eventually(t, 5*time.Minute, func() bool { return k.count.Load() >= messages || k.faulted() > 0 },
		"only %d of %d messages were sent", k.count.Load(), messages)
	acknowledged := k.end()
	box := settle(t, posts)
	checkDelivered(t, box, acknowledged, nil)
	for _, p := range posts {
		if box.byHost()[p.host] == 0 {
			t.Errorf("%s got no mail at all", p.host)
		}
	}
}
