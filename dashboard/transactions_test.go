package dashboard

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/backend"
	"weir/internal/events"
	"weir/internal/history"
)

// kept is a server that remembers two transactions, of one and two minutes ago.
func kept(t *testing.T) *Server {
	t.Helper()
	ring := history.NewRing(10)
	s := New(Deps{Registry: backend.NewRegistry(nil), Events: events.NewLog(1), History: ring})
	s.SetAccess(Access{Anonymous: RoleRead})
	now := time.Now()
	ring.Add(&history.Transaction{
		ID: "t1", Session: "s1", Time: now.Add(-2 * time.Minute), Listener: "inbound", Client: netip.MustParseAddrPort("192.0.2.7:40000"),
		HELO: "mail.example.org", From: "alice@example.org", Rcpts: []string{"bob@example.com"}, Pool: "internet", Backend: "mx-a",
		Tries: []history.Try{{Backend: "internet/mx-b", Why: "banner: 421"}}, Replays: 1, Stage: "final_dot", Code: 250, Reply: "250 2.0.0 Ok: queued as 4XYZ",
		By: "connector", RemoteID: "4XYZ", MessageID: "<m1@example.org>", Bytes: 1234, DurationMS: 12.5, Outcome: "delivered",
	})
	ring.Add(&history.Transaction{ID: "t2", Time: now.Add(-time.Minute), Outcome: "aborted"})
	return s
}

// The names are a contract: they are those of the log.
func TestTransactions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := kept(t)
		const first = `{"id":"t1","session":"s1","time":"1999-12-31T23:58:00Z","listener":"inbound","client":"192.0.2.7:40000","helo":"mail.example.org",` +
			`"from":"alice@example.org","rcpts":["bob@example.com"],"pool":"internet","backend":"mx-a","tries":[{"backend":"internet/mx-b","why":"banner: 421"}],"replays":1,` +
			`"stage":"final_dot","code":250,"reply":"250 2.0.0 Ok: queued as 4XYZ","by":"connector","remote_id":"4XYZ","message_id":"<m1@example.org>","bytes":1234,"duration_ms":12.5,"outcome":"delivered"}`
		const second = `{"id":"t2","session":"","time":"1999-12-31T23:59:00Z","listener":"","client":"","helo":"","from":"","rcpts":[],"pool":"","backend":"",` +
			`"tries":[],"replays":0,"stage":"","code":0,"reply":"","by":"","remote_id":"","message_id":"","bytes":0,"duration_ms":0,"outcome":"aborted"}`
		const tail = `"kept":2,"since":"1999-12-31T23:58:00Z"}`
		tests := []struct{ query, want string }{
			{"", `{"transactions":[` + second + "," + first + `],"more":false,` + tail},
			{"?limit=1", `{"transactions":[` + second + `],"more":true,` + tail},
			{"?client=192.0.2.7&from=ALICE%40example.org&to=example.com", `{"transactions":[` + first + `],"more":false,` + tail},
			{"?client=192.0.2.0/24&remote_id=4XYZ&message_id=m1@example.org", `{"transactions":[` + first + `],"more":false,` + tail},
			{"?client=192.0.2.7:9&pool=internet&backend=mx-a&outcome=delivered", `{"transactions":[` + first + `],"more":false,` + tail},
			{"?tried=internet/mx-b", `{"transactions":[` + first + `],"more":false,` + tail},
			{"?tried=mx-a", `{"transactions":[],"more":false,` + tail},
			{"?since=90s", `{"transactions":[` + second + `],"more":false,` + tail},
			{"?since=1999-12-31T23:58:30Z", `{"transactions":[` + second + `],"more":false,` + tail},
			{"?around=2000-01-01T00:05:00Z", `{"transactions":[],"more":false,` + tail},
			{"?id=", `{"transactions":[` + second + "," + first + `],"more":false,` + tail},
			{"?id=none", `{"transactions":[],"more":false,` + tail},
		}
		for _, tc := range tests {
			w := ask(s, "GET", "/v1/transactions"+tc.query)
			if got := strings.TrimSpace(w.Body.String()); w.Code != 200 || got != tc.want {
				t.Errorf("%s: %d\ngot  %s\nwant %s", tc.query, w.Code, got, tc.want)
			}
		}
	})
}

func TestTransactionsRefusals(t *testing.T) {
	s := kept(t)
	for query, want := range map[string]string{
		"?ide=x":              `there is no \"ide\" to search by; there are around, backend, client, from, id, `,
		"?client=example.com": "client wants an IP address",
		"?around=noon":        "around wants a time such as 10:32",
		"?since=-1h":          "since wants a duration",
		"?limit=0":            "limit wants a whole number from 1 to 1000",
		"?limit=1001":         "limit wants",
	} {
		if w := ask(s, "GET", "/v1/transactions"+query); w.Code != 400 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
	s.deps.History = givesUp{}
	if w := ask(s, "GET", "/v1/transactions"); w.Code != 503 {
		t.Errorf("a search that is given up: %d", w.Code)
	}
	s.deps.History = nil
	if w := ask(s, "GET", "/v1/transactions"); w.Code != 501 {
		t.Errorf("without: %d", w.Code)
	}
}

type givesUp struct{}

func (givesUp) Find(context.Context, *history.Query) (history.Found, error) {
	return history.Found{}, errors.New("no time")
}

// The time of a day is the last such that was.
func TestAroundTheTimeOfADay(t *testing.T) {
	now := time.Date(2026, 3, 4, 10, 30, 0, 0, time.FixedZone("", 3600))
	for text, want := range map[string]string{
		"10:29": "2026-03-04T10:29:00+01:00", "10:30": "2026-03-04T10:30:00+01:00", "10:32": "2026-03-03T10:32:00+01:00",
		"09:00:07": "2026-03-04T09:00:07+01:00", "2026-01-01T00:00:00Z": "2026-01-01T00:00:00Z",
	} {
		if got, err := momentOf(text, now); err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("%s: %v, %v, want %s", text, got, err, want)
		}
	}
}
