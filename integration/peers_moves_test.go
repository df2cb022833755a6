package integration

import (
	"testing"
)

// TestPeers_IdentityMoves: a sender's transactions go from one real Postfix to another, because of a drain or a loss, and each
// one is told of the same client.
func TestPeers_IdentityMoves(t *testing.T) {
	t.Parallel()
	needWeir(t)
	for _, way := range []struct{ identity, setting string }{
		{"xclient", "smtpd_authorized_xclient_hosts = 127.0.0.1"},
		{"proxy-v2", behindProxy},
	} {
		t.Run("P32 "+way.identity, func(t *testing.T) {
			t.Parallel()
			hosts := []*mailHost{newMailHost(t, "one.test.example"), newMailHost(t, "two.test.example")}
			var addrs []string
			for _, h := range hosts {
				addrs = append(addrs, h.smtpd("moves", way.setting))
			}
			launchAll(t, []*postfix{hosts[0].postfix, hosts[1].postfix})
			l := startLanes(t, lane{name: "moves", backends: addrs, pool: []string{"client_identity: " + way.identity}})
			c := l.visit(t, anna, "moves")
			arrives := func(at *mailHost) {
				t.Helper()
				m := newMessage("moves", filler(300))
				l.give(t, c, m)
				says(t, "Postfix's line", receivedLines(at.got(t, m))[0], "from anna.sender.example (unknown [127.0.44.1])", "by "+at.host)
			}
			drain(t, l, "moves/c0")
			arrives(hosts[1])
			arrives(hosts[1])
			ready(t, l, "moves/c0")
			drain(t, l, "moves/c1")
			arrives(hosts[0])
			ready(t, l, "moves/c1")
			hosts[0].stop() // and with it the connection that waits for more
			hosts[0].start()
			for range 2 {
				m := newMessage("moves", filler(300))
				l.give(t, c, m)
				says(t, "the header", mailOfEither(t, hosts, m), "from anna.sender.example (unknown [127.0.44.1])")
			}
			hosts[0].kill9()
			arrives(hosts[1])
			arrives(hosts[1])
		})
	}
}

// mailOfEither is the header of a message that went to one of two.
func mailOfEither(t *testing.T, hosts []*mailHost, m *message) (header string) {
	t.Helper()
	eventually(t, ceiling, func() bool {
		return len(copies(hosts[0].path("mail/box"), m))+len(copies(hosts[1].path("mail/box"), m)) > 0
	}, "%s did not arrive", m.id)
	if len(copies(hosts[0].path("mail/box"), m)) > 0 {
		return hosts[0].got(t, m)
	}
	return hosts[1].got(t, m)
}

// drain takes a connector out as an operator does.
func drain(t *testing.T, l *lanes, name string) {
	t.Helper()
	if r := l.ctl("drain", name, "--force"); r.code != 0 {
		t.Fatalf("draining %s: %s%s", name, r.stdout, r.stderr)
	}
}

func ready(t *testing.T, l *lanes, name string) {
	t.Helper()
	if r := l.ctl("undrain", name); r.code != 0 {
		t.Fatalf("undraining %s: %s%s", name, r.stdout, r.stderr)
	}
}
