package app

import (
	"net"
	"strings"
	"testing"

	mdns "github.com/miekg/dns"
)

// slowResolver answers each question for an address with that of loopback, as soon
// as it may. Asked gets a value with each question.
func slowResolver(t *testing.T) (address string, asked chan struct{}, may chan struct{}) {
	t.Helper()
	asked, may = make(chan struct{}, 100), make(chan struct{})
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &mdns.Server{PacketConn: conn, Handler: mdns.HandlerFunc(func(w mdns.ResponseWriter, q *mdns.Msg) {
		asked <- struct{}{}
		<-may
		answer := new(mdns.Msg)
		answer.SetReply(q)
		if q.Question[0].Qtype == mdns.TypeA {
			rr, err := mdns.NewRR(q.Question[0].Name + " 60 A 127.0.0.1")
			if err != nil {
				panic(err)
			}
			answer.Answer = append(answer.Answer, rr)
		}
		_ = w.WriteMsg(answer)
	})}
	done := make(chan error, 1)
	go func() { done <- server.ActivateAndServe() }()
	t.Cleanup(func() {
		_ = server.Shutdown()
		<-done
	})
	return conn.LocalAddr().String(), asked, may
}

// A pool with a new name gets mail only when discovery has filled it.
func TestReloadFillsNewPoolsFirst(t *testing.T) {
	s := startSite(t)
	resolver, asked, may := slowResolver(t)
	_, port, _ := net.SplitHostPort(s.addrs[1])
	s.write(t, strings.NewReplacer("pool: internet", "pool: fresh", "  internet:", "  fresh:",
		`backends: [{address: "@A@", name: a}]`, "dns: {host: fax.test, port: "+port+", resolver: \""+resolver+"\"}").Replace(siteFile)+"startup_wait: 1h\n")
	reloaded := make(chan error, 1)
	go func() {
		_, err := s.Reload(false, "test")
		reloaded <- err
	}()
	<-asked
	client := s.dial(t)
	defer client.Close()
	send := func() {
		t.Helper()
		if err := client.SendMail("a@example.com", []string{"b@example.com"}, strings.NewReader("x\r\n")); err != nil {
			t.Error(err)
		}
	}
	send()
	if len(reloaded) > 0 || s.members("internet") != "a" || s.members("fresh") != "" {
		t.Errorf("the new pool has %q and the old one %q before its source has answered; reloaded: %v", s.members("fresh"), s.members("internet"), len(reloaded) > 0)
	}
	close(may)
	if err := <-reloaded; err != nil {
		t.Fatal(err)
	}
	if s.members("fresh") == "" || s.members("internet") != "no pool" {
		t.Errorf("fresh has %q, internet %q", s.members("fresh"), s.members("internet"))
	}
	send()
}

// One that stands in the config has its connectors before its first message.
func TestReloadRenamesAPool(t *testing.T) {
	s := startSite(t)
	client := s.dial(t)
	defer client.Close()
	for i := range 10 {
		name := []string{"one", "two"}[i%2]
		s.write(t, strings.NewReplacer("pool: internet", "pool: "+name, "  internet:", "  "+name+":").Replace(siteFile))
		if _, err := s.Reload(false, "test"); err != nil {
			t.Fatal(err)
		}
		if s.members(name) != "a" {
			t.Errorf("%s has the members %q", name, s.members(name))
		}
		if err := client.SendMail("a@example.com", []string{"b@example.com"}, strings.NewReader("x\r\n")); err != nil {
			t.Errorf("round %d: %v", i, err)
		}
	}
}

// A source that does not answer keeps a reload waiting for a bounded time only.
func TestReloadDoesNotWaitForEver(t *testing.T) {
	s := startSite(t)
	resolver, _, may := slowResolver(t)
	defer close(may)
	s.write(t, strings.Replace(siteFile, "pools:\n", "pools:\n  fresh: {tls: {mode: off}, min_redundancy: 0, dns: {host: fax.test, port: 25, resolver: \""+resolver+"\"}}\n", 1)+"startup_wait: 100ms\n")
	if _, err := s.Reload(false, "test"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a warning", func() bool {
		return strings.Contains(s.log.String(), "not every source of these new pools has answered in time")
	})
}
