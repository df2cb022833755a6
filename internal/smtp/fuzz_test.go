package smtp

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"
)

// Fuzz targets hold the codec to its rules for input that nobody thought of. The
// kept corpus is under testdata/fuzz; the seeds here are what real peers send.

func FuzzCommand(f *testing.F) {
	for path := range paths() {
		f.Add([]byte("MAIL FROM:" + path + " SIZE=42 BODY=8BITMIME"))
		f.Add([]byte("rcpt to:" + path))
	}
	for params := range mailParams() {
		f.Add([]byte("MAIL FROM:<a@b> " + params))
	}
	for _, params := range badMailParams() {
		f.Add([]byte("MAIL FROM:<a@b> " + params))
	}
	for params := range rcptParams() {
		f.Add([]byte("RCPT TO:<m\xc3\xbc@b> " + params))
	}
	for _, path := range badPaths() {
		f.Add([]byte("RCPT TO:" + path))
	}
	for _, line := range []string{"BDAT 42 LAST", "EHLO [IPv6:2001:db8::1]", "GET / HTTP/1.1", "NOOP\t", "MAIL FROM:<> =", "\x16\x03\x01"} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		cmd, ok := ParseCommand(line)
		if ok == hasControl(line) {
			t.Fatalf("%q is a command: %v", line, ok)
		}
		if !ok {
			cmd.Arg = line // who calls the parsers directly must be safe, too
		}
		checkMail(t, cmd.Arg)
		checkRcpt(t, cmd.Arg)
		if chunk, ok := ParseBdat(cmd.Arg); chunk.Size < 0 || !ok && chunk.Last {
			t.Fatalf("BDAT %q: %+v, %v", cmd.Arg, chunk, ok)
		}
		if name, ok := ParseHello(cmd.Arg); ok && (name == "" || len(name) > 255 || strings.ContainsAny(name, " \t()<>\"\\")) {
			t.Fatalf("EHLO %q is from %q", cmd.Arg, name)
		}
	})
}

// checkLine checks that a line made anew is one line for everybody (P38), not
// longer than a line may be (P24), and in ASCII unless SMTPUTF8 was asked for.
func checkLine(t failer, from, line []byte, unicode bool) []byte {
	t.Helper()
	text, ok := bytes.CutSuffix(line, crlf)
	if !ok || hasControl(text) || !unicode && !isASCII(text) || !utf8.Valid(text) {
		t.Fatalf("%q became %q", from, line)
	}
	if len(line) > 2048 {
		t.Fatalf("%q became a line of %d octets", from, len(line))
	}
	cmd, ok := ParseCommand(text)
	if !ok {
		t.Fatalf("%q became %q, which is no command", from, line)
	}
	return cmd.Arg
}

func checkRefusal(t failer, arg []byte, err error) {
	t.Helper()
	var e *SyntaxError
	if !errors.As(err, &e) || e.Code < 500 || e.Code > 599 || e.Enhanced.Class != 5 {
		t.Fatalf("%q: %v", arg, err)
	}
}

func checkMail(t failer, arg []byte) {
	t.Helper()
	m, err := ParseMail(arg, wholeOffer)
	if err != nil {
		checkRefusal(t, arg, err)
		return
	}
	line := m.Append(nil)
	if again, err := ParseMail(checkLine(t, arg, line, m.UTF8), wholeOffer); err != nil || again != m {
		t.Fatalf("%q is %+v, and %q made of it is %+v, %v", arg, m, line, again, err)
	}
	// A connector that offers what is needed can take what was made for it.
	line = m.AppendFor(nil, m.Needs(), 0)
	if again, err := ParseMail(checkLine(t, arg, line, m.UTF8), m.Needs()); err != nil || again.Needs() != m.Needs() {
		t.Fatalf("%q made for who offers enough is %q, %v", arg, line, err)
	}
	if m.UTF8 {
		return
	}
	line = m.AppendFor(nil, 0, 0)
	if again, err := ParseMail(checkLine(t, arg, line, false), 0); err != nil || again != (Mail{From: m.From}) {
		t.Fatalf("%q made for who offers nothing is %q, %v", arg, line, err)
	}
}

func checkRcpt(t failer, arg []byte) {
	t.Helper()
	r, err := ParseRcpt(arg, wholeOffer)
	if err != nil {
		checkRefusal(t, arg, err)
		return
	}
	for _, offered := range []Extensions{wholeOffer, WithDSN} {
		unicode := offered.has(WithUTF8) || !isASCII([]byte(r.To))
		line := r.AppendFor(nil, offered)
		again, err := ParseRcpt(checkLine(t, arg, line, unicode), wholeOffer)
		if err != nil || again != r {
			t.Fatalf("%q is %+v, and %q made of it is %+v, %v", arg, r, line, again, err)
		}
	}
	line := AppendRcpt(nil, r.To)
	if again, err := ParseRcpt(checkLine(t, arg, line, true), WithUTF8); err != nil || again.To != r.To {
		t.Fatalf("%q made without parameters is %q, %v", arg, line, err)
	}
}

func FuzzReply(f *testing.F) {
	for _, in := range []string{
		"250 2.1.0 Ok\r\n", "250-mx\r\n250-SIZE 10\r\n250 HELP\r\n", "250\n", "354 go\r\n", "550-5.7.1 No\r\n550 5.7.1 thanks\r\n",
		"250-a\r\n251 b\r\n", "550 5\x00.7.1 No\r\n", "\x00\xff\x16\x03\x01*** not SMTP at all ***\x80\x7f\r\n",
	} {
		f.Add([]byte(in), uint64(1))
	}
	f.Fuzz(func(t *testing.T, in []byte, cuts uint64) {
		var reply, split Reply
		err := readerOf(string(in)).ReadReply(&reply)
		errSplit := NewReader(&inPieces{in, cutBySeed(cuts)}, new(Buffers)).ReadReply(&split)
		if (err == nil) != (errSplit == nil) || err == nil && reply.String() != split.String() {
			t.Fatalf("%q: %s, %v; and split %s, %v", in, &reply, err, &split, errSplit)
		}
		if err != nil {
			if !errors.Is(err, ErrReplySyntax) && !errors.Is(err, io.EOF) {
				t.Fatalf("%q: %v", in, err)
			}
			return
		}
		checkReply(t, in, &reply)
	})
}

// checkReply checks the bounds of a reply (P27), and that it can be sent on.
func checkReply(t *testing.T, in []byte, reply *Reply) {
	t.Helper()
	lines := reply.Lines()
	if reply.Class() < 2 || reply.Class() > 5 || len(lines) > maxReplyLines {
		t.Fatalf("%q: code %d, %d lines", in, reply.Code, len(lines))
	}
	for _, line := range lines {
		if len(line) > maxReplyLine || hasControl([]byte(line)) {
			t.Fatalf("%q: line %q", in, line)
		}
	}
	if e := reply.Enhanced; e != (EnhancedCode{}) && int(e.Class) != reply.Class() {
		t.Fatalf("%q: code %d with %s", in, reply.Code, e)
	}
	if len(in) > maxReplyLine/2 {
		return // the enhanced code on each line may make one too long
	}
	wire := reply.Append(nil, false)
	var again Reply
	if err := readerOf(string(wire)).ReadReply(&again); err != nil || again.Code != reply.Code || again.Enhanced != reply.Enhanced {
		t.Fatalf("%q is %s, sent on as %q, which is %s, %v", in, reply, wire, &again, err)
	}
	for i, line := range again.Lines() { // blanks may go with the enhanced code in front of them
		if strings.TrimLeft(line, " ") != strings.TrimLeft(lines[i], " ") {
			t.Fatalf("%q: line %q, sent on as %q, is %q", in, lines[i], wire, line)
		}
	}
}

func FuzzScanner(f *testing.F) {
	for _, form := range endForms() {
		f.Add([]byte("a"+form+"b\r\n.\r\nQUIT\r\n"), uint64(1))
		f.Add([]byte(strings.Repeat("abcdefg\r\n", alike+1)+"a"+form+"\r\n.\r\n"), uint64(3))
		f.Add([]byte(form), uint64(2))
	}
	f.Fuzz(func(t *testing.T, in []byte, cuts uint64) {
		checkSafe(t, checkScan(t, in, cutBySeed(cuts)))
		checkInPlace(t, in, func() cutter { return cutBySeed(cuts) })
	})
}

func FuzzNormalizer(f *testing.F) {
	for _, form := range endForms() {
		f.Add([]byte("a"+form+"b"), uint64(1))
		f.Add([]byte(form), uint64(2))
	}
	f.Fuzz(func(t *testing.T, in []byte, cuts uint64) { checkBDAT(t, in, cutBySeed(cuts)) })
}

func FuzzReader(f *testing.F) {
	f.Add([]byte("EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"), uint64(1))
	f.Add([]byte("NOOP\nQUIT\r\nRSET\r\n"), uint64(2))
	f.Add([]byte(strings.Repeat("x", 100)+"\r\nQUIT\r\n"), uint64(3))
	f.Add([]byte(strings.Repeat("x", 100)+"\nQUIT\r\n"), uint64(4))
	f.Fuzz(func(t *testing.T, in []byte, cuts uint64) {
		const limit = 40
		cut := cutBySeed(cuts)
		if !bytes.Contains(bytes.ReplaceAll(in, crlf, nil), []byte{'\n'}) {
			checkCommands(t, in, limit, cut)
			return
		}
		// Where lines with a bare LF end depends on what has come already, but
		// nothing is heard that is no line.
		conn := &inPieces{in, cut}
		heard, err := dialogue(NewReader(conn, new(Buffers)), limit)
		if !errors.Is(err, io.EOF) || len(conn.p) > 0 {
			t.Fatalf("%q: %v, %q unread", in, err, conn.p)
		}
		for _, line := range heard {
			if strings.Contains(line, "\n") || len(line) > limit-2 {
				t.Fatalf("%q: heard %q", in, line)
			}
		}
	})
}
