package balancer_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestFlood: a listener is full of connections from many addresses, each of which
// goes on at an octet a second or says nothing, in all that can be done before mail
// flows. Whoever comes from elsewhere is served; what the flood costs is bounded by
// the limit. With WEIR_FLOOD=9000 it is as large as descriptors allow.
func TestFlood(t *testing.T) {
	size, _ := strconv.Atoi(os.Getenv("WEIR_FLOOD"))
	size = max(size, 600)
	b := newBench(t, "a")
	b.deaf = true
	limit := size / 3
	b.listener().Limits.Connections = limit
	b.start(0)
	before := memoryOf()
	began := time.Now()
	var in, refused, lost atomic.Int64
	conns := make([]net.Conn, 0, size)
	for i := range size {
		nc, err := dialFrom(fmt.Sprintf("127.1.%d.%d", i%4, 1+i/4%250), b.addr)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, nc)
		go knock(nc, i, &in, &refused, &lost)
		if i%(size/6) == size/6-1 {
			honest(t, b, i)
		}
	}
	took := time.Since(began)
	honest(t, b, size)
	inside := b.server.Sessions()[0].Sessions
	cost := int64(memoryOf()) - int64(before)
	t.Logf("%d connections in %v: %d greeted, %d refused in words, %d lost; %d inside (limit %d), %d KiB of memory for both ends",
		size, took, in.Load(), refused.Load(), lost.Load(), inside, limit, cost>>10)
	if inside > limit+max(limit/8, 16) {
		t.Errorf("%d are inside, the limit is %d", inside, limit)
	}
	for _, nc := range conns {
		_ = nc.Close()
	}
	waitFor(t, "the flood to be over", func() bool { return b.server.Sessions()[0].Sessions == 0 })
}

// knock is one of the flood: it says something by its number, an octet at a time.
func knock(nc net.Conn, i int, in, refused, lost *atomic.Int64) {
	reply, err := bufio.NewReader(nc).ReadString('\n')
	switch {
	case strings.HasPrefix(reply, "220"):
		in.Add(1)
	case strings.HasPrefix(reply, "421"):
		refused.Add(1)
	case err != nil:
		lost.Add(1)
		return
	}
	say := [...]string{"", "EHLO flood.test", "EHLO flood.test\r\nMAIL FROM:<a@flood.test>\r\nRCPT TO:", "\x16"}[i%4]
	for j := range len(say) {
		if _, err := io.WriteString(nc, say[j:j+1]); err != nil {
			return
		}
	}
}

// honest delivers a message from a network of its own.
func honest(t *testing.T, b *bench, i int) {
	t.Helper()
	nc, err := dialFrom("127.200.1.1", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(ceiling))
	s := newTalker(t, nc)
	s.ask("", "220 *")
	s.ask("HELO honest.test\r\n", "250 *")
	if got := s.message(fmt.Sprintf("Subject: %d\r\n\r\ntext\r\n", i)); !strings.HasPrefix(got, "250") {
		t.Fatalf("honest mail got %q", got)
	}
	s.ask("QUIT\r\n", "221 *")
}
