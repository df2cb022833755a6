package integration

import (
	"fmt"
	"testing"
)

// TestPeers_HAProxyBehind: what PROXY v2 says of a client's TLS is read by a HAProxy, which chooses by it. Of what the header
// holds this one knows the name that the client asked for; version, cipher and subject are proven where it is written.
func TestPeers_HAProxyBehind(t *testing.T) {
	t.Parallel()
	needWeir(t)
	ca := newAuthority(t)
	asked, plain := (&scripted{offers: []string{"8BITMIME"}}).start(t), (&scripted{offers: []string{"8BITMIME"}}).start(t)
	addr := freeAddr(t)
	runHAProxy(t, fmt.Sprintf("frontend in\n  bind %s accept-proxy\n  use_backend asked if { fc_pp_authority -m str %s } { src %s }\n"+
		"  default_backend plain\nbackend asked\n  server s %s\nbackend plain\n  server s %s\n", addr, edgeName, anna.addr, asked.addr, plain.addr), addr)
	l := startLanes(t, lane{name: "tlv", backends: []string{addr}, edge: ca.edge("starttls"), pool: []string{"client_identity: proxy-v2"}})

	secret, open := newMessage("tlv", filler(300)), newMessage("tlv", filler(300))
	c := l.visit(t, anna, "tlv")
	l.secure(t, c, anna, ca)
	l.give(t, c, secret)
	asked.mailLineOf(t, secret)
	l.give(t, l.visit(t, anna, "tlv"), open)
	plain.mailLineOf(t, open)
}
