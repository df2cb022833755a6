package integration

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"weir/internal/faulty"
)

// The rows here are those that nginx's own tests of its mail proxy assert, as far as they are about the sender's side.

// TestEdge_RowsOfNginx: commands split and pipelined, invalid ones, recipients of which some are refused.
func TestEdge_RowsOfNginx(t *testing.T) {
	t.Parallel()
	needWeir(t)
	e := newEdge(t, newAuthority(t), lane{name: "open"})
	e.c.Hurt(faulty.Say(faulty.RCPT, "550 5.1.1 no such box").Containing("bad@"))
	for i, row := range []struct {
		name  string
		steps []string // what is said, one write each; with %s for the message's sender
		codes string   // of the answers to all of it
		taken int
	}{
		{"a command in pieces", []string{"EH", "LO split.example\r", "\nMAIL FR", "OM:<%s>\r\nRCPT TO:<a@test.example>\r\nDA", "TA\r\n", "one\r\n.", "\r", "\n"}, "250 250 250 354 250", 1},
		{"everything at once", []string{"EHLO all.example\r\nMAIL FROM:<%s>\r\nRCPT TO:<a@test.example>\r\nRCPT TO:<b@test.example>\r\nDATA\r\none\r\n.\r\nNOOP\r\n"}, "250 250 250 250 354 250 250", 1},
		{"HELO and all at once", []string{"HELO all.example\r\nMAIL FROM:<%s>\r\nRCPT TO:<a@test.example>\r\nDATA\r\n", "one\r\n.\r\n"}, "250 250 250 354 250", 1},
		{"nothing before EHLO", []string{"MAIL FROM:<%s>\r\nRCPT TO:<a@test.example>\r\nDATA\r\n"}, "503 503 503", 0},
		{"RSET after an invalid command", []string{"EHLO x.example\r\nHOCUS POCUS\r\nRSET\r\nMAIL FROM:<%s>\r\nRCPT TO:<a@test.example>\r\nRSET\r\nDATA\r\n"}, "250 500 250 250 250 250 503", 0},
		{"RSET after a refused parameter", []string{"EHLO x.example\r\nMAIL FROM:<%s> HOCUS=POCUS\r\nRSET\r\nMAIL FROM:<%s>\r\nRCPT TO:<a@test.example>\r\nDATA\r\n", "one\r\n.\r\n"}, "250 555 250 250 250 354 250", 1},
		{"a bad recipient, then a good one", []string{"EHLO x.example\r\n", "MAIL FROM:<%s>\r\n", "RCPT TO:<bad@test.example>\r\n", "RCPT TO:<good@test.example>\r\n", "DATA\r\n", "one\r\n.\r\n"}, "250 250 550 250 354 250", 1},
		{"a bad recipient, then a good one, at once", []string{"EHLO x.example\r\nMAIL FROM:<%s>\r\nRCPT TO:<bad@test.example>\r\nRCPT TO:<good@test.example>\r\nDATA\r\n", "one\r\n.\r\n"}, "250 250 550 250 354 250", 1},
		{"P29 only bad recipients, at once", []string{"EHLO x.example\r\nMAIL FROM:<%s>\r\nRCPT TO:<bad@test.example>\r\nDATA\r\nRSET\r\nMAIL FROM:<%s>\r\nRCPT TO:<good@test.example>\r\nDATA\r\n", "one\r\n.\r\n"}, "250 250 550 554 250 250 250 354 250", 1},
		{"a second MAIL", []string{"EHLO x.example\r\nMAIL FROM:<%s>\r\nMAIL FROM:<%s>\r\nRCPT TO:<a@test.example>\r\nDATA\r\n", "one\r\n.\r\n"}, "250 250 503 250 354 250", 1},
		{"EHLO in a transaction ends it", []string{"EHLO x.example\r\nMAIL FROM:<%s>\r\nEHLO x.example\r\nRCPT TO:<a@test.example>\r\n"}, "250 250 250 503", 0},
		{"two messages at once", []string{"EHLO x.example\r\nMAIL FROM:<%s>\r\nRCPT TO:<a@test.example>\r\nDATA\r\none\r\n.\r\nMAIL FROM:<%s>\r\nRCPT TO:<a@test.example>\r\nDATA\r\ntwo\r\n.\r\n"}, "250 250 250 354 250 250 250 354 250", 2},
		{"HELP, VRFY, EXPN, ETRN", []string{"EHLO x.example\r\nHELP\r\nVRFY a\r\nEXPN a\r\nETRN a\r\n"}, "250 214 252 502 502", 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			from := fmt.Sprintf("row-%d@sender.example", i)
			c := greeted(t, source(54, i), e.at("open"))
			for _, step := range row.steps {
				if err := c.write([]byte(strings.ReplaceAll(step, "%s", from))); err != nil {
					t.Fatal(err)
				}
			}
			want := strings.Fields(row.codes)
			for i, code := range want {
				if rep, err := c.read(); err != nil || fmt.Sprint(rep.code) != code {
					t.Fatalf("answer %d of %s is %v, %v", i+1, row.codes, rep, err)
				}
			}
			expect(t, c, 221, "QUIT")
			n := 0
			for _, m := range e.c.Messages() {
				if m.From == from {
					n++
				}
			}
			if n != row.taken {
				t.Errorf("%d messages arrived, want %d", n, row.taken)
			}
		})
	}
}

// TestEdge_GreetingDelay: P26, in the clear and in TLS. Who waits is greeted, who does not is told so.
func TestEdge_GreetingDelay(t *testing.T) {
	t.Parallel()
	needWeir(t)
	ca := newAuthority(t)
	delay := []string{"greeting_delay: 400ms"}
	e := newEdge(t, ca, lane{name: "slow", listener: delay}, lane{name: "implicit", edge: ca.edge("implicit"), listener: delay})
	connect := func(t *testing.T, name, from string) *client {
		c := overConn(guestDial(t, from, e.at(name)))
		if name == "implicit" {
			return shake(t, c, ca.trusts())
		}
		return c
	}
	for i, name := range []string{"slow", "implicit"} {
		t.Run(name+": a patient sender", func(t *testing.T) {
			t.Parallel()
			from := guest{source(55, i), "patient.sender.example"}
			began := time.Now()
			c := connect(t, name, from.addr)
			if rep, err := c.read(); err != nil || rep.code != 220 {
				t.Fatalf("the greeting: %v, %v", rep, err)
			}
			if took := time.Since(began); took < 350*time.Millisecond {
				t.Errorf("greeted after %s", took)
			}
			e.hello(t, c, from)
			e.give(t, c, newMessage("patient", filler(300)))
		})
		t.Run(name+": P26 an early talker", func(t *testing.T) {
			t.Parallel()
			from := source(55, 10+i)
			c := connect(t, name, from)
			if err := c.write([]byte("EHLO early.sender.example\r\nMAIL FROM:<a@sender.example>\r\n")); err != nil {
				t.Fatal(err)
			}
			if rep, err := c.read(); err != nil || !strings.HasPrefix(rep.String(), "554 5.5.0") {
				t.Errorf("answered %v, %v", rep, err)
			}
			over(t, c)
			e.sessionEnd(t, from+":", "before the greeting")
		})
	}
}

// over wants no further octet, and the end of the connection.
func over(t *testing.T, c *client) {
	t.Helper()
	_ = c.conn.SetReadDeadline(time.Now().Add(ceiling))
	if text, err := io.ReadAll(c.r); len(text) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("it goes on: %q, %v", text, err)
	}
}

// TestEdge_ErrorLimit: P24, one by one and all at once, with good commands between.
func TestEdge_ErrorLimit(t *testing.T) {
	t.Parallel()
	needWeir(t)
	e := newEdge(t, newAuthority(t), lane{name: "strict", listener: []string{"limits: {errors: 3}"}})
	for i, row := range []struct{ name, said, codes string }{
		{"all at once", strings.Repeat("HOCUS\r\n", 1000), "500 500 500 421"},
		{"sequence errors at once", "EHLO x.example\r\n" + strings.Repeat("DATA\r\n", 1000), "250 503 503 503 421"},
		{"good ones between", "NOOP\r\nHOCUS\r\nNOOP\r\nHOCUS\r\nRSET\r\nHOCUS\r\nNOOP\r\nHOCUS\r\nNOOP\r\n", "250 500 250 500 250 500 421"},
		{"lines too long", strings.Repeat("NOOP "+strings.Repeat("x", 5000)+"\r\n", 6), "500 500 500 421"},
		{"P24 HTTP", "GET / HTTP/1.1\r\nHost: mx.example\r\n\r\n", ""},
		{"P24 HTTP POST", "POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nEHLO x.example\r\nMAIL FROM:<a@b.example>\r\n", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c := greeted(t, source(56, i), e.at("strict"))
			wrote := make(chan error, 1)
			go func() { wrote <- c.write([]byte(row.said)) }() // nobody may read all of it
			defer func() { <-wrote }()
			for i, code := range strings.Fields(row.codes) {
				if rep, err := c.read(); err != nil || fmt.Sprint(rep.code) != code {
					t.Fatalf("answer %d of %s is %v, %v", i+1, row.codes, rep, err)
				}
			}
			overOrRefused(t, c)
			line := e.sessionEnd(t, source(56, i)+":")
			t.Logf("the log's reason: %s", line.str("reason"))
		})
	}
}

// overOrRefused wants the end of the connection, behind one last refusal at the most.
func overOrRefused(t *testing.T, c *client) {
	t.Helper()
	rep, err := c.read()
	if err == nil && rep.class() < 4 {
		t.Errorf("it goes on with %v", rep)
	}
	over(t, c)
}
