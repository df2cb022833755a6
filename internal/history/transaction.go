package history

import (
	"net/netip"
	"time"
)

// Transaction is one that has ended. The names are those of its line in the log.
type Transaction struct {
	ID         string         `json:"id"`
	Session    string         `json:"session"`
	Time       time.Time      `json:"time"` // its end
	Listener   string         `json:"listener"`
	Client     netip.AddrPort `json:"client"`
	HELO       string         `json:"helo"`
	From       string         `json:"from"`
	Rcpts      []string       `json:"rcpts"`                // the first of them
	RcptCount  int            `json:"rcpt_count,omitempty"` // all, where Rcpts lacks some
	Pool       string         `json:"pool"`
	Backend    string         `json:"backend"`
	Tries      []Try          `json:"tries"`
	Replays    int            `json:"replays"`
	Stage      string         `json:"stage"`
	Code       int            `json:"code"`
	Reply      string         `json:"reply"`
	By         string         `json:"by"` // weir | connector; empty: there was no reply
	RemoteID   string         `json:"remote_id"`
	MessageID  string         `json:"message_id"`
	Bytes      int64          `json:"bytes"`
	DurationMS float64        `json:"duration_ms"`
	Outcome    string         `json:"outcome"`

	// ReplyText is for adding one: it stands for Reply where it is not nil, and is the
	// caller's again afterwards. What is found has none.
	ReplyText []byte `json:"-"`
}

// Try is a connector that was asked and left.
type Try struct {
	Backend string `json:"backend"`
	Why     string `json:"why"`
}
