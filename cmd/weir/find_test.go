package main

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"weir/dashboard"
	"weir/internal/history"
)

func foundOne() *dashboard.TransactionsAnswer {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return &dashboard.TransactionsAnswer{
		Kept: 2, Since: &at, Transactions: []history.Transaction{{
			ID: "t1", Session: "s1", Time: at, Listener: "inbound", Client: netip.MustParseAddrPort("192.0.2.7:40000"), HELO: "mail.example.org",
			From: "alice@example.org", Rcpts: []string{"bob@example.com", "carol@example.com"}, RcptCount: 60, Pool: "internet", Backend: "mx-a",
			Tries: []history.Try{{Backend: "internet/mx-b", Why: "banner: 421"}}, Stage: "final_dot", Code: 250, Reply: "250 2.0.0 Ok", By: "connector",
			RemoteID: "4XYZ", MessageID: "<m1@example.org>", Bytes: 1234, DurationMS: 12.5, Outcome: "delivered",
		}},
	}
}

func TestFind(t *testing.T) {
	text, err := json.Marshal(foundOne())
	if err != nil {
		t.Fatal(err)
	}
	const query = "GET /v1/transactions?around=10%3A32&message_id=m1%40example.org&to=bob%40example.com"
	f := newFakeWeir(t, map[string]answer{
		query:                           {200, string(text)},
		"GET /v1/transactions":          {200, `{"transactions":[],"more":false,"kept":0,"since":null}`},
		"GET /v1/transactions?tried=mx": {200, `{"transactions":[],"more":false,"kept":0,"since":null}`},
		"GET /v1/transactions?id=none":  {200, `{"transactions":[],"more":false,"kept":1,"since":"2026-01-02T03:04:05Z"}`},
		"GET /v1/transactions?limit=x":  {400, `{"error":"limit wants a whole number from 1 to 1000"}`},
	})
	const asked = "find --to bob@example.com --around 10:32 --message-id m1@example.org"
	expect(t, asked, exitDone, "2026-01-02T03:04:05Z\tt1\ts1\t192.0.2.7\talice@example.org\tbob@example.com,carol@example.com\tinternet/mx-a\tdelivered\t250\tconnector\t250 2.0.0 Ok\t4XYZ\t<m1@example.org>\n", "")
	expect(t, asked+" -o json", exitDone, strings.NewReplacer(`\u003c`, "<", `\u003e`, ">").Replace(string(text))+"\n", "")
	expect(t, "find", exitFailed, "", "weir: not found: no transactions are kept yet\n")
	expect(t, "find --tried mx", exitFailed, "", "weir: not found: no transactions are kept yet\n")
	expect(t, "find --limit x", exitFailed, "", "weir: limit wants a whole number from 1 to 1000\n")
	if code, _, stderr := weir("find", "--id", "none"); code != exitFailed || !strings.HasPrefix(stderr, "weir: not found: kept are 1 transaction since 2026-01-0") {
		t.Errorf("exit %d, %q", code, stderr)
	}
	if code, _, stderr := weir("find", "-o", "xml"); code != exitUsage || !strings.Contains(stderr, "--output") {
		t.Errorf("exit %d, %q", code, stderr)
	}
	if got := f.wasAsked()[0]; got != query {
		t.Errorf("asked %s", got)
	}
}

func TestFindOnATerminal(t *testing.T) {
	s := screen{tty: true}
	one := foundOne()
	text := s.transactions(one)
	for _, want := range []string{
		"TIME", " t1  192.0.2.7  alice@example.org  bob@example.com +59  internet/mx-a  delivered  connector: 250 2.0.0 Ok\n",
		"session     s1 at inbound, HELO mail.example.org\n", "went to     internet/mx-a, there called 4XYZ; it came to final_dot in 12ms\n",
		"message     <m1@example.org>, 1234 bytes\n", "left        internet/mx-b: banner: 421\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	one.More = true
	one.Transactions = append(one.Transactions, history.Transaction{Outcome: "aborted"})
	text = s.transactions(one)
	if strings.Contains(text, "session  ") || !strings.Contains(text, "--limit") || !strings.Contains(text, "  <>  ") || !strings.Contains(text, "  none\n") {
		t.Errorf("got\n%s", text)
	}
}
