package balancer

import (
	"strconv"

	"weir/internal/smtp"
)

// words are a reply of weir's own, before it has an id.
type words struct {
	Code     int
	Enhanced smtp.EnhancedCode
	Text     string
}

// What senders are told for want of a connector (P2), or of a way to one.
var (
	noConnector = words{451, enhanced(4, 3, 2), "No connector is available, try again later"}
	noRoute     = words{550, enhanced(5, 7, 1), "No route for this recipient"}
	nobodyAble  = words{451, enhanced(4, 4, 4), "No connector that can take this message is available"}
	oneByOne    = words{452, enhanced(4, 5, 3), "One recipient at a time here, send this recipient in another transaction"}
	otherNeeds  = words{452, enhanced(4, 5, 3), "This recipient needs another connector, send it in another transaction"}
	otherWay    = words{452, enhanced(4, 5, 3), "Other recipients go another way, send this recipient in another transaction"}
)

// tooLarge is what a sender is told at MAIL of a message larger than was offered.
func tooLarge(limit int64) words {
	return words{552, enhanced(5, 3, 4), "Message is larger than " + strconv.FormatInt(limit, 10) + " octets"}
}

// text is the words as the sender reads them, without an id.
func (w words) text() string {
	r := smtp.NewReply(w.Code, w.Enhanced, w.Text)
	return r.String()
}
