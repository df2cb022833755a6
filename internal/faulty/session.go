package faulty

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// errEnd ends a session from within; the connection is closed by whoever runs it.
var errEnd = errors.New("session ended")

// maxLine bounds a command line: room for any path and parameters, and no more.
const maxLine = 8 << 10

// session is one connection. Only its own goroutine touches it, but for cut.
type session struct {
	srv  *Server
	id   int
	conn *net.TCPConn
	r    *bufio.Reader
	w    *bufio.Writer

	ctx    context.Context // ends when the connection is cut
	cancel context.CancelFunc

	greeted      bool // EHLO or HELO was accepted
	extended     bool // EHLO was
	secure       bool // under TLS
	caps         Capabilities
	transactions int
	tx           transaction
}

type transaction struct {
	open    bool
	from    string
	params  string
	to      []string
	asking  string // the argument that is being judged now
	via     string
	content []byte
	replied bool // an early reply was given: nothing more is said at the end
	failed  bool // a BDAT chunk was refused
	fired   bool // the body fault was used
	read    int  // octets of content read
}

func newSession(srv *Server, c *net.TCPConn, id int) *session {
	s := &session{srv: srv, id: id, conn: c, r: bufio.NewReaderSize(c, 32<<10), w: bufio.NewWriterSize(c, 4<<10)}
	s.ctx, s.cancel = context.WithCancel(srv.ctx)
	return s
}

// cut ends the connection from any goroutine.
func (s *session) cut(reset bool) {
	s.cancel()
	if reset {
		_ = s.conn.SetLinger(0)
	}
	_ = s.conn.Close()
}

func (s *session) event(format string, args ...any) {
	if !s.srv.log.forgetDialog {
		s.srv.log.line(s.id, "("+fmt.Sprintf(format, args...)+")")
	}
}

func (s *session) improper(what string) {
	s.srv.log.improper.Add(1)
	s.event("improper: %s", what)
}

// run is the whole dialogue. It returns errEnd when the end is our doing.
func (s *session) run() error {
	s.event("connected")
	err := s.prepare()
	if err == nil {
		err = s.greet()
	}
	for err == nil {
		var line string
		if line, err = s.command(); err == nil {
			err = s.obey(line)
		}
	}
	_ = s.w.Flush()
	return err
}

func (s *session) greet() error {
	if f := s.take(Connect, 0); f != nil {
		if _, err := s.perform(f, ""); err != nil {
			return err
		}
	}
	banner := s.srv.behaviour.Load().Banner
	if banner == "" {
		banner = "220 " + s.srv.name + " ESMTP faulty"
	}
	_, err := s.answer(Banner, banner)
	return err
}

// command reads the next line. Replies so far are written first when nothing more is waiting: a pipelined group is
// answered in one piece.
func (s *session) command() (string, error) {
	if s.r.Buffered() == 0 {
		if err := s.w.Flush(); err != nil {
			return "", err
		}
	}
	line, err := s.line()
	if err != nil {
		return "", err
	}
	s.srv.log.commands.Add(1)
	s.srv.log.line(s.id, line)
	if s.r.Buffered() > 0 && !(s.extended && s.caps.Pipelining) && !strings.HasPrefix(strings.ToUpper(line), "BDAT") {
		s.improper("pipelined without PIPELINING")
	}
	return line, nil
}

// line reads up to LF, which is what lenient servers do; the end of a line that is too long is thrown away.
func (s *session) line() (string, error) {
	var b []byte
	for {
		part, err := s.r.ReadSlice('\n')
		if len(b) < maxLine {
			b = append(b, part...)
		}
		if err == nil {
			return strings.TrimRight(string(b), "\r\n"), nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return "", err
		}
	}
}

// answer says the normal reply of a stage unless a fault wants otherwise, and returns the code that was said: 0 for none.
func (s *session) answer(stage Stage, normal string) (int, error) {
	if f := s.take(stage, 0); f != nil {
		return s.perform(f, normal)
	}
	return codeOf(normal), s.say(normal)
}

// perform does what a fault says.
func (s *session) perform(f *armedFault, normal string) (int, error) {
	s.event("fault at %s", f.Stage)
	if err := s.wait(f.Delay); err != nil {
		return 0, err
	}
	if f.Do == Answer {
		reply := f.Reply
		if reply == "" {
			reply = normal
		}
		return codeOf(reply), s.sayInPieces(reply, f.Pause)
	}
	if err := s.w.Flush(); err != nil { // what was said before the fault has been said
		return 0, err
	}
	return 0, s.misbehave(f.Do, normal)
}

func (s *session) misbehave(do Action, normal string) error {
	switch do {
	case Mute:
		_, _ = io.Copy(io.Discard, s.r)
		return io.EOF
	case Reset:
		s.cut(true)
	case Garbage:
		_, err := s.w.WriteString("\x00\xff\x16\x03\x01*** not SMTP at all ***\x80\x7f\r\n")
		return err
	case Endless:
		return s.talkForEver(codeOf(normal))
	case StopReading:
		<-s.ctx.Done()
	case Drop: // whoever runs the session closes
	}
	return errEnd
}

func (s *session) talkForEver(code int) error {
	if code == 0 {
		code = 250
	}
	block := []byte(strings.Repeat(fmt.Sprintf("%03d-there is always something more to say\r\n", code), 64))
	for {
		if _, err := s.conn.Write(block); err != nil {
			return err
		}
	}
}

// say writes a reply whose lines are parted by \n. A 421 also closes, as it does with every server.
func (s *session) say(reply string) error {
	if reply == "" {
		return nil
	}
	s.queue(reply)
	if codeOf(reply) == 421 {
		return s.leave()
	}
	return nil
}

func (s *session) queue(reply string) {
	for line := range strings.SplitSeq(reply, "\n") {
		_, _ = s.w.WriteString(line) // the writer keeps its error for Flush
		_, _ = s.w.WriteString("\r\n")
	}
}

func (s *session) sayInPieces(reply string, pause time.Duration) error {
	if pause <= 0 {
		return s.say(reply)
	}
	whole := strings.ReplaceAll(reply, "\n", "\r\n") + "\r\n"
	half := len(whole) / 2
	_, _ = s.w.WriteString(whole[:half])
	if err := s.w.Flush(); err != nil {
		return err
	}
	if err := s.wait(pause); err != nil {
		return err
	}
	_, _ = s.w.WriteString(whole[half:])
	return s.w.Flush()
}

// leave closes so that the last reply arrives: closing with unread input would send RST, which destroys it on its way.
func (s *session) leave() error {
	if err := s.w.Flush(); err != nil {
		return err
	}
	_ = s.conn.CloseWrite()
	s.event("said goodbye")
	_ = s.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	_, _ = io.Copy(io.Discard, s.r)
	return errEnd
}

func (s *session) wait(d time.Duration) error {
	if d <= 0 {
		return nil
	}
	if err := s.w.Flush(); err != nil {
		return err
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-s.ctx.Done():
		return errEnd
	}
}

func codeOf(reply string) int {
	last := reply[strings.LastIndexByte(reply, '\n')+1:]
	if len(last) < 3 {
		return 0
	}
	code := 0
	for _, c := range []byte(last[:3]) {
		if c < '0' || c > '9' {
			return 0
		}
		code = code*10 + int(c-'0')
	}
	return code
}
