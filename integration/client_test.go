package integration

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/textproto"
	"strconv"
	"strings"
	"time"
)

// reply is one SMTP reply, as the sender sees it.
type reply struct {
	code  int
	lines []string // without the code
}

func (r reply) text() string { return strings.Join(r.lines, "\n") }

func (r reply) String() string { return fmt.Sprintf("%d %s", r.code, r.text()) }

// class is the first digit.
func (r reply) class() int { return r.code / 100 }

// client is a raw SMTP sender: it shows every reply and sends exactly the octets it is given.
type client struct {
	conn net.Conn
	r    *bufio.Reader
	caps map[string]string // of the last EHLO: keyword to parameters

	// patience is the deadline of each read and write; the sender's own clock.
	patience time.Duration

	heard func(reply) // is told every reply; may be nil
}

// dialSMTP connects, reads the greeting and says EHLO.
func dialSMTP(addr string) (*client, error) {
	c, greeting, err := dialRaw(addr)
	if err != nil {
		return nil, err
	}
	if greeting.code != 220 {
		c.close()
		return nil, &replyError{"greeting", greeting}
	}
	if err := c.ehlo(); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// dialRaw connects and reads the greeting, whatever it is.
func dialRaw(addr string) (*client, reply, error) {
	conn, err := net.DialTimeout("tcp", addr, 10*time.Second)
	if err != nil {
		return nil, reply{}, fmt.Errorf("dialing %s: %w", addr, err)
	}
	c := &client{conn: conn, r: bufio.NewReader(conn), patience: 90 * time.Second}
	greeting, err := c.read()
	if err != nil {
		c.close()
		return nil, reply{}, fmt.Errorf("reading the greeting: %w", err)
	}
	return c, greeting, nil
}

func (c *client) close() { _ = c.conn.Close() }

// quit leaves politely.
func (c *client) quit() {
	_, _ = c.cmd("QUIT")
	c.close()
}

// write sends octets as they are.
func (c *client) write(p []byte) error {
	_ = c.conn.SetWriteDeadline(time.Now().Add(c.patience))
	_, err := c.conn.Write(p)
	return err
}

// read reads one reply, of one or of several lines.
func (c *client) read() (reply, error) {
	_ = c.conn.SetReadDeadline(time.Now().Add(c.patience))
	var rep reply
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return rep, err
		}
		line = strings.TrimRight(line, "\r\n")
		code, err := strconv.Atoi(line[:min(3, len(line))])
		if err != nil {
			return rep, fmt.Errorf("malformed reply %q", line)
		}
		rep.code = code
		rep.lines = append(rep.lines, line[min(4, len(line)):])
		if len(line) < 4 || line[3] != '-' {
			if c.heard != nil {
				c.heard(rep)
			}
			return rep, nil
		}
	}
}

// cmd sends one command line and reads its reply.
func (c *client) cmd(format string, args ...any) (reply, error) {
	if err := c.write(fmt.Appendf(nil, format+"\r\n", args...)); err != nil {
		return reply{}, err
	}
	return c.read()
}

// ehlo says EHLO and takes down what is offered.
func (c *client) ehlo() error {
	rep, err := c.cmd("EHLO sender.test.example")
	if err != nil {
		return fmt.Errorf("EHLO: %w", err)
	}
	if rep.code != 250 {
		return &replyError{"EHLO", rep}
	}
	c.caps = map[string]string{}
	for _, l := range rep.lines[1:] {
		word, rest, _ := strings.Cut(l, " ")
		c.caps[strings.ToUpper(word)] = rest
	}
	return nil
}

// offers says whether the last EHLO offered an extension.
func (c *client) offers(extension string) bool {
	_, ok := c.caps[extension]
	return ok
}

// replyError is a reply that ended a transaction, with the stage it came at.
type replyError struct {
	stage string
	reply reply
}

func (e *replyError) Error() string { return e.stage + ": " + e.reply.String() }

// envelope sends MAIL and RCPTs one by one. Every recipient must be taken.
func (c *client) envelope(m *message) error {
	rep, err := c.cmd("%s", m.mailLine())
	if err == nil && rep.class() != 2 {
		err = &replyError{"MAIL", rep}
	}
	if err != nil {
		return err
	}
	for _, to := range m.to {
		rep, err := c.cmd("RCPT TO:<%s>", to)
		if err == nil && rep.class() != 2 {
			err = &replyError{"RCPT", rep}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sendData sends a message with DATA, one command at a time, and returns the reply to the final dot.
func (c *client) sendData(m *message) (reply, error) {
	if err := c.envelope(m); err != nil {
		return reply{}, err
	}
	rep, err := c.cmd("DATA")
	if err != nil {
		return reply{}, err
	}
	if rep.code != 354 {
		return rep, &replyError{"DATA", rep}
	}
	return c.finish(m.stuffed())
}

// finish writes the last of the content and reads the final reply.
func (c *client) finish(p []byte) (reply, error) {
	if err := c.write(p); err != nil {
		return reply{}, err
	}
	rep, err := c.read()
	if err == nil && rep.class() != 2 {
		err = &replyError{"final_dot", rep}
	}
	return rep, err
}

// sendPipelined sends MAIL, RCPTs and DATA as one group (RFC 2920). Groups of many recipients are written while the
// replies are read, because neither side has to buffer them all.
func (c *client) sendPipelined(m *message) (reply, error) {
	var group bytes.Buffer
	group.WriteString(m.mailLine() + "\r\n")
	for _, to := range m.to {
		group.WriteString("RCPT TO:<" + to + ">\r\n")
	}
	group.WriteString("DATA\r\n")
	wrote := make(chan error, 1)
	go func() { wrote <- c.write(group.Bytes()) }()
	failed := c.readGroup(len(m.to) + 1)
	last, err := c.read()
	if err := <-wrote; err != nil {
		return reply{}, err
	}
	switch {
	case err != nil:
		return reply{}, err
	case last.code != 354:
		if failed != nil {
			return last, failed
		}
		return last, &replyError{"DATA", last}
	}
	return c.finish(m.stuffed())
}

// readGroup reads n replies and returns the first that is not a 2xx.
func (c *client) readGroup(n int) error {
	var first error
	for i := range n {
		rep, err := c.read()
		if err == nil && rep.class() != 2 {
			err = &replyError{[]string{"MAIL", "RCPT"}[min(i, 1)], rep}
		}
		if err != nil && first == nil {
			first = err
		}
	}
	return first
}

// sendBDAT sends the content in chunks of the given size, pipelined behind the envelope's answers.
func (c *client) sendBDAT(m *message, chunk int) (reply, error) {
	if err := c.envelope(m); err != nil {
		return reply{}, err
	}
	for rest := m.raw; ; {
		n := min(chunk, len(rest))
		head := fmt.Sprintf("BDAT %d\r\n", n)
		if last := n == len(rest); last {
			return c.finish(append([]byte(fmt.Sprintf("BDAT %d LAST\r\n", n)), rest...))
		}
		if err := c.write(append([]byte(head), rest[:n]...)); err != nil {
			return reply{}, err
		}
		rep, err := c.read()
		if err == nil && rep.class() != 2 {
			err = &replyError{"BDAT", rep}
		}
		if err != nil {
			return rep, err
		}
		rest = rest[n:]
	}
}

// dotStuff makes content ready for DATA: stuffed, ended, terminated.
func dotStuff(content []byte) []byte {
	var b bytes.Buffer
	w := textproto.NewWriter(bufio.NewWriter(&b))
	d := w.DotWriter()
	_, _ = d.Write(content)
	_ = d.Close()
	return b.Bytes()
}
