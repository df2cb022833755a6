package integration

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"weir/internal/faulty"
)

// raw is a sender that need not speak SMTP.
func (f *flock) raw() (net.Conn, *bufio.Reader) {
	f.t.Helper()
	conn, err := net.Dial("tcp", f.smtp)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(ceiling))
	return conn, bufio.NewReader(conn)
}

// gone wants the end of a connection; what was said before it is returned.
func (f *flock) gone(r io.Reader) string {
	f.t.Helper()
	said, err := io.ReadAll(r)
	if ne, ok := err.(net.Error); ok && ne.Timeout() {
		f.t.Fatalf("connection still open; said so far: %q", said)
	}
	return string(said)
}

// serves wants weir to be in good order still: it serves, and holds neither memory nor descriptors.
func (f *flock) serves() {
	f.t.Helper()
	f.delivered(f.message("after", 500))
	f.bounded()
}

func TestP24_HTTPOnTheSMTPPort(t *testing.T) {
	f := newFlock(t, 1, opts{})
	for _, request := range []string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST / HTTP/1.1\r\nContent-Length: 40\r\n\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n", "CONNECT x:25 HTTP/1.1\r\n\r\n"} {
		conn, r := f.raw()
		_, _ = io.WriteString(conn, request)
		said := f.gone(r)
		if n := strings.Count(said, "\r\n"); n > 2 || strings.Contains(said, "\r\n250") {
			t.Errorf("%q got %q: close, and do not obey what follows", request, said)
		}
	}
	if n := f.heard("MAIL FROM:<a@x>"); n != 0 {
		t.Error("a command inside an HTTP request was obeyed")
	}
	f.serves()
}

func TestBadInput_TLSClientHelloOnTheSMTPPort(t *testing.T) {
	f := newFlock(t, 1, opts{listener: []string{"limits: {errors: 3}"}})
	conn, _ := f.raw()
	err := tls.Client(conn, &tls.Config{InsecureSkipVerify: true}).Handshake()
	if err == nil {
		t.Error("a TLS handshake succeeded on a plain port")
	}
	_ = conn.Close()
	f.serves()
}

func TestP24_LongCommandLineIsDrained(t *testing.T) {
	f := newFlock(t, 1, opts{})
	c := f.dial()
	for _, n := range []int{2100, 5000, 1 << 20} {
		if rep := f.must(c, "NOOP %s", strings.Repeat("x", n)); !strings.HasPrefix(rep.String(), "500 5.5.2") {
			t.Errorf("a line of %d octets: %s, want 500 5.5.2", n, rep)
		}
	}
	if rep := f.must(c, "NOOP %s", strings.Repeat("x", 2048-len("NOOP \r\n"))); rep.code != 250 {
		t.Errorf("a line of 2048 octets: %s", rep)
	}
	f.healed(c)
	f.serves()
}

func TestBadInput_EndlessLine(t *testing.T) {
	f := newFlock(t, 1, opts{listener: []string{"timeouts: {greeting: 3s, command: 3s}"}})
	conn, r := f.raw()
	block := bytes.Repeat([]byte("x"), 64<<10)
	for range 1024 { // 64 MiB without a newline
		if _, err := conn.Write(block); err != nil {
			break // closed: as good as drained
		}
	}
	f.bounded()
	f.gone(r) // by the command timeout, if not before
	f.serves()
}

func TestP24_TooManyBadCommandsEndTheSession(t *testing.T) {
	f := newFlock(t, 1, opts{listener: []string{"limits: {errors: 5}"}})
	c := f.dial()
	f.write(c, []byte(strings.Repeat("WHAT\r\n", 5)))
	said := strings.Split(strings.TrimSpace(f.gone(c.r)), "\r\n")
	last := said[len(said)-1]
	if !strings.HasPrefix(last, "421 4.7.0") || len(said) < 5 || len(said) > 6 { // the fifth may have its own answer too
		t.Errorf("five bad commands got %q, want 421 4.7.0 in the end", said)
	}
	f.serves()
}

func TestP38_ControlsInCommands(t *testing.T) {
	f := newFlock(t, 1, opts{listener: []string{"limits: {errors: 100}"}})
	c := f.dial()
	for _, line := range []string{
		"MAIL FROM:<a\x00b@sender.example>", "NOOP\x00", "\x00", "MAIL FROM:<a\x01@sender.example>", "NO\x1bOP", "NOOP \x7f",
		"MAIL FROM:<a\r@sender.example>", "NOOP\rMAIL FROM:<evil@attacker.example>", "NOOP\r",
	} {
		if rep := f.must(c, "%s", line); !strings.HasPrefix(rep.String(), "501 5.5.2") {
			t.Errorf("%q: %s, want 501 5.5.2", line, rep)
		}
	}
	f.healed(c)
	if n := f.heard("MAIL FROM:<evil"); n != 0 {
		t.Error("something behind a bare CR reached the connector")
	}
}

func TestP38_BareLFCommands(t *testing.T) {
	f := newFlock(t, 1, opts{})
	c := f.dial()
	f.write(c, []byte("NOOP\n"+"NOOP\r\n"))
	rep, err := c.read()
	if err != nil || !strings.HasPrefix(rep.String(), "501 5.5.2") {
		t.Errorf("a line ended by LF: %s, %v, want 501 5.5.2", rep, err)
	}
	f.write(c, []byte("QUIT\r\n"))
	said := f.gone(c.r)
	if !strings.HasSuffix(said, "\r\n") || !strings.Contains(said, "221") {
		t.Errorf("after it: %q", said)
	}
	f.serves()
}

func TestP38_UnknownParameters(t *testing.T) {
	f := newFlock(t, 1, opts{})
	c := f.dial()
	for _, line := range []string{"MAIL FROM:<a@sender.example> WHAT=1", "MAIL FROM:<a@sender.example> SMTPUTF8", "MAIL FROM:<a@sender.example> RET=HDRS"} {
		if rep := f.must(c, "%s", line); !strings.HasPrefix(rep.String(), "555 5.5.4") {
			t.Errorf("%q: %s, want 555 5.5.4", line, rep)
		}
	}
	f.expect(c, 250, "MAIL FROM:<a@sender.example>")
	if rep := f.must(c, "RCPT TO:<b@test.example> NOTIFY=NEVER"); !strings.HasPrefix(rep.String(), "555 5.5.4") {
		t.Errorf("RCPT with NOTIFY: %s, want 555 5.5.4", rep)
	}
	f.expect(c, 250, "RSET")
	f.serves()
}

func TestBadInput_SenderThatNeverReads(t *testing.T) {
	f := newFlock(t, 1, opts{listener: []string{"timeouts: {greeting: 3s, command: 3s, data: 3s}"}})
	before := f.openFiles()
	for range 4 {
		conn, _ := f.raw()
		_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
		_ = conn.SetWriteDeadline(time.Now().Add(ceiling))
		block := bytes.Repeat([]byte("HELP\r\n"), 10000)
		for range 200 { // 2 million replies that nobody takes
			if _, err := conn.Write(block); err != nil {
				break // closed by weir's own patience
			}
		}
		f.bounded()
	}
	eventually(t, ceiling, func() bool { return f.openFiles() <= before }, "weir still has %d descriptors, %d before", f.openFiles(), before)
	f.serves()
}

func TestBadInput_ThousandsOfPipelinedNoops(t *testing.T) {
	f := newFlock(t, 1, opts{})
	c := f.dial()
	const n = 50000
	wrote := make(chan error, 1)
	go func() { wrote <- c.write(bytes.Repeat([]byte("NOOP\r\n"), n)) }()
	for i := range n {
		if rep, err := c.read(); err != nil || rep.code != 250 {
			t.Fatalf("reply %d: %s, %v", i, rep, err)
		}
	}
	if err := <-wrote; err != nil {
		t.Fatal(err)
	}
	f.healed(c)
	f.serves()
}

func TestP21_MalformedBDATSize(t *testing.T) {
	f := newFlock(t, 1, opts{})
	for _, args := range []string{"x", "", "-1", "1x LAST", "99999999999999999999999", "5 FIRST", "5 LAST MORE", "0x10"} {
		c := f.dial()
		f.expect(c, 250, "MAIL FROM:<a@sender.example>")
		f.expect(c, 250, "RCPT TO:<b@test.example>")
		if rep := f.must(c, "BDAT %s", args); rep.code != 501 {
			t.Errorf("BDAT %s: %s, want 501", args, rep)
		}
		if said := f.gone(c.r); said != "" && !strings.HasPrefix(said, "421") {
			t.Errorf("BDAT %s: said %q behind the 501", args, said)
		}
	}
	if n := f.seen(); n != 0 {
		t.Errorf("%d ends of data", n)
	}
	f.serves()
}

func TestP21_BDATZeroLast(t *testing.T) {
	for _, chunking := range []bool{true, false} {
		b := faulty.Honest()
		b.Capabilities.Chunking = chunking
		f := newFlockOf(t, opts{listener: []string{"received_header: never"}}, b)
		c := f.dial()
		for _, first := range []string{"", "BDAT 7\r\nhello\r\n"} {
			f.c[0].Forget()
			f.expect(c, 250, "MAIL FROM:<a@sender.example>")
			f.expect(c, 250, "RCPT TO:<b@test.example>")
			want := ""
			if first != "" {
				want = "hello\r\n"
				f.write(c, []byte(first))
				if rep, err := c.read(); err != nil || rep.code != 250 {
					t.Fatalf("first chunk: %s, %v", rep, err)
				}
			}
			f.expect(c, 250, "BDAT 0 LAST")
			if m := f.c[0].Messages(); len(m) != 1 || string(m[0].Content) != want {
				t.Errorf("chunking %v: %+v, want %q", chunking, m, want)
			}
		}
	}
}

func TestP21_CommandsInsideABDATTransaction(t *testing.T) {
	f := newFlock(t, 1, opts{})
	c := f.dial()
	f.expect(c, 250, "MAIL FROM:<a@sender.example>")
	f.expect(c, 250, "RCPT TO:<b@test.example>")
	f.write(c, []byte("BDAT 3\r\nabc"))
	if rep, err := c.read(); err != nil || rep.code != 250 {
		t.Fatalf("chunk: %s, %v", rep, err)
	}
	f.expect(c, 503, "DATA")
	f.expect(c, 503, "RCPT TO:<b@test.example>")
	f.expect(c, 503, "MAIL FROM:<a@sender.example>")
	f.expect(c, 250, "RSET")
	f.serves()
}

func TestP20_OctetsOfARefusedChunkAreConsumed(t *testing.T) {
	f := newFlock(t, 1, opts{})
	const trap = "MAIL FROM:<evil@attacker.example>\r\nRCPT TO:<victim@test.example>\r\nQUIT\r\n"
	c := f.dial()
	chunk := func(rest string) {
		t.Helper()
		f.write(c, fmt.Appendf(nil, "BDAT %d%s\r\n%s", len(trap), rest, trap))
		rep, err := c.read()
		if err != nil || rep.class() != 5 {
			t.Fatalf("refused chunk: %s, %v", rep, err)
		}
	}
	chunk("") // without MAIL
	f.expect(c, 250, "NOOP")
	f.expect(c, 250, "MAIL FROM:<a@sender.example>")
	chunk(" LAST") // without RCPT
	f.expect(c, 250, "RSET")
	f.hurt(f.c, faulty.Say(faulty.RCPT, "550 5.1.1 no"))
	f.expect(c, 250, "MAIL FROM:<a@sender.example>")
	f.expect(c, 550, "RCPT TO:<b@test.example>")
	chunk("")
	chunk(" LAST")
	f.expect(c, 250, "RSET")
	f.healed(c)
	if n := f.heard("MAIL FROM:<evil"); n != 0 {
		t.Error("octets of a chunk were taken as commands")
	}
}

func TestP20_EveryChunkAfterARefusalGetsTheError(t *testing.T) {
	for _, chunking := range []bool{true, false} {
		b := faulty.Honest()
		b.Capabilities.Chunking = chunking
		b.Capabilities.Size = -1
		f := newFlockOf(t, opts{listener: []string{"limits: {message_size: 10KiB}"}}, b)
		c := f.dial()
		f.expect(c, 250, "MAIL FROM:<a@sender.example>")
		f.expect(c, 250, "RCPT TO:<b@test.example>")
		p := append([]byte("BDAT 8000\r\n"), filler(8000)...)
		var codes []int
		for _, head := range []string{"BDAT 8000\r\n", "BDAT 8000\r\n", "BDAT 8000\r\n", "BDAT 8000 LAST\r\n"} {
			f.write(c, append([]byte(head), p[len("BDAT 8000\r\n"):]...))
			rep, err := c.read()
			if err != nil {
				t.Fatal(err)
			}
			codes = append(codes, rep.class())
		}
		if fmt.Sprint(codes) != "[2 5 5 5]" {
			t.Errorf("chunking %v: classes %v, want 2 and then 5", chunking, codes)
		}
		if n := f.seen(); n != 0 {
			t.Errorf("%d ends of data", n)
		}
		f.healed(c)
	}
}
