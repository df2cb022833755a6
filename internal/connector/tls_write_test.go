package connector

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"weir/internal/smtp"
)

const tenMB = 10 << 20

// content is ten million octets that tell where they are from.
func content() []byte {
	body := make([]byte, 0, tenMB)
	for i := 0; len(body) < tenMB; i++ {
		body = append(body, byte(i), byte(i>>8), byte(i>>16), '\n')
	}
	return body
}

// readPart reads n octets slowly enough for the writer to have to wait.
func readPart(c net.Conn, into *bytes.Buffer, n int) error {
	_, err := io.CopyN(into, c, int64(n))
	<-time.After(short)
	return err
}

// Session tickets make the socket readable, in the middle of the content too. They
// are no early answer, whole or in pieces (P28).
func TestTicketsAreNoAnswer(t *testing.T) {
	body := content()
	var got bytes.Buffer
	c, ended := underTLS(t, func(s *tls.Conn, g *gate) error {
		if err := readPart(s, &got, 1<<20); err != nil {
			return err
		}
		if err := g.open(); err != nil {
			return err
		}
		if err := readPart(s, &got, tenMB-1<<20); err != nil {
			return err
		}
		_, err := io.WriteString(s, "250 2.0.0 taken\r\n")
		return errors.Join(err, untilEnd(s))
	})
	narrow(t, c)
	n, early, err := c.Write(body, ample, later())
	if n != len(body) || early || err != nil {
		t.Fatalf("%d of %d octets, early %v, %v", n, len(body), early, err)
	}
	var reply smtp.Reply
	if err := c.ReadReply(&reply, later()); err != nil || reply.Code != 250 {
		t.Errorf("%s, %v", &reply, err)
	}
	c.HangUp(later())
	wantEnd(t, ended, nil)
	if !bytes.Equal(got.Bytes(), body) {
		t.Errorf("%d octets arrived of %d, or others", got.Len(), len(body))
	}
}

// untilEnd reads to the end, which must be one that TLS knows of.
func untilEnd(c net.Conn) error {
	_, err := io.Copy(io.Discard, c)
	return err
}

// Late tickets do not make a connection look as if it had spoken; words and
// close_notify do.
func TestLookUnderTLS(t *testing.T) {
	say, bye := make(chan struct{}), make(chan struct{})
	ticketed := make(chan struct{})
	c, ended := underTLS(t, func(s *tls.Conn, g *gate) error {
		if err := g.open(); err != nil {
			return err
		}
		close(ticketed)
		<-say
		if _, err := io.WriteString(s, "421 4.3.2 going down\r\n"); err != nil {
			return err
		}
		<-bye
		return errors.Join(s.CloseWrite(), untilEnd(s))
	})
	if c.Look() != smtp.Quiet {
		t.Error("a new connection is not quiet")
	}
	<-ticketed
	if got := c.Look(); got != smtp.Quiet {
		t.Errorf("with tickets it looks like %d", got)
	}
	close(say)
	waitFor(t, c, smtp.Spoke)
	var reply smtp.Reply
	if err := c.ReadReply(&reply, later()); err != nil || reply.Code != 421 || c.Look() != smtp.Quiet {
		t.Errorf("%s, %v, then it looks like %d", &reply, err, c.Look())
	}
	close(bye)
	waitFor(t, c, smtp.Closed)
	c.HangUp(later())
	wantEnd(t, ended, nil)
}

// Two replies in one record: the second is in memory only, and still to be seen.
func TestLookSeesWhatTLSHolds(t *testing.T) {
	c, _ := underTLS(t, func(s *tls.Conn, g *gate) error {
		if err := g.open(); err != nil {
			return err
		}
		_, err := s.Write(append([]byte("250 one\r\n250-"), append(bytes.Repeat([]byte("x"), 900), "\r\n250 end\r\n"...)...))
		return errors.Join(err, untilEnd(s))
	})
	var reply smtp.Reply
	if err := c.ReadReply(&reply, later()); err != nil || c.Look() != smtp.Spoke {
		t.Errorf("%v, then it looks like %d", err, c.Look())
	}
}

// A connector that speaks or goes in the middle of the content is heard at once,
// under TLS too (P28).
func TestWriteUnderTLSHears(t *testing.T) {
	ends := map[string]struct {
		say  func(s *tls.Conn) error
		code int
	}{
		"a refusal": {func(s *tls.Conn) error {
			_, err := io.WriteString(s, "552 5.3.4 that is enough\r\n")
			return err
		}, 552},
		"close_notify": {(*tls.Conn).CloseWrite, 0},
		"an end":       {func(s *tls.Conn) error { return s.NetConn().(*gate).Conn.(*net.TCPConn).CloseWrite() }, 0},
		"a reset": {func(s *tls.Conn) error {
			tcp := s.NetConn().(*gate).Conn.(*net.TCPConn)
			return errors.Join(tcp.SetLinger(0), tcp.Close())
		}, 0},
	}
	body := content()
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			c, _ := underTLS(t, func(s *tls.Conn, g *gate) error {
				if _, err := io.CopyN(io.Discard, s, 1<<20); err != nil {
					return err
				}
				if err := errors.Join(g.open(), end.say(s)); err != nil {
					return err
				}
				hold(t)
				return nil
			})
			narrow(t, c)
			n, early, err := c.Write(body, ample, later())
			if n == len(body) || !early && err == nil || IsTimeout(err) {
				t.Fatalf("%d of %d octets, early %v, %v", n, len(body), early, err)
			}
			var reply smtp.Reply
			if err := c.ReadReply(&reply, later()); (err == nil) != (end.code != 0) || reply.Code != end.code || IsTimeout(err) {
				t.Errorf("%s, %v", &reply, err)
			}
		})
	}
}

// A connector that takes nothing more is given up, and what is counted is what it
// can read.
func TestWriteUnderTLSWithoutProgress(t *testing.T) {
	count := make(chan int64, 1)
	goOn := make(chan struct{})
	c, _ := underTLS(t, func(s *tls.Conn, _ *gate) error {
		<-goOn
		n, err := io.Copy(io.Discard, s)
		count <- n
		return err
	})
	narrow(t, c)
	n, early, err := c.Write(content(), short, later())
	if n == 0 || n >= tenMB || early || !IsTimeout(err) {
		t.Errorf("%d octets, early %v, %v", n, early, err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	close(goOn)
	if got := <-count; got != int64(n) {
		t.Errorf("%d octets could be read, %d were counted", got, n)
	}
}

// The deadlines with which content was written are nobody else's.
func TestCommandsBehindContentUnderTLS(t *testing.T) {
	c, ended := underTLS(t, func(s *tls.Conn, g *gate) error {
		if _, err := io.CopyN(io.Discard, s, tenMB); err != nil {
			return err
		}
		if err := g.open(); err != nil {
			return err
		}
		return errors.Join(play(s, "> 250 taken", "< RSET", "> 250 again", "< QUIT", "> 221 bye"), untilEnd(s))
	})
	narrow(t, c)
	if n, early, err := c.Write(content(), patience, later()); n != tenMB || early || err != nil {
		t.Fatalf("%d octets, early %v, %v", n, early, err)
	}
	var reply smtp.Reply
	if err := c.ReadReply(&reply, later()); err != nil || reply.Code != 250 || c.Look() != smtp.Quiet {
		t.Errorf("%s, %v", &reply, err)
	}
	if err := c.Do("RSET", &reply, later()); err != nil || reply.Code != 250 {
		t.Errorf("%s, %v", &reply, err)
	}
	c.Quit(later())
	wantEnd(t, ended, nil)
}
