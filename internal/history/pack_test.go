package history

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// What is packed has the room that is kept for it, however long its words are: else each
// would cost a page of its own.
func TestRoomIsEnough(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := func(name string) string {
			return strings.Repeat("x", rapid.SampledFrom([]int{0, 1, 127, 128, maxText, maxReply, maxReply + 1}).Draw(t, name))
		}
		number := func(name string) int64 { return rapid.Int64().Draw(t, name) }
		one := &Transaction{
			ID: word("id"), Session: word("session"), Time: noon(), Listener: word("listener"), HELO: word("helo"), From: word("from"),
			Client: netip.MustParseAddrPort("[fe80:ffff:ffff:ffff:ffff:ffff:ffff:ffff%enp5s0f1np1]:65535"), RcptCount: int(number("count")),
			Pool: word("pool"), Backend: word("backend"), Stage: word("stage"), By: word("by"), RemoteID: word("remote"), MessageID: word("message"),
			Reply: word("reply"), Code: int(number("code")), Bytes: number("bytes"), Replays: int(number("replays")), Outcome: word("outcome"),
		}
		for range rapid.IntRange(0, maxRcpts+1).Draw(t, "rcpts") {
			one.Rcpts = append(one.Rcpts, word("rcpt"))
		}
		for range rapid.IntRange(0, maxTries+1).Draw(t, "tries") {
			one.Tries = append(one.Tries, Try{word("tried"), word("why")})
		}
		if packed, kept := len(pack(nil, one)), room(one); packed > kept {
			t.Fatalf("%d octets for %d", kept, packed)
		}
	})
}

func TestReplyTextStandsForReply(t *testing.T) {
	r, words := NewRing(1), []byte("250 2.0.0 Ok: queued as 4XYZ")
	want := sample("a", noon())
	one := *want
	one.Reply, one.ReplyText = "", words
	r.Add(&one)
	clear(words) // they are the caller's again
	found, err := r.Find(t.Context(), &Query{Limit: 1})
	if err != nil || len(found.Transactions) != 1 || !reflect.DeepEqual(found.Transactions[0], *want) {
		t.Errorf("%+v, %v; want %+v", found, err, want)
	}
}
