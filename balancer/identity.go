package balancer

import (
	"time"

	"weir/internal/backend"
	"weir/internal/connector"
	"weir/internal/smtp"
	"weir/policies"
)

// How connectors are told of the client (P32), and what becomes of it when they
// do not like to be told.

// client returns whom a connection of the pool is for: nobody in particular, where
// its connectors are not told of clients or anew for each transaction.
func (t *transaction) client(p *pool) connector.Client {
	switch p.Identity {
	case connector.IdentityProxyV1, connector.IdentityProxyV2, connector.IdentityXCLIENT:
		return t.s.identity()
	default:
		return connector.Client{}
	}
}

// forward tells a connector of the transaction's client in front of its MAIL, where
// it is configured so and the connector offers XFORWARD. What goes out together
// with other commands is answered before them: it returns how many answers there
// will be. Alone it is answered at once.
func (t *transaction) forward(a *attempt, first step, alone bool, limit time.Time) (answers int, f fault) {
	if t.pool.Identity != connector.IdentityXFORWARD || first != stepMail {
		return 0, fault{}
	}
	client := t.s.identity()
	out, answers := a.AppendForward(a.Pending(), &client, t.id)
	a.SetPending(out)
	if answers == 0 || !alone {
		return answers, fault{}
	}
	sendErr := t.flush(a, backend.StageMail, limit)
	return 0, t.forwarded(a, answers, limit, sendErr)
}

// forwarded takes in the answers to XFORWARD. A refusal is no obstacle to the mail,
// but the operator wants to know of it.
func (t *transaction) forwarded(a *attempt, answers int, limit time.Time, sendErr error) fault {
	for range answers {
		ticket, f := t.await(backend.StageMail, limit, sendErr)
		if f.kind != noFault {
			t.failed(ticket, &f)
			return f
		}
		t.tell(ticket, backend.Outcome{Verdict: backend.Neutral, At: t.now, Code: t.reply.Code})
		if t.reply.Class() != 2 {
			t.rec.Misuse = a.backend.ID().String() + " refuses XFORWARD: " + t.reply.String()
		}
	}
	return fault{}
}

// lacks returns why a connector cannot serve the transaction although it was taken
// for one that can: what it says on this connection is less than what it was last
// seen to offer (P31). Empty: it can.
func (t *transaction) lacks(u *upstream) string {
	needs := t.req.Needs
	if needs.Ext == 0 && needs.Size == 0 {
		return ""
	}
	caps := u.Capabilities()
	caps.Known = true // it has said what it has, be it nothing
	if c := (policies.Candidate{Capabilities: caps}); c.Serves(needs) {
		return ""
	}
	return lacks(caps, needs)
}

// spurned recognises a refusal of MAIL that speaks of a parameter of MAIL, by a
// connector that offers that: the next may mean what it offers.
func (t *transaction) spurned() bool {
	ext, e := t.req.Needs.Ext, t.reply.Enhanced
	switch {
	case ext == 0:
		return false
	case t.reply.Code == 501, t.reply.Code == 504:
		return e.Subject == 5 || e == (smtp.EnhancedCode{}) // about the command, not about the sender
	case ext&backend.ExtSMTPUTF8 != 0 && e == enhanced(5, 6, 7),
		ext&(backend.Ext8BitMIME|backend.ExtBinaryMIME) != 0 && e == enhanced(5, 6, 3),
		ext&backend.ExtRequireTLS != 0 && e == enhanced(5, 7, 30):
		return true
	}
	return false
}
