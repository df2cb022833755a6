package balancer_test

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// talker is a sender that waits for each answer.
type talker struct {
	t  testing.TB
	nc net.Conn
	in *bufio.Reader
}

// ask sends and reads one line of answer, which must be as wanted. It returns how
// long that took.
func (s *talker) ask(send, want string) time.Duration {
	s.t.Helper()
	start := time.Now()
	if err := like(s.say(send), want); err != nil {
		s.t.Fatal(err)
	}
	return time.Since(start)
}

// say sends and returns one line of answer.
func (s *talker) say(send string) string {
	s.t.Helper()
	if send != "" { // a pipe would carry even nothing
		if _, err := io.WriteString(s.nc, send); err != nil {
			s.t.Fatalf("sending: %v", err)
		}
	}
	got, err := s.in.ReadString('\n')
	if err != nil {
		s.t.Fatalf("reading: %v", err)
	}
	return strings.TrimSpace(got)
}

// envelope brings the dialogue to the point before DATA.
func (s *talker) envelope() {
	s.t.Helper()
	s.hello()
	s.ask("MAIL FROM:<from@client.test>\r\n", "250 *")
	s.ask("RCPT TO:<to@mx.test>\r\n", "250 *")
}

func newTalker(t testing.TB, nc net.Conn) *talker {
	return &talker{t: t, nc: nc, in: bufio.NewReader(nc)}
}

// dial connects a sender over loopback.
func (b *bench) dial() *talker {
	b.t.Helper()
	return b.dialFrom("")
}

// dialFrom connects a sender from a loopback address; "" leaves it to the system.
func (b *bench) dialFrom(local string) *talker {
	b.t.Helper()
	nc, err := dialFrom(local, b.addr)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(2 * ceiling))
	return newTalker(b.t, nc)
}

// message sends a whole message and returns the answer to it.
func (s *talker) message(body string) string {
	s.t.Helper()
	s.ask("MAIL FROM:<from@client.test>\r\n", "250 *")
	if reply := s.say("RCPT TO:<to@mx.test>\r\n"); reply[0] != '2' {
		return reply
	}
	if reply := s.say("DATA\r\n"); reply[0] != '3' {
		return reply
	}
	return s.say(body + ".\r\n")
}

// hello reads the greeting and says HELO.
func (s *talker) hello() *talker {
	s.t.Helper()
	s.ask("", "220 *")
	s.ask("HELO client.test\r\n", "250 *")
	return s
}
