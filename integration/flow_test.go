package integration

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

// TestRealServers: real senders, weir, and four real Postfix which every part shares; each part has its own weir.
func TestRealServers(t *testing.T) {
	posts := startPostfixes(t, 4)
	parts := []struct {
		name string
		run  func(*testing.T, []*postfix)
	}{
		{"every sender, every body", everySenderEveryBody},
		{"large messages", largeMessages},
		{"a thousand recipients", thousandRecipients},
		{"many sessions", manySessions},
		{"concurrent senders", concurrentSenders},
		{"one connection spreads over all", oneConnectionSpreadsOverAll},
	}
	for _, part := range parts {
		t.Run(part.name, func(t *testing.T) { part.run(t, posts) })
	}
}

// everySenderEveryBody: each kind of sender gets each kind of body through weir to four real Postfix, exactly
// once and byte for byte.
func everySenderEveryBody(t *testing.T, posts []*postfix) {
	addr, _ := front(t, posts)
	requireExtensions(t, addr, "PIPELINING", "SIZE", "ENHANCEDSTATUSCODES", "CHUNKING", "8BITMIME")
	for _, s := range senders() {
		t.Run(s.name, func(t *testing.T) {
			var msgs []*message
			for _, c := range bodyCases() {
				if s.takes(c) {
					msgs = append(msgs, newMessage(s.name+"-"+c.name, c.body))
				}
			}
			done := s.send(t, addr, msgs)
			if len(done) != len(msgs) {
				t.Errorf("%d of %d messages acknowledged", len(done), len(msgs))
			}
			checkDelivered(t, settle(t, posts), done, nil)
		})
	}
}

// requireExtensions: what all four Postfix offer, and what the edge itself converts, is offered to the sender (P30).
func requireExtensions(t *testing.T, addr string, names ...string) {
	t.Helper()
	c, err := dialSMTP(addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.quit()
	for _, name := range names {
		if !c.offers(name) {
			t.Errorf("EHLO does not offer %s: %v", name, c.caps)
		}
	}
}

// largeMessages: 25 MiB arrive whole by DATA, BDAT and from Python, although no replay buffer holds them.
func largeMessages(t *testing.T, posts []*postfix) {
	addr, _ := front(t, posts)
	size := 25 << 20
	if testing.Short() {
		size = 3 << 20
	}
	body := filler(size)
	for _, s := range senders() {
		switch s.name {
		case "raw", "bdat", "smtplib":
			t.Run(s.name, func(t *testing.T) {
				done := s.send(t, addr, []*message{newMessage(s.name+"-large", body)})
				if len(done) != 1 {
					t.Fatal("not acknowledged")
				}
				checkDelivered(t, settle(t, posts), done, nil)
			})
		}
	}
}

// thousandRecipients: 1000 recipients in one transaction, pipelined and one by one, each get one copy.
func thousandRecipients(t *testing.T, posts []*postfix) {
	addr, _ := front(t, posts)
	count := 1000
	if testing.Short() {
		count = 200
	}
	for _, s := range senders() {
		switch s.name {
		case "raw", "pipelined", "bdat", "smtplib":
			t.Run(s.name, func(t *testing.T) {
				done := s.send(t, addr, []*message{newMessageTo(s.name+"-many", []byte("to all of you\r\n"), count)})
				if len(done) != 1 {
					t.Fatal("not acknowledged")
				}
				checkDelivered(t, settle(t, posts), done, nil)
			})
		}
	}
}

// manySessions: smtp-source with many sessions, once with a connection a message and once with many messages a
// connection. All its messages have one id; the recipients are numbered (-N), so a loss or a double still shows.
func manySessions(t *testing.T, posts []*postfix) {
	addr, _ := front(t, posts)
	count := 600
	if testing.Short() {
		count = 100
	}
	for name, args := range map[string][]string{"connection-each": nil, "long-connections": {"-d"}} {
		t.Run(name, func(t *testing.T) {
			m := newMessage("source-"+name, filler(4<<10))
			smtpSource(t, addr, m, append([]string{"-s", "20", "-m", fmt.Sprint(count), "-N"}, args...)...)
			checkNumbered(t, settle(t, posts), m, count)
		})
	}
}

// checkNumbered checks the messages of one run of smtp-source -N, which puts a number before the recipient: as many
// different recipients as messages, one copy each.
func checkNumbered(t *testing.T, box inbox, m *message, count int) {
	t.Helper()
	numbered := *m
	numbered.to = nil
	for key := range box {
		if to, ok := strings.CutPrefix(key, m.id+" "); ok {
			numbered.to = append(numbered.to, to)
		}
	}
	if len(numbered.to) != count {
		t.Errorf("%d different recipients have the message, want %d", len(numbered.to), count)
	}
	checkDelivered(t, box, []*message{&numbered}, nil)
}

// concurrentSenders: senders of different make at the same time, many messages on each connection.
func concurrentSenders(t *testing.T, posts []*postfix) {
	addr, _ := front(t, posts)
	per := 100
	if testing.Short() {
		per = 20
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var done []*message
	for _, s := range senders() {
		if s.name == "swaks" || s.name == "smtp-source" || s.name == "bdat-tiny" {
			continue // one process a message: they say nothing more here
		}
		wg.Go(func() {
			acknowledged := s.send(t, addr, smallMessages("concurrent-"+s.name, per))
			mu.Lock()
			defer mu.Unlock()
			done = append(done, acknowledged...)
		})
	}
	wg.Wait()
	if want := 5 * per; len(done) != want {
		t.Errorf("%d messages acknowledged, want %d", len(done), want)
	}
	checkDelivered(t, settle(t, posts), done, nil)
}

// smallMessages makes n messages, each with its own body.
func smallMessages(kind string, n int) []*message {
	var msgs []*message
	for i := range n {
		msgs = append(msgs, newMessage(kind, fmt.Appendf(filler(500+i%3000), "\r\n.number %d\r\n.\r\n", i)))
	}
	return msgs
}

// oneConnectionSpreadsOverAll: the choice is made per transaction, so one sender's long connection reaches all
// four connectors, evenly.
func oneConnectionSpreadsOverAll(t *testing.T, posts []*postfix) {
	needWeir(t)
	addr, w := front(t, posts)
	const count = 400
	for _, s := range senders() {
		if s.name != "raw" && s.name != "pipelined" {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			before := settle(t, posts).byHost()
			done := s.send(t, addr, smallMessages("spread-"+s.name, count))
			box := settle(t, posts)
			checkDelivered(t, box, done, nil)
			for _, p := range posts {
				share := box.byHost()[p.host] - before[p.host]
				if off := share - count/4; max(off, -off) > count*2/100 {
					t.Errorf("%s got %d of %d messages, want %d within 2 %%", p.host, share, count, count/4)
				}
			}
			checkLogShares(t, w, "spread-"+s.name, count)
		})
	}
}

// checkLogShares: the log tells the same story, one line a transaction.
func checkLogShares(t *testing.T, w *weir, kind string, count int) {
	t.Helper()
	lines := w.transactionsFrom(kind)
	shares := map[string]int{}
	for _, l := range lines {
		shares[l.str("backend")]++
		if l.str("outcome") != "delivered" || l.num("code") != 250 || l.str("by") != "connector" {
			t.Errorf("a delivered message's log line: %v", l)
		}
	}
	if len(lines) != count || len(shares) != 4 {
		t.Errorf("the log has %d transactions over %v, want %d over 4 connectors", len(lines), shares, count)
	}
}
