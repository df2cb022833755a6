package balancer

import (
	"weir/internal/backend"
	"weir/internal/smtp"
	"weir/policies"
)

// needs is what the sender asks of a connector by MAIL.
func (t *transaction) needs() policies.Needs {
	var n policies.Needs
	if t.mail.Size > 0 {
		n.Size = t.mail.Size + edgeRoom // as MAIL will declare it
	}
	if t.mail.Body == smtp.Body8BitMIME {
		n.Ext |= backend.Ext8BitMIME
	}
	return n
}

// able checks that a pool of the way can serve what the sender asked for (P31),
// and fixes the answer when none can.
func (t *transaction) able() bool {
	if t.req.Needs == (policies.Needs{}) {
		return true
	}
	t.places = t.s.front.places(t.way, t.req.Needs, t.places[:0])
	refusal, unable := unableAll(t.places, t.req.Needs)
	if unable {
		t.decideIn(refusal)
	}
	return !unable
}

// unableAll returns what a sender is told whose message nobody of these pools can
// take, now or ever. Where nobody is eligible at all that is not the reason.
func unableAll(places []place, needs policies.Needs) (words, bool) {
	var ever, tooBig, eligible bool
	for i := range places {
		p := places[i].pool
		able := p.candidates(false).Able(needs)
		if able.Now {
			return words{}, false
		}
		ever, tooBig = ever || able.Ever, tooBig || able.TooBig
		eligible = eligible || p.view().Eligible > 0
	}
	switch {
	case !eligible:
		return words{}, false
	case ever:
		return words{451, enhanced(4, 4, 4), "No connector that can take this message is available"}, true
	case tooBig:
		return words{552, enhanced(5, 3, 4), "Message is larger than any connector takes"}, true
	default:
		return words{554, enhanced(5, 6, 3), "No connector takes 8-bit content"}, true
	}
}
