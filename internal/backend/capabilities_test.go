package backend

import (
	"strings"
	"testing"
)

func announced(lines ...string) Capabilities {
	c := Capabilities{Known: true}
	for _, line := range lines {
		c.Announce(line)
	}
	return c
}

func TestAnnounce(t *testing.T) {
	tests := []struct {
		line string
		want Capabilities
	}{
		{"PIPELINING", Capabilities{Ext: ExtPipelining}},
		{" smtputf8 ", Capabilities{Ext: ExtSMTPUTF8}},
		{"SIZE 42", Capabilities{Ext: ExtSize, Size: 42}},
		{"SIZE", Capabilities{Ext: ExtSize}},
		{"SIZE 0", Capabilities{Ext: ExtSize}},
		{"SIZE -1", Capabilities{Ext: ExtSize}},
		{"SIZE 9999999999999999999", Capabilities{Ext: ExtSize}},
		{"DSN", Capabilities{Ext: ExtDSN}},
		{"REQUIRETLS", Capabilities{Ext: ExtRequireTLS}},
		{"BINARYMIME", Capabilities{Ext: ExtBinaryMIME}},
		{"STARTTLS", Capabilities{Ext: ExtStartTLS}},
		{"DELIVERBY", Capabilities{Ext: ExtDeliverBy}},
		{"DELIVERBY 240", Capabilities{Ext: ExtDeliverBy, DeliverBy: 240}},
		{"DELIVERBY soon", Capabilities{Ext: ExtDeliverBy}},
		{"MT-PRIORITY", Capabilities{Ext: ExtMTPriority}},
		{"MT-PRIORITY mixer", Capabilities{Ext: ExtMTPriority, Priority: "MIXER"}},
		{"MT-PRIORITY " + strings.Repeat("x", 21), Capabilities{Ext: ExtMTPriority}},
		{"LIMITS RCPTMAX=1 mailmax=100 X=5", Capabilities{Ext: ExtLimits, Limits: Limits{RcptMax: 1, MailMax: 100}}},
		{"LIMITS RCPTDOMAINMAX=7 RCPTMAX= MAILMAX=1234567", Capabilities{Ext: ExtLimits, Limits: Limits{RcptDomainMax: 7}}},
		{"AUTH plain LOGIN  PLAIN", Capabilities{Ext: ExtAuth, Auth: "LOGIN PLAIN"}},
		{"AUTH=LOGIN", Capabilities{}},
		{"XCLIENT NAME ADDR", Capabilities{Ext: ExtXClient, XClient: "ADDR NAME"}},
		{"XFORWARD NAME ADDR SOURCE", Capabilities{Ext: ExtXForward, XForward: "ADDR NAME SOURCE"}},
		{"XEXCH50", Capabilities{}},
		{"", Capabilities{}},
	}
	for _, test := range tests {
		test.want.Known = true
		if got := announced(test.line); got != test.want {
			t.Errorf("%q is %+v, want %+v", test.line, got, test.want)
		}
	}
	got := announced("AUTH PLAIN", "DSN", "AUTH PLAIN")
	if want := (Capabilities{Known: true, Ext: ExtAuth | ExtDSN, Auth: "PLAIN"}); got != want {
		t.Errorf("together they are %+v, want %+v", got, want)
	}
}

func TestWords(t *testing.T) {
	w := ParseWords("SCRAM-SHA-256-PLUS plain LOGIN EXTERNAL SCRAM-SHA-256")
	if !w.Has("PLAIN") || w.Has("SCRAM") || w.Has("") || Words("").Has("PLAIN") {
		t.Errorf("%q has other words", w)
	}
	// P30: mechanisms by intersection; P34: none that binds to the channel.
	if got := w.Relayable(); got != "LOGIN PLAIN SCRAM-SHA-256" {
		t.Errorf("%q is left for a relay", got)
	}
	if got := w.Both("CRAM-MD5 PLAIN"); got != "PLAIN" {
		t.Errorf("both have %q", got)
	}
	if got := w.Both(""); got != "" {
		t.Errorf("both have %q", got)
	}
}

// What a connector says is cut into bounds and stays comparable.
func FuzzAnnounce(f *testing.F) {
	for _, line := range []string{"SIZE 1", "LIMITS RCPTMAX=1", "AUTH PLAIN LOGIN", "DELIVERBY 240", "MT-PRIORITY MIXER", "XCLIENT NAME ADDR"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		c := announced(line)
		if c != announced(line) || c.Size < 0 || c.DeliverBy < 0 || c.Limits.RcptMax < 0 || len(c.Priority) > 20 {
			t.Errorf("%q is %+v", line, c)
		}
		if c.Auth != ParseWords(string(c.Auth)) || c.Auth.Both(c.Auth) != c.Auth {
			t.Errorf("%q is no set of words", c.Auth)
		}
	})
}
