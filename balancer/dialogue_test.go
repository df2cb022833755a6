package balancer_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"weir/internal/faulty"
)

// TestDialogues plays the scripts in testdata. A script reads as the session it
// is:
//
//	# what it shows, with the rule
//	! pool timeouts.mail=200ms      a setting, or what a connector does; see directive
//	@second                         what follows is said by another sender, until the next @
//	< 220 mx.test ESMTP weir        the sender reads a line; * stands for anything
//	<< 250 *                        the sender reads a whole reply, whose last line this is
//	> EHLO client.test              the sender writes a line; lines in a row go out in one
//	>> .\r\n                        the same without adding CRLF; see unescape
//	flush                           the sender sends what it wrote, without waiting for an answer
//	< EOF                           weir closes
//	tls, from                       see edgeLine
//	close | half-close | reset      the sender closes, or only its sending side, or breaks off
//	= outcome delivered             what is known of the last transaction or a connector; see check
//	~ a heard 1 DATA                waits until that is so
//
// At its end a script may leave nothing behind, and no connector may have been
// talked to improperly.
func TestDialogues(t *testing.T) {
	files, err := filepath.Glob("testdata/*.smtp")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts found: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".smtp"), func(t *testing.T) {
			t.Parallel()
			play(t, file)
		})
	}
}

type player struct {
	*bench
	t       *testing.T
	started bool
	limit   int
	senders map[string]*peer
	peer    *peer // who speaks now
	offered map[string]faulty.Capabilities
	wants   map[string]faulty.Behaviour
}

// peer is a sender's end of a connection.
type peer struct {
	nc      net.Conn
	in      *bufio.Reader
	pending strings.Builder
	local   string // where it connects from; empty: anywhere
}

func play(t *testing.T, file string) {
	script, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p := &player{t: t, bench: newBench(t, "a", "b", "c", "d"), senders: map[string]*peer{}, peer: &peer{}, offered: map[string]faulty.Capabilities{}, wants: map[string]faulty.Behaviour{}}
	defer p.hangUp() // before the balancer is stopped, which would wait for them
	for i, line := range strings.Split(string(script), "\n") {
		line = strings.TrimSuffix(line, "\r")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := p.line(line); err != nil {
			t.Fatalf("%s:%d: %s\n%v%s", file, i+1, line, err, p.heard())
		}
	}
	p.hangUp()
	p.leavesNothing()
}

func (p *player) hangUp() {
	p.peer.close()
	for _, s := range p.senders {
		s.close()
	}
}

// heard shows what the connectors heard, to explain a failure.
func (p *player) heard() string {
	var b strings.Builder
	for _, name := range p.names {
		for _, l := range p.connectors[name].Transcript() {
			fmt.Fprintf(&b, "\n%s#%d %.100s", name, l.Conn, l.Text)
		}
	}
	return b.String()
}

func (p *player) line(line string) error {
	mark, rest, _ := strings.Cut(line, " ")
	if !p.started && mark != "!" {
		p.started = true
		p.start(p.limit)
	}
	switch mark {
	case "!":
		return p.directive(rest)
	case ">":
		p.peer.pending.WriteString(unescape(rest) + "\r\n")
		return nil
	case ">>":
		p.peer.pending.WriteString(unescape(rest))
		return nil
	}
	if name, ok := strings.CutPrefix(mark, "@"); ok {
		if p.senders[name] == nil {
			p.senders[name] = &peer{}
		}
		p.peer = p.senders[name]
		return nil
	}
	if err := p.peer.send(p.addr); err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	switch mark {
	case "<":
		if err := p.peer.connect(p.addr); err != nil {
			return err
		}
		return p.peer.expect(unescape(rest))
	case "<<":
		if err := p.peer.connect(p.addr); err != nil {
			return err
		}
		return p.peer.expectReply(unescape(rest))
	case "=":
		return p.check(rest)
	case "~":
		return p.await(rest)
	case "flush":
		return nil
	case "close", "half-close", "reset":
		return p.peer.leave(mark)
	}
	return p.edgeLine(mark, rest)
}

// await checks until it is so.
func (p *player) await(what string) error {
	deadline := time.Now().Add(ceiling)
	for {
		err := p.check(what)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// escapes are what cannot stand in a script as it is.
var escapes = strings.NewReplacer(`\r`, "\r", `\n`, "\n", `\t`, "\t", `\0`, "\x00", `\x16`, "\x16", `\x03`, "\x03",
	`\x01`, "\x01", `\x7f`, "\x7f", `\xff`, "\xff", `\e`, "", `\\`, `\`)

var repetition = regexp.MustCompile(`\{([^{}]*)\*(\d+)\}`)

// unescape understands \r \n \t \0 \x7f and their like, \e for nothing (where a
// line would end in a blank), and {text*100} for a hundred times text.
func unescape(s string) string {
	s = repetition.ReplaceAllStringFunc(s, func(m string) string {
		parts := repetition.FindStringSubmatch(m)
		n, _ := strconv.Atoi(parts[2])
		return strings.Repeat(parts[1], n)
	})
	return escapes.Replace(s)
}

func (s *peer) connect(addr string) error {
	if s.nc != nil {
		return nil
	}
	nc, err := dialFrom(s.local, addr)
	if err != nil {
		return err
	}
	s.nc, s.in = nc, bufio.NewReader(nc)
	return nc.SetDeadline(time.Now().Add(2 * ceiling))
}

// send sends what was written. A sender connects when it first speaks or listens.
func (s *peer) send(addr string) error {
	if s.pending.Len() == 0 {
		return nil
	}
	if err := s.connect(addr); err != nil {
		return err
	}
	defer s.pending.Reset()
	_, err := s.nc.Write([]byte(s.pending.String()))
	return err
}

func (s *peer) expect(want string) error {
	got, err := s.in.ReadString('\n')
	if want == "EOF" {
		if err == nil {
			return fmt.Errorf("got %q, want the end", got)
		}
		s.close()
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading: %w (so far %q)", err, got)
	}
	return like(strings.TrimSuffix(got, "\r\n"), want)
}

// expectReply reads to the last line of a reply.
func (s *peer) expectReply(want string) error {
	for {
		got, err := s.in.ReadString('\n')
		if err != nil {
			return fmt.Errorf("reading: %w (so far %q)", err, got)
		}
		if len(got) < 4 || got[3] != '-' {
			return like(strings.TrimSuffix(got, "\r\n"), want)
		}
	}
}

func (s *peer) leave(how string) error {
	switch how {
	case "half-close":
		return s.nc.(*net.TCPConn).CloseWrite()
	case "reset":
		if err := s.nc.(*net.TCPConn).SetLinger(0); err != nil {
			return err
		}
	}
	s.close()
	return nil
}

func (s *peer) close() {
	if s.nc != nil {
		_ = s.nc.Close()
		s.nc = nil
	}
}

// like compares with a pattern in which * stands for anything.
func like(got, want string) error {
	pattern := "(?s)^" + strings.ReplaceAll(regexp.QuoteMeta(want), `\*`, ".*") + "$"
	if !regexp.MustCompile(pattern).MatchString(got) {
		return fmt.Errorf("got  %.2000q\nwant %.2000q", got, want)
	}
	return nil
}
