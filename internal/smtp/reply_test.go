package smtp

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

func TestReadReply(t *testing.T) {
	tests := []struct{ in, enhanced, text string }{
		{"250 Ok\r\n", "", "Ok"},
		{"250 2.1.0 Ok\r\n", "2.1.0", "Ok"},
		{"250\r\n", "", ""},
		{"250 \r\n", "", ""},
		{"250 2.0.0\r\n", "2.0.0", ""},
		{"250 2.0.0   Ok\r\n", "2.0.0", "Ok"},
		{"250 Ok\n", "", "Ok"}, // some servers
		{"354 go ahead\r\n", "", "go ahead"},
		{"250-mx\r\n250-SIZE 10\r\n250 HELP\r\n", "", "mx\nSIZE 10\nHELP"},
		{"250-mx\n250\r\n", "", "mx\n"},
		{"550-5.7.1 No\r\n550 5.7.1 thanks\r\n", "5.7.1", "No\nthanks"},
		{"550-No\r\n550 5.7.1 thanks\r\n", "5.7.1", "No\nthanks"},
		{"550-5.7.1 No\r\n550 5.7.2 thanks\r\n", "5.7.1", "No\nthanks"},
		{"550-5.7.1 No\r\n550 thanks\r\n", "5.7.1", "No\nthanks"},
		{"451 4.7.999 later\r\n", "4.7.999", "later"},
		// No enhanced codes, or none of this reply's class: text.
		{"250 4.1.0 Ok\r\n", "", "4.1.0 Ok"},
		{"550 5.7 No\r\n", "", "5.7 No"},
		{"550 5.7.1.2 No\r\n", "", "5.7.1.2 No"},
		{"550 5.7.1234 No\r\n", "", "5.7.1234 No"},
		{"550 5.7.x No\r\n", "", "5.7.x No"},
		{"550 5.7.1: No\r\n", "", "5.7.1: No"},
		{"354 3.0.0 go\r\n", "", "3.0.0 go"},
		{"220 192.0.2.1 ESMTP\r\n", "", "192.0.2.1 ESMTP"},
		// Controls go (P27), wherever they hide.
		{"250 a\x00b\x1b[31mc\x7f\td\re\r\n", "", "ab[31mcde"},
		{"550 5\x00.7.1 No\r\n", "5.7.1", "No"},
		{"550 \x075.7.1 No\r\n", "5.7.1", "No"},
		{"250 gr\xc3\xbc\xdfe\r\n", "", "gr\xc3\xbc\xdfe"},
	}
	for _, test := range tests {
		for name, r := range map[string]*Reader{"whole": readerOf(test.in + "rest"), "slowly": slowReaderOf(test.in + "rest")} {
			reply := NewReply(599, EnhancedCode{5, 9, 9}, "left over")
			if err := r.ReadReply(&reply); err != nil {
				t.Errorf("%q %s: %v", test.in, name, err)
				continue
			}
			if got := strings.Join(reply.Lines(), "\n"); got != test.text || reply.Enhanced.String() != test.enhanced || fmt.Sprint(reply.Code) != test.in[:3] {
				t.Errorf("%q %s: %d, %q, %q", test.in, name, reply.Code, reply.Enhanced, got)
			}
			if rest, _ := io.ReadAll(io.MultiReader(strings.NewReader(string(r.Buffered())), r.src)); string(rest) != "rest" {
				t.Errorf("%q %s leaves %q unread", test.in, name, rest)
			}
		}
	}
}

func TestReadReplyRefuses(t *testing.T) {
	tests := map[string]string{
		"text":             "hello\r\n",
		"empty line":       "\r\n",
		"short":            "25\r\n",
		"letters":          "2x0 Ok\r\n",
		"control in front": "\x00250 Ok\r\n",
		"blank in front":   " 250 Ok\r\n",
		"no separator":     "250Ok\r\n",
		"tab":              "250\tOk\r\n",
		"four digits":      "2500 Ok\r\n",
		"1xx":              "150 Ok\r\n",
		"6xx":              "650 Ok\r\n",
		"000":              "000 Ok\r\n",
		"TLS":              "\x16\x03\x01\x02\x00\n",
		"other code":       "250-a\r\n251 b\r\n",
		"code then text":   "250-a\r\nb\r\n",
		"no CRLF at all":   strings.Repeat("250 Ok", 1000),
		"129 lines":        strings.Repeat("250-a\r\n", 128) + "250 a\r\n",
		"endless lines":    strings.Repeat("250-a\r\n", 5000),
		"a long line":      "250 " + strings.Repeat("x", maxReplyLine) + "\r\n",
		"a long last line": "250-a\r\n250 " + strings.Repeat("x", maxReplyLine-3) + "\r\n",
	}
	for name, in := range tests {
		for how, r := range map[string]*Reader{"whole": readerOf(in), "slowly": slowReaderOf(in)} {
			var reply Reply
			if err := r.ReadReply(&reply); !errors.Is(err, ErrReplySyntax) {
				t.Errorf("%s, %s: %v, %s", name, how, err, &reply)
			}
		}
	}
	for _, in := range []string{"", "2", "250 Ok", "250 Ok\r", "250-Ok\r\n", "250-Ok\r\n250 o"} {
		var reply Reply
		if err := readerOf(in).ReadReply(&reply); !errors.Is(err, io.EOF) {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestReadReplyUpToItsBounds(t *testing.T) {
	longest := "250 " + strings.Repeat("x", maxReplyLine-len("250 \r\n")) + "\r\n"
	most := strings.Repeat("250-"+longest[4:], maxReplyLines-1) + longest
	for name, r := range map[string]*Reader{"whole": readerOf(most), "slowly": slowReaderOf(most)} {
		var reply Reply
		if err := r.ReadReply(&reply); err != nil || len(reply.Lines()) != maxReplyLines {
			t.Errorf("%s: %d lines, %v", name, len(reply.Lines()), err)
		}
	}
}

func TestReplyAppend(t *testing.T) {
	tests := []struct {
		reply    Reply
		enhanced bool
		want     string
	}{
		{NewReply(250, EnhancedCode{2, 1, 0}, "Ok"), true, "250 2.1.0 Ok\r\n"},
		{NewReply(250, EnhancedCode{2, 1, 0}, "Ok"), false, "250 2.1.0 Ok\r\n"},
		{NewReply(250, EnhancedCode{}, "Ok"), true, "250 2.0.0 Ok\r\n"},
		{NewReply(451, EnhancedCode{}, "later"), true, "451 4.0.0 later\r\n"},
		{NewReply(550, EnhancedCode{}, "a\nb\nc"), true, "550-5.0.0 a\r\n550-5.0.0 b\r\n550 5.0.0 c\r\n"},
		{NewReply(550, EnhancedCode{5, 7, 1}, "a\n"), true, "550-5.7.1 a\r\n550 5.7.1 \r\n"},
		{NewReply(550, EnhancedCode{}, "a\nb"), false, "550-a\r\n550 b\r\n"},
		{NewReply(354, EnhancedCode{}, "go"), true, "354 go\r\n"},
		{NewReply(250, EnhancedCode{}, ""), false, "250 \r\n"},
	}
	for _, test := range tests {
		if got := string(test.reply.Append([]byte("x"), test.enhanced)); got != "x"+test.want {
			t.Errorf("%s: %q, want %q", &test.reply, got, test.want)
		}
	}
}

func TestReplyInWords(t *testing.T) {
	r := NewReply(550, EnhancedCode{5, 7, 1}, "No\nthanks")
	if r.Class() != 5 || r.Text() != "No thanks" || r.String() != "550 5.7.1 No / thanks" || !slices.Equal(r.Lines(), []string{"No", "thanks"}) {
		t.Errorf("class %d, %q, %q, %q", r.Class(), r.Text(), r.String(), r.Lines())
	}
	bare := NewReply(250, EnhancedCode{}, "")
	var none Reply
	if bare.String() != "250" || none.String() != "" || none.Class() != 0 || none.Enhanced.String() != "" {
		t.Errorf("%q, %q, %d", bare.String(), none.String(), none.Class())
	}
}

func TestReplyCopies(t *testing.T) {
	r := readerOf("250 2.0.0 first\r\n550 other\r\n")
	var reply, copied Reply
	if err := r.ReadReply(&reply); err != nil {
		t.Fatal(err)
	}
	clone := reply.Clone()
	copied.CopyFrom(&reply)
	if err := r.ReadReply(&reply); err != nil {
		t.Fatal(err)
	}
	if want := "250 2.0.0 first"; clone.String() != want || copied.String() != want || reply.String() != "550 other" {
		t.Errorf("clone %q, copy %q, reply %q", &clone, &copied, &reply)
	}
	reply.Reset()
	if reply.String() != "" {
		t.Errorf("reset reply is %q", &reply)
	}
}
