package serve

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// On a socket of all addresses the reply comes from the one that was asked.
func TestReplyComesFromTheAddressAsked(t *testing.T) {
	z := newZone(t, testConfig(), newMemory())
	publish(t, z, addresses("mx.mail.test.", 60, "192.0.2.1"))
	for _, c := range []struct {
		network, listen string
		ask             []string
	}{
		{"udp4", "0.0.0.0:0", []string{"127.0.0.1", "127.0.0.2"}},
		{"udp", "[::]:0", []string{"127.0.0.2", "::1"}},
	} {
		pc, err := net.ListenPacket(c.network, c.listen)
		if err != nil {
			t.Skip(err) // no IPv6 here
		}
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		stop := serveOn(t, NewServer(z), pc, ln)
		for _, address := range c.ask {
			to := netip.AddrPortFrom(netip.MustParseAddr(address), uint16(pc.LocalAddr().(*net.UDPAddr).Port))
			// The client's socket is connected: it takes replies from there only.
			client := dns.Client{Timeout: 30 * time.Second}
			if reply, _, err := client.ExchangeContext(t.Context(), question("mx.mail.test.", dns.TypeA), to.String()); err != nil || len(reply.Answer) != 1 {
				t.Errorf("asking %s of %s: %v, %v", to, c.listen, reply, err)
			}
		}
		stop()
		_, _ = pc.Close(), ln.Close()
	}
}

// A connection that speaks something else is closed, and hinders nobody.
func TestStreamOfGarbage(t *testing.T) {
	z := newZone(t, testConfig(), newMemory())
	publish(t, z, addresses("mx.mail.test.", 60, "192.0.2.1"))
	address := start(t, NewServer(z))
	for _, garbage := range []string{"GET / HTTP/1.1\r\n\r\n", "\x00\x00", "\x00\x05hello", "\x00\x0c\x00\x01\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00"} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
		_, _ = conn.Write([]byte(garbage))
		_ = conn.(*net.TCPConn).CloseWrite()
		if n, err := conn.Read(make([]byte, 10)); n != 0 || isTimeout(err) {
			t.Errorf("%q: %d octets, %v", garbage, n, err)
		}
		_ = conn.Close()
	}
	conn, err := dns.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	for range 3 { // several on one connection
		if err := conn.WriteMsg(question("mx.mail.test.", dns.TypeA)); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if m, err := conn.ReadMsg(); err != nil || len(m.Answer) != 1 {
			t.Error(m, err)
		}
	}
}

func TestStreamsAreCounted(t *testing.T) {
	c := streams{networks: map[netip.Prefix]int{}}
	one, other := netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.51.100.0/24")
	for range streamsEach {
		if !c.enter(one, false) {
			t.Fatal("refused early")
		}
	}
	if c.enter(one, false) || !c.enter(one, true) || !c.enter(other, false) {
		t.Error("the network's limit does not hold, or holds for others")
	}
	c.leave(one)
	c.leave(one)
	if !c.enter(one, false) {
		t.Error("a place that got free is not given")
	}
}
