package faulty

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// raw is a client that says exactly what it is told to.
type raw struct {
	t    *testing.T
	conn *net.TCPConn
	r    *bufio.Reader
}

func start(t *testing.T, b Behaviour) *Server {
	t.Helper()
	s, err := New(Options{Name: "c1", Behaviour: b})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// dial is nil when the connection was reset at once.
func dial(t *testing.T, s *Server) *raw {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr())
	if errors.Is(err, syscall.ECONNRESET) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return &raw{t, c.(*net.TCPConn), bufio.NewReader(c)}
}

func (c *raw) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, text); err != nil {
		c.t.Fatalf("sending %q: %v", text, err)
	}
}

// expect reads one reply for each prefix.
func (c *raw) expect(prefixes ...string) {
	c.t.Helper()
	for _, p := range prefixes {
		for {
			line, err := c.r.ReadString('\n')
			if err != nil {
				c.t.Fatalf("waiting for %q: %v", p, err)
			}
			if len(line) > 3 && line[3] == '-' {
				continue
			}
			if !strings.HasPrefix(line, p) {
				c.t.Fatalf("got %q, want %q", line, p)
			}
			break
		}
	}
}

// gone waits for the end of the connection, with nothing more said.
func (c *raw) gone() {
	c.t.Helper()
	if b, err := c.r.ReadByte(); err == nil {
		c.t.Fatalf("got %q on a connection that should be closed", b)
	} else if ne, ok := err.(net.Error); ok && ne.Timeout() {
		c.t.Fatal("connection still open")
	}
}

// silent proves that nothing is answered: once event was noted the connection is cut, and nothing was said before.
func (c *raw) silent(s *Server, event string) {
	c.t.Helper()
	c.await(func() bool { return s.Heard(event) > 0 })
	s.DropConnections(false)
	c.gone()
	s.Forget()
}

func (c *raw) await(cond func() bool) {
	c.t.Helper()
	for range 20000 {
		if cond() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	c.t.Fatal("still not so after 20 s")
}

func (c *raw) hello() {
	c.t.Helper()
	c.expect("220")
	c.send("EHLO me\r\n")
	c.expect("250")
}

func (c *raw) envelope() {
	c.t.Helper()
	c.send("MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n")
	c.expect("250 2.1.0", "250 2.1.5", "354")
}

func TestHonestTransactions(t *testing.T) {
	s := start(t, Honest())
	c := dial(t, s)
	c.hello()
	c.send("MAIL FROM:<a@x> SIZE=10 BODY=8BITMIME\r\nRCPT TO:<b@y>\r\nRCPT TO:<c@y>\r\nDATA\r\n")
	c.expect("250", "250", "250", "354")
	c.send("..dot\r\n.\rx\r\nend\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<d@y>\r\nBDAT 4\r\na\n.\rBDAT 0 LAST\r\nQUIT\r\n")
	c.expect("250 2.0.0 Ok: queued as c1-1", "250", "250", "250", "250 2.0.0 Ok: queued as c1-2", "221")
	c.gone()
	m := s.Messages()
	if len(m) != 2 {
		t.Fatalf("%d messages", len(m))
	}
	if got := string(m[0].Content); got != ".dot\r\n\rx\r\nend\r\n" || m[0].From != "a@x" || strings.Join(m[0].To, ",") != "b@y,c@y" || m[0].Via != "DATA" {
		t.Errorf("first: %+v %q", m[0], got)
	}
	if got := string(m[1].Content); got != "a\n.\r" || m[1].From != "" || m[1].Via != "BDAT" || m[1].Nth != 2 {
		t.Errorf("second: %+v %q", m[1], got)
	}
	if st := s.Stats(); st.Connections != 1 || st.Messages != 2 || st.Seen != 2 || st.Improper != 0 || s.Heard("RCPT") != 3 {
		t.Errorf("stats %+v", st)
	}
}

func TestBadSequences(t *testing.T) {
	s := start(t, Honest())
	c := dial(t, s)
	c.expect("220")
	for _, x := range [][2]string{
		{"MAIL FROM:<a@x>", "503"},
		{"EHLO me", "250"},
		{"RCPT TO:<b@y>", "503"},
		{"DATA", "503"},
		{"BDAT 0 LAST", "503"},
		{"MAIL FROM:<a@x> WHAT=1", "555"},
		{"MAIL FROM:<a@x> SIZE=99999999999", "552"},
		{"MAIL FROM:<a@x>", "250"},
		{"MAIL FROM:<a@x>", "503"},
		{"DATA", "554"},
		{"RSET", "250"},
		{"MAIL FROM:<a@x>", "250"},
		{"RCPT TO:<b@y>", "250"},
		{"BDAT 0", "250"},
		{"DATA", "503"},
		{"NOOP", "250"},
		{"WHAT", "500"},
		{"BDAT x", "501"},
	} {
		c.send(x[0] + "\r\n")
		c.expect(x[1])
	}
	c.gone()
	if n := len(s.Messages()); n != 0 {
		t.Errorf("%d messages", n)
	}
}

func TestRefusedMailLeavesPipelinedGroupInStep(t *testing.T) {
	s := start(t, Honest())
	s.Hurt(Say(MAIL, "451 4.3.0 later").Limited(1))
	c := dial(t, s)
	c.hello()
	c.send("MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n")
	c.expect("451 4.3.0 later", "503", "503")
	c.envelope()
	c.send(".\r\n")
	c.expect("250")
}

func TestNothingOfferedNothingTaken(t *testing.T) {
	s := start(t, Behaviour{Banner: "220-two\n220 lines"})
	c := dial(t, s)
	c.hello()
	c.send("MAIL FROM:<a@x> SIZE=1\r\n")
	c.expect("555 Unsupported")
	c.send("MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\n")
	c.expect("250 Ok", "250 Ok")
	c.send("BDAT 0 LAST\r\n")
	c.expect("502 Error")
	if s.Stats().Improper == 0 || s.Heard("(improper: pipelined") == 0 {
		t.Error("pipelining without the extension was not noticed")
	}
}

func TestRefuseAndAccept(t *testing.T) {
	s := start(t, Honest())
	c := dial(t, s)
	c.hello()
	s.Refuse()
	if d, err := net.Dial("tcp", s.Addr()); err == nil {
		_ = d.Close()
		t.Fatal("connection accepted")
	}
	c.envelope() // open connections go on
	if err := s.Accept(); err != nil {
		t.Fatal(err)
	}
	d := dial(t, s)
	d.hello()
}
