package smtp

import "testing"

func TestQueueID(t *testing.T) {
	tests := map[string]string{
		// Postfix, alone and behind a content filter
		"Ok: queued as 4XyZ1234abcd":                                     "4XyZ1234abcd",
		"from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 4XyZ": "4XyZ",
		// Exim
		"OK id=1rAbCd-0002xY-3z":               "1rAbCd-0002xY-3z",
		"id=1rAbCd-0002xY-3z, thanks":          "1rAbCd-0002xY-3z",
		"Ok, it is valid=1 and will be stored": "",
		// Sendmail, OpenSMTPD
		"4ABCdef1012345 Message accepted for delivery":             "4ABCdef1012345",
		"5f3a1b2c Message accepted for delivery":                   "5f3a1b2c",
		"Ok, 5f3a1b2c Message accepted for delivery":               "5f3a1b2c",
		"(ignored) 4ABCdef1012345 Message accepted for delivery x": "4ABCdef1012345",
		// Exchange
		"<4242@mail.example.org> [InternalId=1234567890, Hostname=EX1.example.org] Queued mail for delivery":         "<4242@mail.example.org>",
		"<a.id=7@example.org> [InternalId=5, Hostname=EX] 2042 bytes in 0.120, 16.5 KB/sec Queued mail for delivery": "<a.id=7@example.org>",
		"<4242@mail.example.org> Queued mail for delivery":                                                           "<4242@mail.example.org>",
		// qmail
		"ok 1700000000 qp 4242": "4242",
		// Dovecot
		"<box2@test.example> ON2hKjoEA2tfFwAAg+zDdQ:T2 Saved": "ON2hKjoEA2tfFwAAg+zDdQ:T2",
		// weir's kin
		"Message received, queued as 7KD0Q2M4-1.": "7KD0Q2M4-1",
		"queued as (4242)":                        "(4242",
		// no name
		"":                    "",
		"Ok":                  "",
		"OK 1700000000 gsmtp": "",
		"queued as ":          "",
		"Accepted":            "",
		// in several lines
		"Thanks\nOk: queued as\n4XyZ": "4XyZ",
	}
	for text, want := range tests {
		reply := NewReply(250, EnhancedCode{}, text)
		if got := reply.QueueID(); got != want {
			t.Errorf("%q is known as %q, want %q", text, got, want)
		}
	}
}
