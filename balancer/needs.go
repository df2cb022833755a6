package balancer

import (
	"weir/internal/backend"
	"weir/internal/smtp"
	"weir/policies"
)

// needs is what the sender asks of a connector by MAIL.
func (t *transaction) needs() policies.Needs { return needsOf(&t.mail) }

// needsOf is what a MAIL asks of a connector (P31). Content that may be binary can
// only go by BDAT (RFC 3030 section 3).
func needsOf(mail *smtp.Mail) policies.Needs {
	var n policies.Needs
	if mail.Size > 0 {
		n.Size = mail.Size + edgeRoom // as MAIL will declare it
	}
	n.Ext = backend.Extension(mail.Needs())
	if mail.Body == smtp.BodyBinaryMIME {
		n.Ext |= backend.ExtChunking
	}
	return n
}

// need takes in what a recipient asks of the connector, whichever gets the
// transaction. It returns false when somebody is accepted already at one that does
// not offer it, or may be.
func (t *transaction) need(r *recipient) bool {
	ext := backend.Extension(r.Needs())
	if t.at != nil && !t.at.Capabilities().Has(ext) {
		if len(t.wanted) > 0 || !t.free() {
			return false
		}
		t.afresh(t.way)
	}
	t.req.Needs.Ext |= ext
	return true
}

// able checks that a pool of the way can serve what the sender asked for (P31),
// and fixes the answer when none can.
func (t *transaction) able() bool {
	if t.req.Needs == (policies.Needs{}) {
		return true
	}
	if u := t.s.pinned.Load(); u != nil {
		return t.ableOn(u)
	}
	t.places = t.s.front.places(t.way, t.req.Needs, t.places[:0])
	refusal, unable := unableAll(t.places, t.req.Needs)
	if unable {
		for i := range t.places {
			t.noteUnable(t.places[i].pool)
		}
		t.decideIn(refusal)
	}
	return !unable
}

// unableAll returns what a sender is told whose message nobody of these pools can
// take, now or ever. Where nobody is eligible at all that is not the reason.
func unableAll(places []place, needs policies.Needs) (words, bool) {
	var ever, tooBig, eligible bool
	missing := needs.Ext
	for i := range places {
		p := places[i].pool
		able := p.candidates(false).Able(needs)
		if able.Now {
			return words{}, false
		}
		ever, tooBig = ever || able.Ever, tooBig || able.TooBig
		missing &= able.Missing
		eligible = eligible || p.view().Eligible > 0
	}
	switch {
	case !eligible:
		return words{}, false
	case ever:
		return nobodyAble, true
	case tooBig:
		return words{552, enhanced(5, 3, 4), "Message is larger than any connector takes"}, true
	default:
		return neverAble(missing), true
	}
}

// neverAble is what a sender is told whose message needs what no connector offers.
// Where pools lack different things, or something that was offered until now, the
// answer is not for good.
func neverAble(missing backend.Extension) words {
	switch {
	case missing&backend.ExtSMTPUTF8 != 0:
		return words{550, enhanced(5, 6, 7), "No connector takes addresses beyond ASCII"}
	case missing&backend.ExtRequireTLS != 0:
		return words{550, enhanced(5, 7, 30), "No connector can require TLS for the rest of the way"}
	case missing&(backend.ExtBinaryMIME|backend.ExtChunking) != 0:
		return words{554, enhanced(5, 6, 3), "No connector takes binary content"}
	case missing&backend.Ext8BitMIME != 0:
		return words{554, enhanced(5, 6, 3), "No connector takes 8-bit content"}
	default:
		return nobodyAble
	}
}
