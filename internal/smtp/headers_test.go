package smtp

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const token = "weir-token"

// watched is what Headers found.
type watched struct {
	received, own int
	id            string
}

func watch(h *Headers, message string, cut cutter) watched {
	h.Reset(token)
	pieces([]byte(message), cut, h.Write)
	return watched{h.Received, h.Own, h.MessageID}
}

func TestHeaders(t *testing.T) {
	long := strings.Repeat("x", maxHeaderLine)
	tests := []struct {
		message string
		want    watched
	}{
		{"", watched{}},
		{"\r\n", watched{}},
		{"Subject: a\r\n\r\nReceived: b\r\n", watched{}}, // that is body
		{"\r\nReceived: a\r\n", watched{}},
		{"Received: a\r\nRECEIVED: b\r\nreceived:c\r\n\r\n", watched{received: 3}},
		{"Received : a\r\nRECEIVED \t : weir-token\r\nReceived\r\nReceived \r\nReceived x: b\r\nMessage-ID :<a@b>\r\n\r\n", watched{2, 1, "<a@b>"}}, // RFC 5322 section 4.5.8
		{"Received: a\r\nX-Received: b\r\nReceived-SPF: c\r\n Received: d\r\n\r\n", watched{received: 1}},
		{"Received: from a by weir-token id 1\r\n\r\n", watched{1, 1, ""}},
		{"Received: from a\r\n\tby b (weir-token)\r\n\tid 1\r\n\r\n", watched{1, 1, ""}},
		{"Received: weir-token\r\n weir-token\r\n\tweir-token\r\n\r\n", watched{1, 1, ""}}, // one field, one hop
		{"Received: a\r\nX: y\r\n weir-token\r\n\r\n", watched{1, 0, ""}},
		{"X: weir-token\r\nReceived: a\r\nReceived: weir-token\r\nReceived: b\r\n weir-token\r\n\r\n", watched{3, 2, ""}},
		{"Message-ID: <a@b>\r\n\r\n", watched{id: "<a@b>"}},
		{"MESSAGE-id:<a@b>   \r\n\r\n", watched{id: "<a@b>"}},
		{"Message-ID:\r\n <a@b>\r\n\r\n", watched{id: "<a@b>"}},
		{"Message-ID: \r\n \t \r\n\t<a@b>\r\n\r\n", watched{id: "<a@b>"}},
		{"Message-ID: <a@b>\r\n <c@d>\r\nMessage-ID: <e@f>\r\n\r\n", watched{id: "<a@b>"}},
		{"Message-ID:\r\nSubject:\r\n <c@d>\r\n\r\n", watched{}},
		{"Message-IDs: <a@b>\r\n\r\n", watched{}},
		{"Message-ID: <a@b>", watched{}}, // no line yet
		{"X: " + long + long + "\r\nReceived: a\r\n\r\n", watched{received: 1}},
		{"Received: " + long + "weir-token\r\nMessage-ID: <a@b>\r\n\r\n", watched{1, 0, "<a@b>"}},
		{"Message-ID: " + long + "\r\n\r\n", watched{id: long[:maxHeaderLine-len("Message-ID: ")]}},
		{long + "\r\n\r\nReceived: body\r\n", watched{}},
	}
	var h Headers // one for all: nothing is left of the message before
	for _, test := range tests {
		eachCut(len(test.message), func(name string, cut cutter) {
			if got := watch(&h, test.message, cut); got != test.want {
				t.Errorf("%.60q %s: %.40v, want %.40v", test.message, name, got, test.want)
			}
		})
	}
}

func TestHeadersWithoutToken(t *testing.T) {
	var h Headers
	h.Write([]byte("Received: a\r\n\r\n"))
	if h.Received != 1 || h.Own != 0 {
		t.Errorf("%d fields, %d of our own", h.Received, h.Own)
	}
}

// However the header section is split, the same is found in it; and however long
// a line is, little of it is kept.
func TestHeadersSplit(t *testing.T) {
	words := rapid.SampledFrom([]string{
		"Received:", "Message-ID:", "Subject:", " ", "\t", "\r\n", "\r\n", "\r\n ", "\r\n\t", token, "<a@b>", "x", ".",
		strings.Repeat("y", maxHeaderLine-12), strings.Repeat("z", 3000),
	})
	rapid.Check(t, func(t *rapid.T) {
		message := strings.Join(rapid.SliceOfN(words, 0, 40).Draw(t, "words"), "")
		var h Headers
		whole := watch(&h, message, wholly)
		split := watch(&h, message, drawCutter(t))
		if whole != split {
			t.Fatalf("%q: %v, and split %v", message, whole, split)
		}
		if len(h.line) > maxHeaderLine || len(h.MessageID) > maxHeaderLine {
			t.Fatalf("%d octets of a line kept, message id of %d", len(h.line), len(h.MessageID))
		}
	})
}
