package balancer_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"strconv"
	"strings"

	"weir/internal/smtp"
)

// parrot is a connector that answers each command with the next line of its
// script, whatever that is: a line whose fourth octet is "-" brings the next with
// it, as a reply of several lines does; "+" in front speaks unasked, together
// with the line before; "!" closes, and so does the end of the script. It
// understands what it hears strictly.
type parrot struct {
	zoo    *zoo
	nc     net.Conn
	in     *bufio.Reader
	script []byte
	last   []byte // the last line that it said
}

func (p *parrot) live() {
	defer p.nc.Close()
	p.in = bufio.NewReader(p.nc)
	for ok := p.say(); ok; {
		line, err := p.in.ReadString('\n')
		if err != nil {
			if line != "" {
				p.blame("broken off in the command %q", line)
			}
			return
		}
		ok = p.obey(line)
	}
}

// say answers. It returns false when there is nothing more to say.
func (p *parrot) say() bool {
	var out []byte
	for {
		line, rest, whole := bytes.Cut(p.script, []byte{'\n'})
		if !whole || len(line) > 0 && line[0] == '!' {
			_, _ = p.nc.Write(append(out, line...))
			return false
		}
		p.script = rest
		p.last = line
		out = append(append(out, line...), '\n')
		unasked := len(rest) > 0 && rest[0] == '+'
		if unasked {
			p.script = rest[1:]
			p.zoo.mu.Lock()
			p.zoo.astray = true
			p.zoo.mu.Unlock()
		}
		if !unasked && (len(line) < 4 || line[3] != '-') {
			_, err := p.nc.Write(out)
			return err == nil
		}
	}
}

func (p *parrot) blame(format string, args ...any) {
	p.zoo.mu.Lock()
	astray := p.zoo.astray
	p.zoo.mu.Unlock()
	if !astray {
		p.zoo.blame("a connector was sent: "+format, args...)
	}
}

// obey takes one command, with what belongs to it.
func (p *parrot) obey(line string) bool {
	text, crlf := strings.CutSuffix(line, "\r\n")
	cmd, clean := smtp.ParseCommand([]byte(text))
	if !crlf || !clean || len(line) > 2048 {
		p.blame("%q", line)
		return false
	}
	switch cmd.Verb {
	case smtp.VerbMail:
		if _, err := smtp.ParseMail(cmd.Arg, ^smtp.Extensions(0)); err != nil {
			p.blame("%q: %v", line, err)
		}
	case smtp.VerbRcpt:
		if _, err := smtp.ParseRcpt(cmd.Arg, ^smtp.Extensions(0)); err != nil {
			p.blame("%q: %v", line, err)
		}
	case smtp.VerbData:
		if !p.say() {
			return false
		}
		return !wantsContent(p.last) || p.content()
	case smtp.VerbBdat:
		return p.chunk(string(cmd.Arg))
	case smtp.VerbQuit:
		_ = p.say()
		return false
	case smtp.VerbEHLO, smtp.VerbHELO, smtp.VerbRset:
	default:
		p.blame("%q", line)
	}
	return p.say()
}

// wantsContent reports whether a line is a 354, or the last line of one.
func wantsContent(line []byte) bool {
	code, _, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\r")), []byte(" "))
	return string(code) == "354"
}

// content reads what follows a 354: lines that end in CRLF and nothing else, and
// are stuffed.
func (p *parrot) content() bool {
	for {
		line, err := p.in.ReadBytes('\n')
		if i := bytes.IndexAny(bytes.TrimSuffix(line, []byte("\r\n")), "\r\n"); i >= 0 && (err == nil || i < len(line)-1) {
			p.blame("a bare newline in %q", line)
		}
		if err != nil {
			return false
		}
		if string(line) == ".\r\n" {
			return p.end()
		}
		if line[0] == '.' && line[1] != '.' {
			p.blame("an unstuffed %q", line)
		}
	}
}

// end answers a terminator.
func (p *parrot) end() bool {
	// Counted before it is said, or weir could have told the sender already.
	if reply := bytes.TrimLeft(p.script, "+"); len(reply) > 0 && reply[0] == '2' {
		p.zoo.mu.Lock()
		p.zoo.taken++
		p.zoo.mu.Unlock()
	}
	return p.say()
}

func (p *parrot) chunk(arg string) bool {
	number, last := strings.CutSuffix(arg, " LAST")
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		p.blame("BDAT %q", arg)
		return false
	}
	if _, err := io.CopyN(io.Discard, p.in, n); err != nil {
		return false
	}
	if last {
		return p.end()
	}
	return p.say()
}
