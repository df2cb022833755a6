package smtp

import (
	"strings"
	"testing"
)

// mailParams are parameters of MAIL, and what each means.
func mailParams() map[string]Mail {
	return map[string]Mail{
		"":                                      {},
		"SIZE=42":                               {HasSize: true, Size: 42},
		"BODY=BINARYMIME":                       {Body: BodyBinaryMIME},
		"SMTPUTF8":                              {UTF8: true},
		"smtputf8 BODY=8BITMIME":                {UTF8: true, Body: Body8BitMIME},
		"REQUIRETLS":                            {RequireTLS: true},
		"RET=FULL":                              {Return: ReturnFull},
		"ret=hdrs ENVID=QQ314159":               {Return: ReturnHeaders, EnvelopeID: "QQ314159"},
		"ENVID=a+20b+2Bc+3D":                    {EnvelopeID: "a b+c="},
		"ENVID=a=b+2b":                          {EnvelopeID: "a=b+"},
		"ENVID=" + strings.Repeat("x", 100):     {EnvelopeID: strings.Repeat("x", 100)},
		"BY=120;R":                              {DeliverBy: DeliverBy{Seconds: 120, Mode: 'R'}},
		"by=-1;nt":                              {DeliverBy: DeliverBy{Seconds: -1, Mode: 'N', Trace: true}},
		"BY=+999999999;RT":                      {DeliverBy: DeliverBy{Seconds: 999999999, Mode: 'R', Trace: true}},
		"BY=0;N":                                {DeliverBy: DeliverBy{Mode: 'N'}},
		"MT-PRIORITY=0":                         {HasPriority: true},
		"MT-PRIORITY=-9":                        {HasPriority: true, Priority: -9},
		"mt-priority=6":                         {HasPriority: true, Priority: 6},
		"AUTH=<>":                               {Auth: "<>"},
		"AUTH=e+3Dmc2@example.com":              {Auth: "e=mc2@example.com"},
		"AUTH=m+C3+BCller@example.com SMTPUTF8": {Auth: "müller@example.com", UTF8: true},
	}
}

func badMailParams() []string {
	return []string{
		"BODY=BINARY", "SMTPUTF8=1", "SMTPUTF8=", "REQUIRETLS=YES", "RET", "RET=", "RET=BODY", "ENVID", "ENVID=", "ENVID=+", "ENVID=+4", "ENVID=+4x",
		"ENVID=a+0Ab", "ENVID=a+C3", "ENVID=" + strings.Repeat("x", 101), "ENVID=" + strings.Repeat("+20", 34),
		"BY", "BY=", "BY=;R", "BY=120", "BY=120;", "BY=120;X", "BY=0;R", "BY=-1;R", "BY=1234567890;N", "BY=1;NTT", "BY=--1;N", "BY=1;N;T",
		"MT-PRIORITY", "MT-PRIORITY=", "MT-PRIORITY=10", "MT-PRIORITY=+1", "MT-PRIORITY=-", "MT-PRIORITY=--1",
		"AUTH", "AUTH=", "AUTH=<a@b>", "AUTH=a@", "AUTH=a+0Ab@c", "AUTH=a+FF@c", "AUTH=" + strings.Repeat("+20", 200),
		"ENVID=a ENVID=a", "RET=FULL RET=HDRS", "BY=1;N BY=1;N", "REQUIRETLS REQUIRETLS", "SMTPUTF8 SMTPUTF8", "AUTH=<> AUTH=<>", "MT-PRIORITY=0 MT-PRIORITY=0",
	}
}

func TestMailParameters(t *testing.T) {
	for params, want := range mailParams() {
		want.From = "a@b"
		got, err := ParseMail([]byte("FROM:<a@b> "+params), wholeOffer)
		if err != nil || got != want {
			t.Errorf("MAIL with %q: %+v, %v; want %+v", params, got, err, want)
		}
		checkMail(t, []byte("FROM:<a@b> "+params))
	}
	for _, params := range badMailParams() {
		_, err := ParseMail([]byte("FROM:<a@b> "+params), wholeOffer)
		wantSyntax(t, "MAIL with "+params, err, 501, "5.5.4")
	}
}

// P38: what is unknown, or not offered in this session, is refused as such, and so
// before its value is looked at.
func TestP38MailParametersNotOffered(t *testing.T) {
	for _, params := range []string{"HOLDFOR=10", "HOLDUNTIL=2026-01-01T00:00:00Z", "SUBMITTER=a@b", "TRANSID=<1@b>", "SOLICIT=x", "CONPERM", "RRVS=x", "NOTIFY=NEVER"} {
		_, err := ParseMail([]byte("FROM:<a@b> "+params), wholeOffer)
		wantSyntax(t, "MAIL with "+params, err, 555, "5.5.4")
	}
	for params, ext := range map[string]Extensions{
		"SIZE=1": WithSize, "BODY=8BITMIME": With8BitMIME, "BODY=BINARYMIME": WithBinaryMIME, "SMTPUTF8": WithUTF8, "REQUIRETLS": WithRequireTLS,
		"RET=FULL": WithDSN, "ENVID=a": WithDSN, "ENVID=+": WithDSN, "BY=1;N": WithDeliverBy, "MT-PRIORITY=1": WithPriority, "AUTH=<>": WithAuth,
	} {
		_, err := ParseMail([]byte("FROM:<a@b> "+params), wholeOffer&^ext)
		wantSyntax(t, "MAIL with "+params, err, 555, "5.5.4")
		_, err = ParseRcpt([]byte("TO:<a@b> "+params), wholeOffer)
		wantSyntax(t, "RCPT with "+params, err, 555, "5.5.4")
	}
	if m, err := ParseMail([]byte("FROM:<a@b> BODY=7BIT"), WithSize); err != nil || m.Body != Body7Bit {
		t.Errorf("7BIT is promised without 8BITMIME: %v", err)
	}
}

// P31: what a transaction needs; P38: a connector hears only of what it offers.
func TestMailNeedsAndAppendFor(t *testing.T) {
	m := Mail{
		From: "a@b", Size: 100, HasSize: true, Body: Body8BitMIME, UTF8: true, RequireTLS: true, Return: ReturnHeaders, EnvelopeID: "a b",
		HasPriority: true, Priority: -3, DeliverBy: DeliverBy{Seconds: 60, Mode: 'R', Trace: true}, Auth: "c@d",
	}
	if got, want := m.Needs(), With8BitMIME|WithUTF8|WithRequireTLS|WithDSN|WithDeliverBy; got != want {
		t.Errorf("it needs %b, want %b", got, want)
	}
	for ext, want := range map[Extensions]string{
		0:              "",
		WithSize:       " SIZE=124",
		With8BitMIME:   " BODY=8BITMIME",
		WithBinaryMIME: "",
		WithUTF8:       " SMTPUTF8",
		WithRequireTLS: " REQUIRETLS",
		WithDSN:        " RET=HDRS ENVID=a+20b",
		WithDeliverBy:  " BY=60;RT",
		WithPriority:   " MT-PRIORITY=-3",
		WithAuth:       " AUTH=c@d",
		wholeOffer:     " SIZE=124 BODY=8BITMIME SMTPUTF8 REQUIRETLS RET=HDRS ENVID=a+20b BY=60;RT MT-PRIORITY=-3 AUTH=c@d",
	} {
		if got := string(m.AppendFor(nil, ext, 24)); got != "MAIL FROM:<a@b>"+want+"\r\n" {
			t.Errorf("for %b it is %q", ext, got)
		}
	}
	binary := Mail{Body: BodyBinaryMIME}
	if binary.Needs() != WithBinaryMIME || string(binary.AppendFor(nil, WithBinaryMIME, 0)) != "MAIL FROM:<> BODY=BINARYMIME\r\n" {
		t.Errorf("binary content needs %b", binary.Needs())
	}
	if plain := (Mail{From: "a@b", Size: 1, HasSize: true, Body: Body7Bit, HasPriority: true, Auth: "<>"}); plain.Needs() != 0 {
		t.Errorf("a plain message needs %b", plain.Needs())
	}
}

// rcptParams are parameters of RCPT, and what each means.
func rcptParams() map[string]Rcpt {
	return map[string]Rcpt{
		"":                                         {},
		"NOTIFY=NEVER":                             {Notify: NotifyNever},
		"notify=failure,DELAY":                     {Notify: NotifyFailure | NotifyDelay},
		"NOTIFY=SUCCESS,FAILURE,DELAY":             {Notify: NotifySuccess | NotifyFailure | NotifyDelay},
		"ORCPT=rfc822;Bob@example.org":             {Original: "rfc822;Bob@example.org"},
		"ORCPT=rfc822;a+2Bb@c NOTIFY=DELAY":        {Original: "rfc822;a+b@c", Notify: NotifyDelay},
		"ORCPT=x400;/c=de/ADMD=+20/":               {Original: "x400;/c=de/ADMD= /"},
		`ORCPT=utf-8;m\x{FC}ller@example`:          {Original: "utf-8;müller@example"},
		`ORCPT=UTF-8;a\x{2B}\x{5c}\x{20}b`:         {Original: `UTF-8;a+\ b`},
		`ORCPT=utf-8;\x{1F600}@example`:            {Original: "utf-8;\U0001F600@example"},
		"ORCPT=utf-8;müller@example":               {Original: "utf-8;müller@example"},
		"ORCPT=rfc822;" + strings.Repeat("x", 493): {Original: "rfc822;" + strings.Repeat("x", 493)},
	}
}

func TestRcptParameters(t *testing.T) {
	for params, want := range rcptParams() {
		want.To = "a@b"
		if got, err := ParseRcpt([]byte("TO:<a@b> "+params), wholeOffer); err != nil || got != want {
			t.Errorf("RCPT with %q: %+v, %v; want %+v", params, got, err, want)
		}
		checkRcpt(t, []byte("TO:<a@b> "+params))
	}
	for _, params := range []string{
		"NOTIFY", "NOTIFY=", "NOTIFY=ALWAYS", "NOTIFY=NEVER,DELAY", "NOTIFY=DELAY,NEVER", "NOTIFY=DELAY,", "NOTIFY=,DELAY", "NOTIFY=DELAY,DELAY", "NOTIFY=DELAY NOTIFY=DELAY",
		"ORCPT", "ORCPT=", "ORCPT=a@b", "ORCPT=rfc822;", "ORCPT=;a@b", "ORCPT=r(c;a@b", "ORCPT=rfc822;a+0Ab", "ORCPT=rfc822;a+2", "ORCPT=rfc822;m\xc3\xbc",
		"ORCPT=rfc822;a ORCPT=rfc822;a", "ORCPT=rfc822;" + strings.Repeat("x", 494), "ORCPT=utf-8;" + strings.Repeat("ü", 100),
		`ORCPT=utf-8;\`, `ORCPT=utf-8;\x{}`, `ORCPT=utf-8;\x{41`, `ORCPT=utf-8;\x{0A}`, `ORCPT=utf-8;\x{85}`, `ORCPT=utf-8;\x{D800}`, `ORCPT=utf-8;\x{110000}`, `ORCPT=utf-8;\x{G}`, "ORCPT=utf-8;\xff",
	} {
		_, err := ParseRcpt([]byte("TO:<a@b> "+params), wholeOffer)
		wantSyntax(t, "RCPT with "+params, err, 501, "5.5.4")
	}
	for _, params := range []string{"RRVS=2026-01-01T00:00:00Z", "X=1", "SMTPUTF8", "SIZE=1"} {
		_, err := ParseRcpt([]byte("TO:<a@b> "+params), wholeOffer)
		wantSyntax(t, "RCPT with "+params, err, 555, "5.5.4")
	}
	for _, params := range []string{"NOTIFY=NEVER", "ORCPT=rfc822;a"} {
		_, err := ParseRcpt([]byte("TO:<a@b> "+params), wholeOffer&^WithDSN)
		wantSyntax(t, "RCPT with "+params, err, 555, "5.5.4")
	}
	_, err := ParseRcpt([]byte("TO:<a@b> ORCPT=utf-8;m\xc3\xbcller"), wholeOffer&^WithUTF8)
	wantSyntax(t, "RCPT with UTF-8 in a transaction without", err, 501, "5.5.4")
}

func TestRcptAppendFor(t *testing.T) {
	r := Rcpt{To: "a@b", Notify: NotifySuccess | NotifyDelay, Original: "utf-8;m+üller"}
	for ext, want := range map[Extensions]string{
		0:                  "",
		WithUTF8:           "",
		WithDSN:            ` NOTIFY=SUCCESS,DELAY ORCPT=utf-8;m\x{2B}\x{FC}ller`,
		WithDSN | WithUTF8: ` NOTIFY=SUCCESS,DELAY ORCPT=utf-8;m\x{2B}üller`,
	} {
		if got := string(r.AppendFor(nil, ext)); got != "RCPT TO:<a@b>"+want+"\r\n" {
			t.Errorf("for %b it is %q", ext, got)
		}
	}
	if r.Needs() != WithDSN || (&Rcpt{To: "a@b"}).Needs() != 0 {
		t.Error("DSN is what reports need, and nothing else")
	}
}

// With SMTPUTF8 addresses may be UTF-8 (RFC 6531), once MAIL has asked for it.
func TestParseUTF8Offered(t *testing.T) {
	m, err := ParseMail([]byte("FROM:<müller@exämple.org> SMTPUTF8"), wholeOffer)
	if err != nil || m.From != "müller@exämple.org" || !m.UTF8 {
		t.Errorf("%+v, %v", m, err)
	}
	offered := m.ForRcpt(wholeOffer)
	if r, err := ParseRcpt([]byte("TO:<用户@例子.example>"), offered); err != nil || r.To != "用户@例子.example" {
		t.Errorf("%+v, %v", r, err)
	}
	_, err = ParseMail([]byte("FROM:<müller@example.org>"), wholeOffer)
	wantSyntax(t, "UTF-8 that MAIL did not ask for", err, 553, "5.6.7")
	plain := Mail{From: "a@b"}
	_, err = ParseRcpt([]byte("TO:<müller@example.org>"), plain.ForRcpt(wholeOffer))
	wantSyntax(t, "UTF-8 that MAIL did not ask for", err, 553, "5.6.7")
	for _, path := range []string{"<m\xfcller@b>", "<a\xc2\x85b@c>", "<a@\xed\xa0\x80>"} {
		_, err = ParseMail([]byte("FROM:"+path+" SMTPUTF8"), wholeOffer)
		wantSyntax(t, "MAIL FROM:"+path, err, 501, "5.5.2")
		_, err = ParseRcpt([]byte("TO:"+path), offered)
		wantSyntax(t, "RCPT TO:"+path, err, 501, "5.5.2")
	}
}
