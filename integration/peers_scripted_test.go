package integration

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// scripted is a connector that says what it is told to, where no real server at hand does what a test needs. It takes all
// mail but what its script refuses.
type scripted struct {
	tls     *tls.Config       // TLS from the first octet on; nil: plaintext
	offers  []string          // keywords of EHLO
	answers map[string]string // by the beginning of a command, without CRLF

	addr  string
	conns sync.WaitGroup

	mu      sync.Mutex
	open    map[net.Conn]bool
	ended   bool
	heard   []string
	content [][]byte
}

// start listens, for as long as the test runs.
func (s *scripted) start(t *testing.T) *scripted {
	t.Helper()
	ln, err := net.Listen("tcp", freeAddr(t))
	if err != nil {
		t.Fatalf("listening: %v", err)
	}
	if s.addr = ln.Addr().String(); s.tls != nil {
		ln = tls.NewListener(ln, s.tls)
	}
	s.open = map[net.Conn]bool{}
	s.conns.Go(func() { s.accept(ln) })
	t.Cleanup(func() { s.stop(ln) })
	return s
}

func (s *scripted) stop(ln net.Listener) {
	_ = ln.Close()
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.drop()
	s.conns.Wait()
}

// drop closes all connections.
func (s *scripted) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.open {
		_ = conn.Close()
	}
}

func (s *scripted) accept(ln net.Listener) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.ended {
			s.mu.Unlock()
			_ = conn.Close()
			return
		}
		s.open[conn] = true
		s.mu.Unlock()
		s.conns.Go(func() { s.serve(conn) })
	}
}

func (s *scripted) serve(conn net.Conn) {
	defer func() {
		_ = conn.Close()
		s.mu.Lock()
		delete(s.open, conn)
		s.mu.Unlock()
	}()
	r := bufio.NewReader(conn)
	say := func(text string) { _, _ = io.WriteString(conn, strings.ReplaceAll(text, "\n", "\r\n")+"\r\n") }
	say("220 scripted.test.example ESMTP")
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		content, err := s.contentOf(r, line, say)
		if err != nil {
			return
		}
		s.note(line, content)
		say(s.answer(line))
		if strings.EqualFold(line, "QUIT") {
			return
		}
	}
}

// contentOf reads the content that a command brings with it: the chunk of BDAT, or what follows DATA.
func (s *scripted) contentOf(r *bufio.Reader, line string, say func(string)) (content []byte, err error) {
	fields := strings.Fields(strings.ToUpper(line))
	switch {
	case len(fields) > 1 && fields[0] == "BDAT":
		n, err := strconv.Atoi(fields[1])
		if err != nil {
			return nil, err
		}
		content = make([]byte, n)
		_, err = io.ReadFull(r, content)
		return content, err
	case len(fields) == 1 && fields[0] == "DATA":
		say("354 go on")
		for !strings.HasSuffix("\r\n"+string(content), "\r\n.\r\n") {
			part, err := r.ReadBytes('\n')
			if err != nil {
				return nil, err
			}
			content = append(content, part...)
		}
	}
	return content, nil
}

// answer is the script's answer to a command, or that of a server which takes everything.
func (s *scripted) answer(line string) string {
	for begin, text := range s.answers {
		if strings.HasPrefix(strings.ToUpper(line), begin) {
			return text
		}
	}
	verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
	switch verb {
	case "EHLO", "LHLO":
		return "250-" + strings.Join(append([]string{"scripted.test.example"}, s.offers...), "\n250-") + "\n250 HELP"
	case "XCLIENT":
		return "220 scripted.test.example ESMTP"
	case "QUIT":
		return "221 2.0.0 bye"
	default:
		return "250 2.0.0 fine"
	}
}

func (s *scripted) note(line string, content []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = append(s.heard, line)
	if content != nil {
		s.content = append(s.content, content)
	}
}

// told are the commands heard so far that begin so.
func (s *scripted) told(begin string) (lines []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, line := range s.heard {
		if strings.HasPrefix(strings.ToUpper(line), strings.ToUpper(begin)) {
			lines = append(lines, line)
		}
	}
	return lines
}

// taken is the content so far, chunks and messages together.
func (s *scripted) taken() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, c := range s.content {
		b.Write(c)
	}
	return b.String()
}

// mailLineOf waits for the MAIL command of a message, and returns it.
func (s *scripted) mailLineOf(t *testing.T, m *message) (line string) {
	t.Helper()
	begin := fmt.Sprintf("MAIL FROM:<%s>", m.from)
	eventually(t, ceiling, func() bool {
		lines := s.told(begin)
		if len(lines) > 0 {
			line = lines[0]
		}
		return len(lines) > 0
	}, "the connector was not told %q, but %q", begin, s.told(""))
	return line
}

// connected is how many connections are open.
func (s *scripted) connected() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}
