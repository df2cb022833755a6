package smtp

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
)

func TestParseAuth(t *testing.T) {
	tests := map[string]Auth{
		"PLAIN":                   {Mechanism: "PLAIN"},
		"plain":                   {Mechanism: "PLAIN"},
		"CRAM-MD5":                {Mechanism: "CRAM-MD5"},
		"PLAIN AGEAYg==":          {Mechanism: "PLAIN", HasInitial: true, Initial: "AGEAYg=="},
		"PLAIN   AGEAYg==":        {Mechanism: "PLAIN", HasInitial: true, Initial: "AGEAYg=="},
		"XOAUTH2 =":               {Mechanism: "XOAUTH2", HasInitial: true},
		strings.Repeat("a_-9", 5): {Mechanism: strings.Repeat("A_-9", 5)},
	}
	for arg, want := range tests {
		if got, err := ParseAuth([]byte(arg)); err != nil || got != want {
			t.Errorf("AUTH %q: %+v, %v; want %+v", arg, got, err, want)
		}
	}
	for _, arg := range []string{"PLAIN A", "PLAIN AGEAYg", "PLAIN AGEAYh==", "PLAIN AGEAYg==x", "PLAIN ==", "PLAIN *", "PLAIN AGE AYg==", "PLAIN AG\nEAYg==", "PLAIN AGEAYg== "} {
		_, err := ParseAuth([]byte(arg))
		wantSyntax(t, "AUTH "+arg, err, 501, "5.5.2")
	}
	for _, arg := range []string{"PL+IN", "PLÄIN", strings.Repeat("A", 21), "A.B", "*"} {
		_, err := ParseAuth([]byte(arg))
		wantSyntax(t, "AUTH "+arg, err, 504, "5.5.4")
	}
	for _, arg := range []string{"", " PLAIN"} {
		_, err := ParseAuth([]byte(arg))
		wantSyntax(t, "AUTH "+arg, err, 501, "5.5.4")
	}
}

func TestParseAuthResponse(t *testing.T) {
	for _, line := range []string{"", "AGEAYg==", "YQ=="} {
		if got, err := ParseAuthResponse([]byte(line)); err != nil || got != line {
			t.Errorf("%q: %q, %v", line, got, err)
		}
	}
	_, err := ParseAuthResponse([]byte("*"))
	wantSyntax(t, "giving up", err, 501, "5.7.0")
	for _, line := range []string{"=", "**", "YQ", "YQ= =", "YR==", "\r\n", "YQ==\n"} {
		_, err := ParseAuthResponse([]byte(line))
		wantSyntax(t, line, err, 501, "5.5.2")
	}
}

// P34: an initial response that would pass 512 octets waits for the 334.
func TestP34AuthAppend(t *testing.T) {
	tests := []struct {
		auth   Auth
		want   string
		inline bool
	}{
		{Auth{Mechanism: "LOGIN"}, "AUTH LOGIN\r\n", true},
		{Auth{Mechanism: "PLAIN", HasInitial: true}, "AUTH PLAIN =\r\n", true},
		{Auth{Mechanism: "PLAIN", HasInitial: true, Initial: "YQ=="}, "AUTH PLAIN YQ==\r\n", true},
		{Auth{Mechanism: "PLAIN", HasInitial: true, Initial: strings.Repeat("A", 496)}, "AUTH PLAIN " + strings.Repeat("A", 496) + "\r\n", true},
		{Auth{Mechanism: "PLAIN", HasInitial: true, Initial: strings.Repeat("A", 500)}, "AUTH PLAIN\r\n", false},
	}
	for _, test := range tests {
		got, inline := test.auth.Append([]byte("x"))
		if string(got) != "x"+test.want || inline != test.inline || len(got)-1 > 512 {
			t.Errorf("%+v is %q, inline %v", test.auth, got, inline)
		}
	}
}

// P24: AUTH may have a long line, the others may not, and either stays in step.
func TestP24LongAuth(t *testing.T) {
	long := "AUTH GSSAPI " + strings.Repeat("A", 12288-len("AUTH GSSAPI \r\n"))
	for _, read := range []func(string) *Reader{readerOf, slowReaderOf} {
		r := read("EHLO a\r\n" + long + "\r\n" + long + "A\r\nMAIL " + long + "\r\nauth " + strings.Repeat("x", 3000) + "\r\nQUIT\r\n")
		for _, want := range []string{"EHLO a", long, "", "", "auth " + strings.Repeat("x", 3000), "QUIT"} {
			line, err := r.ReadCommandOrAuth(2048, MaxAuthLine)
			if string(line) != want || want == "" && !errors.Is(err, ErrLineTooLong) || want != "" && err != nil {
				t.Fatalf("%.20q of %d octets, %v; want %.20q of %d", line, len(line), err, want, len(want))
			}
		}
		if r.size != SmallBuffer {
			t.Errorf("the next buffer will have %d octets", r.size)
		}
	}
	r := readerOf(long + "\r\nQUIT\r\n")
	if _, err := r.ReadCommand(2048); !errors.Is(err, ErrLineTooLong) {
		t.Errorf("where AUTH is not offered: %v", err)
	}
	if line, err := r.ReadCommand(2048); err != nil || string(line) != "QUIT" {
		t.Errorf("%q, %v", line, err)
	}
}

// A challenge may be long, any other reply may not (P27).
func TestReadAuthReply(t *testing.T) {
	challenge := strings.Repeat("A", MaxAuthLine-len("334 \r\n"))
	for _, read := range []func(string) *Reader{readerOf, slowReaderOf} {
		var reply Reply
		if err := read("334 " + challenge + "\r\n").ReadAuthReply(&reply); err != nil || reply.Text() != challenge {
			t.Errorf("%d octets, %v", len(reply.Text()), err)
		}
		if err := read("334 " + challenge + strings.Repeat("A", 8) + "\r\n").ReadAuthReply(&reply); !errors.Is(err, ErrReplySyntax) {
			t.Errorf("beyond the limit: %v", err)
		}
		if err := read("334 " + challenge + "\r\n").ReadReply(&reply); !errors.Is(err, ErrReplySyntax) {
			t.Errorf("as any reply: %v", err)
		}
	}
}

func FuzzAuth(f *testing.F) {
	for _, arg := range []string{"PLAIN AGEAYg==", "LOGIN", "XOAUTH2 =", "PLAIN *", "CRAM-MD5 YR=="} {
		f.Add([]byte(arg))
	}
	f.Fuzz(func(t *testing.T, arg []byte) {
		if text, err := ParseAuthResponse(arg); err == nil {
			if _, err := base64.StdEncoding.DecodeString(text); err != nil || text != string(arg) {
				t.Fatalf("%q is %q, %v", arg, text, err)
			}
		} else {
			checkRefusal(t, arg, err)
		}
		a, err := ParseAuth(arg)
		if err != nil {
			checkRefusal(t, arg, err)
			return
		}
		line, inline := a.Append(nil)
		again, err := ParseAuth(checkLine(t, arg, line, false))
		if !inline {
			again.HasInitial, again.Initial = a.HasInitial, a.Initial
		}
		if err != nil || again != a || len(line) > maxCommandLine {
			t.Fatalf("%q is %+v, and %q made of it is %+v, %v", arg, a, line, again, err)
		}
	})
}
