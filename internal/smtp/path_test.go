package smtp

import (
	"errors"
	"strings"
	"testing"
)

// paths are spellings of a path, and the mailbox that each names.
func paths() map[string]string {
	return map[string]string{
		"<a@example.org>":                   "a@example.org",
		"  <a@example.org>":                 "a@example.org",
		"a@example.org":                     "a@example.org",
		"<A.b+c=d@Example.ORG>":             "A.b+c=d@Example.ORG",
		"<postmaster>":                      "postmaster",
		"postmaster":                        "postmaster",
		"<@r1.example:a@example.org>":       "a@example.org",
		"<@r1.example,@r2.example:a@x.org>": "a@x.org",
		`<"a b"@example.org>`:               `"a b"@example.org`,
		`<"a>b"@example.org>`:               `"a>b"@example.org`,
		`<"a@b"@example.org>`:               `"a@b"@example.org`,
		`<"a\"b"@example.org>`:              `"a\"b"@example.org`,
		`<"a\\"@example.org>`:               `"a\\"@example.org`,
		`<"a\">"@example.org>`:              `"a\">"@example.org`,
		`<"<>"@example.org>`:                `"<>"@example.org`,
		`<@r:"a:b>"@example.org>`:           `"a:b>"@example.org`,
		`<"">`:                              `""`,
		`<"only quoted">`:                   `"only quoted"`,
		"<a@[192.0.2.1]>":                   "a@[192.0.2.1]",
		"<a@[IPv6:2001:db8::1]>":            "a@[IPv6:2001:db8::1]",
		"<a@b_c.example>":                   "a@b_c.example",
		"<a@example.org.>":                  "a@example.org.",
		"<#!$%&'*/?^`{|}~@example.org>":     "#!$%&'*/?^`{|}~@example.org",
		"<" + strings.Repeat("a", 1000) + "@example.org>": strings.Repeat("a", 1000) + "@example.org",
	}
}

// badPaths are understood by nobody, or by everybody differently.
func badPaths() []string {
	return []string{
		"", "<", "<a@b", "a@b>", "<<a@b>", "<a@b>>", "<a@b>x", "<a@b><c@d>", "<a b@c>", "<a>b@c>", "<a<b@c>",
		"<@b>", "<a@>", "<a@@b>", "<a@b@c>", "<a@b,c@d>", "<a,b@c>", "<a;b@c>", "<a:b@c>", `<a\@b>`, `<a"b"@c>`, "<(c)a@b>", "<a@b(c)>",
		`<"a@b>`, `<"a"b@c>`, `<"a\"@b>`, `<"a>`, `"a`, `"a\`, `"a@b`, `<"a"bc>`, "<@r>", "<@r:>", "<@r,a@b>", "<a@.b>", "<a@b..c>", "<a@b!c>", "<a@b c>",
		"<a@[]>", "<a@[192.0.2.1>", "<a@192.0.2.1]>", "<a@[x]y>", `<a@[x"y]>`, "<a@[x>y]>", "<a@[a@b]>",
		"<\"a\tb\"@c>", "<\"a\\\tb\"@c>", "<\"a\x00\"@c>", "<\"a\x7f\"@c>", "<\"a\r\nb\"@c>", // P38
		"<" + strings.Repeat("a", 1024) + "@example.org>", "<a@" + strings.Repeat("b", 256) + ">",
	}
}

func TestParsePaths(t *testing.T) {
	for path, want := range paths() {
		if m, err := ParseMail([]byte("FROM:"+path), plainOffer); err != nil || m.From != want {
			t.Errorf("MAIL FROM:%s is %q, %v; want %q", path, m.From, err, want)
		}
		if r, err := ParseRcpt([]byte("To:"+path+"  "), plainOffer); err != nil || r.To != want {
			t.Errorf("RCPT TO:%s is %q, %v; want %q", path, r.To, err, want)
		}
	}
	if m, err := ParseMail([]byte("FROM:<>"), 0); err != nil || m != (Mail{}) {
		t.Errorf("the null sender is %+v, %v", m, err)
	}
}

// wantSyntax wants a refusal with a code and an enhanced code.
func wantSyntax(t *testing.T, what string, err error, code int, enhanced string) {
	t.Helper()
	var e *SyntaxError
	if !errors.As(err, &e) || e.Code != code || e.Enhanced.String() != enhanced || e.Error() == "" {
		t.Errorf("%s: %v (%+v), want %d %s", what, err, e, code, enhanced)
	}
}

func TestParseBadPaths(t *testing.T) {
	for _, path := range badPaths() {
		_, err := ParseMail([]byte("FROM:"+path), plainOffer)
		wantSyntax(t, "MAIL FROM:"+path, err, 501, "5.1.7")
		_, err = ParseRcpt([]byte("TO:"+path), plainOffer)
		wantSyntax(t, "RCPT TO:"+path, err, 501, "5.1.3")
	}
	_, err := ParseRcpt([]byte("TO:<>"), plainOffer)
	wantSyntax(t, "RCPT TO:<>", err, 501, "5.1.3")
	for _, arg := range []string{"", "FROM", "FRO:<a@b>", "TO:<a@b>", "<a@b>", "FROM <a@b>"} {
		_, err = ParseMail([]byte(arg), plainOffer)
		wantSyntax(t, "MAIL "+arg, err, 501, "5.5.4")
	}
	for _, arg := range []string{"", "TO", "FROM:<a@b>", "<a@b>", "TO <a@b>"} {
		_, err = ParseRcpt([]byte(arg), plainOffer)
		wantSyntax(t, "RCPT "+arg, err, 501, "5.5.4")
	}
}

func TestParseUTF8(t *testing.T) {
	for _, path := range []string{"<m\xc3\xbcller@example.org>", "<a@m\xc3\xbcller.example>", "<\"\xe4\"@example.org>", "\xc3\xbc@b"} {
		_, err := ParseMail([]byte("FROM:"+path+" SMTPUTF8"), plainOffer)
		wantSyntax(t, "MAIL FROM:"+path, err, 553, "5.6.7")
		_, err = ParseRcpt([]byte("TO:"+path), plainOffer)
		wantSyntax(t, "RCPT TO:"+path, err, 553, "5.6.7")
	}
}

func TestParseParameters(t *testing.T) {
	good := map[string]Mail{
		"":                      {},
		"  ":                    {},
		" SIZE=0":               {HasSize: true},
		" SIZE=42":              {Size: 42, HasSize: true},
		" size=042":             {Size: 42, HasSize: true},
		" BODY=7BIT":            {Body: Body7Bit},
		" body=8bitmime":        {Body: Body8BitMIME},
		" BODY=7BIT   SIZE=9 ":  {Size: 9, HasSize: true, Body: Body7Bit},
		" SIZE=999999999999999": {Size: 999999999999999, HasSize: true},
	}
	for params, want := range good {
		want.From = "a@b"
		if got, err := ParseMail([]byte("FROM:<a@b>"+params), plainOffer); err != nil || got != want {
			t.Errorf("MAIL with %q: %+v, %v; want %+v", params, got, err, want)
		}
		want.From = `"x> SIZE=1 <"@b`
		if got, err := ParseMail([]byte("FROM:<"+want.From+">"+params), plainOffer); err != nil || got != want {
			t.Errorf("MAIL from %s with %q: %+v, %v", want.From, params, got, err)
		}
	}
	bad := map[string]int{
		" SIZE": 501, " SIZE=": 501, " SIZE=-1": 501, " SIZE=1k": 501, " SIZE=1=2": 501, " SIZE=9999999999999999999": 501,
		" SIZE=1 SIZE=1": 501, " SIZE=0 SIZE=0": 501, " BODY=7BIT BODY=8BITMIME": 501, " BODY=7BIT body=7BIT": 501,
		" BODY": 501, " BODY=": 501, " BODY=9BIT": 501,
		" SMTPUTF8": 555, " RET=HDRS": 555, " X": 555, " =": 555, " =SIZE": 555, " SIZEX=1": 555, " AUTH=<>": 555, " SIZE=1 X=1": 555,
		" XOORG=a\xc3\xbc": 555,
	}
	for params, code := range bad {
		_, err := ParseMail([]byte("FROM:<a@b>"+params), plainOffer)
		wantSyntax(t, "MAIL with"+params, err, code, "5.5.4")
		_, err = ParseMail([]byte("FROM:<a@b>"+params), 0)
		wantSyntax(t, "MAIL after HELO with"+params, err, 555, "5.5.4")
	}
	for _, params := range []string{" NOTIFY=NEVER", " X", " =", " SIZE=1"} {
		_, err := ParseRcpt([]byte("TO:<a@b>"+params), plainOffer)
		wantSyntax(t, "RCPT with"+params, err, 555, "5.5.4")
	}
}
