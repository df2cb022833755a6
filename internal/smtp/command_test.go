package smtp

import (
	"strings"
	"testing"
)

func TestParseCommand(t *testing.T) {
	tests := []struct {
		line string
		verb Verb
		arg  string
	}{
		{"NOOP", VerbNoop, ""},
		{"noop", VerbNoop, ""},
		{"nOoP   ", VerbNoop, ""},
		{"NOOPS", VerbUnknown, ""},
		{"NOO", VerbUnknown, ""},
		{"", VerbUnknown, ""},
		{" NOOP", VerbUnknown, "NOOP"},
		{"EHLO mx.example.org", VerbEHLO, "mx.example.org"},
		{"HELO  mx", VerbHELO, "mx"},
		{"LHLO mx", VerbLHLO, "mx"},
		{"MAIL FROM:<a@b> SIZE=1 ", VerbMail, "FROM:<a@b> SIZE=1"},
		{"rcpt to:<a@b>", VerbRcpt, "to:<a@b>"},
		{"DATA", VerbData, ""},
		{"BDAT 10 LAST", VerbBdat, "10 LAST"},
		{"RSET", VerbRset, ""},
		{"QUIT", VerbQuit, ""},
		{"HELP me", VerbHelp, "me"},
		{"VRFY a", VerbVrfy, "a"},
		{"EXPN a", VerbExpn, "a"},
		{"ETRN a", VerbEtrn, "a"},
		{"TURN", VerbTurn, ""},
		{"STARTTLS", VerbStartTLS, ""},
		{"AUTH PLAIN AGEAYg==", VerbAuth, "PLAIN AGEAYg=="},
		{"XCLIENT ADDR=192.0.2.1", VerbXClient, "ADDR=192.0.2.1"},
		{"XFORWARD ADDR=192.0.2.1", VerbXForward, "ADDR=192.0.2.1"},
		{"GET / HTTP/1.1", VerbHTTP, "/ HTTP/1.1"},
		{"post / HTTP/1.1", VerbHTTP, "/ HTTP/1.1"},
		{"PRI * HTTP/2.0", VerbHTTP, "* HTTP/2.0"},
		{"H\xc9LO a", VerbUnknown, "a"},
		{"DAT\xc1", VerbUnknown, ""}, // an A with its high bit set is no A
		{"d\x21ta", VerbUnknown, ""},
	}
	for _, test := range tests {
		cmd, ok := ParseCommand([]byte(test.line))
		if !ok || cmd.Verb != test.verb || string(cmd.Arg) != test.arg {
			t.Errorf("%q: verb %d, argument %q, %v; want %d and %q", test.line, cmd.Verb, cmd.Arg, ok, test.verb, test.arg)
		}
		if got := PeekVerb([]byte(test.line)); got != test.verb {
			t.Errorf("peeking at %q: verb %d, want %d", test.line, got, test.verb)
		}
	}
}

// Every octet that is a control, anywhere in the line, spoils the command (P38).
func TestParseCommandControls(t *testing.T) {
	const line = "RCPT TO:<a@b>"
	for b := range 256 {
		for i := range len(line) + 1 {
			with := line[:i] + string([]byte{byte(b)}) + line[i:]
			_, ok := ParseCommand([]byte(with))
			if control := b < ' ' || b == 0x7f; ok == control {
				t.Errorf("%q: %v", with, ok)
			}
		}
	}
}

func TestParseBdat(t *testing.T) {
	tests := []struct {
		arg  string
		want Bdat
		ok   bool
	}{
		{"0", Bdat{}, true},
		{"10", Bdat{Size: 10}, true},
		{"0 LAST", Bdat{Last: true}, true},
		{"10 last", Bdat{Size: 10, Last: true}, true},
		{"10   LAST", Bdat{Size: 10, Last: true}, true},
		{"010", Bdat{Size: 10}, true},
		{"999999999999999999", Bdat{Size: 999999999999999999}, true},
		{"9999999999999999999", Bdat{}, false},
		{"18446744073709551626", Bdat{}, false}, // 10 to who does not see it wrap
		{"", Bdat{}, false},
		{"LAST", Bdat{}, false},
		{"-1", Bdat{}, false},
		{"+1", Bdat{}, false},
		{"0x10", Bdat{}, false},
		{"1e3", Bdat{}, false},
		{"10LAST", Bdat{}, false},
		{"\xd9\xa3", Bdat{}, false}, // a digit, but not one of ours
		{"10 LASTS", Bdat{Size: 10}, false},
		{"10 LAST LAST", Bdat{Size: 10}, false},
		{"10 20", Bdat{Size: 10}, false},
	}
	for _, test := range tests {
		if got, ok := ParseBdat([]byte(test.arg)); got != test.want || ok != test.ok {
			t.Errorf("BDAT %q: %+v %v, want %+v %v", test.arg, got, ok, test.want, test.ok)
		}
	}
}

func TestParseHello(t *testing.T) {
	good := map[string]string{
		"mx.example.org":          "mx.example.org",
		"[192.0.2.1]":             "[192.0.2.1]",
		"[IPv6:2001:db8::1]":      "[IPv6:2001:db8::1]",
		"my_pc":                   "my_pc",
		"mx.example.org and some": "mx.example.org",
		strings.Repeat("a", 255):  strings.Repeat("a", 255),
	}
	for arg, want := range good {
		if got, ok := ParseHello([]byte(arg)); !ok || got != want {
			t.Errorf("EHLO %q: %q %v, want %q", arg, got, ok, want)
		}
	}
	for _, arg := range []string{
		"", " ", "a(b)", "<a>", `a"b`, `a\b`, "a,b", "a;b", "a\tb", "m\xc3\xbcller", strings.Repeat("a", 256),
	} {
		if got, ok := ParseHello([]byte(arg)); ok {
			t.Errorf("EHLO %q gives %q", arg, got)
		}
	}
}

func TestAppendCommands(t *testing.T) {
	mails := []struct {
		mail Mail
		want string
	}{
		{Mail{}, "MAIL FROM:<>\r\n"},
		{Mail{From: "a@b"}, "MAIL FROM:<a@b>\r\n"},
		{Mail{From: "a@b", HasSize: true}, "MAIL FROM:<a@b> SIZE=0\r\n"},
		{Mail{From: "a@b", HasSize: true, Size: 4242, Body: Body8BitMIME}, "MAIL FROM:<a@b> SIZE=4242 BODY=8BITMIME\r\n"},
		{Mail{From: "a@b", Body: Body7Bit}, "MAIL FROM:<a@b> BODY=7BIT\r\n"},
	}
	for _, test := range mails {
		if got := string(test.mail.Append([]byte("x"))); got != "x"+test.want {
			t.Errorf("%+v is %q", test.mail, got)
		}
	}
	if got := string(AppendRcpt([]byte("x"), "a@b")); got != "xRCPT TO:<a@b>\r\n" {
		t.Errorf("recipient is %q", got)
	}
}
