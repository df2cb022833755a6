package balancer

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"weir/internal/backend"
	"weir/internal/smtp"
	"weir/policies"
)

// Explain says who would get a transaction that began now, and why, and changes
// nothing; or what its sender would be told at MAIL or RCPT. An empty Listener means
// the first that goes by routes, or else the first. Needs are what the sender would
// ask for by parameters of MAIL: of the extensions those that have one. It fails when
// there is no such listener.
func (s *Server) Explain(q *policies.Query, needs policies.Needs) (policies.Explanation, error) {
	f, err := s.setup.Load().meant(q.Listener)
	if err != nil {
		return policies.Explanation{}, err
	}
	ex := policies.Explanation{Listener: f.Name}
	asked := *q
	asked.Listener, asked.Size = f.Name, max(q.Size, needs.Size)
	told, refused := f.hear(&asked, &needs)
	e := explainer{req: policies.Request{
		Client: asked.Client, From: asked.From, Rcpt: asked.Rcpt, Needs: needs, Now: time.Now(),
	}}
	way := f.explainRoute(&asked, &ex)
	if f.routes == nil || way != nil {
		e.places = f.places(way, needs, nil)
		for i := range e.places {
			e.explain(&e.places[i])
		}
	} else if !refused {
		told, refused = noRoute, true
	}
	switch {
	case refused:
		e.unuse()
	default:
		told, refused = e.verdict()
	}
	ex.Pools = e.pools
	if refused {
		ex.Code, ex.Reply = told.Code, told.text()
	}
	return ex, nil
}

// explainRoute notes the route of a recipient, and returns its way.
func (f *front) explainRoute(asked *policies.Query, ex *policies.Explanation) *policies.Way {
	if f.routes == nil {
		return nil
	}
	way, route := f.routes.Find(asked)
	if way != nil {
		ex.Route, ex.Match = route.Name, f.routes.Pattern(asked)
	}
	return way
}

// hear judges MAIL and RCPT as a session that has said EHLO does, before any way is
// looked for. It puts the addresses and needs as they were understood into what was
// asked.
func (f *front) hear(asked *policies.Query, needs *policies.Needs) (told words, refused bool) {
	offer := f.offer()
	mail := smtp.Mail{
		From: asked.From, Size: asked.Size, HasSize: asked.Size > 0,
		UTF8: needs.Ext&backend.ExtSMTPUTF8 != 0, RequireTLS: needs.Ext&backend.ExtRequireTLS != 0,
	}
	switch {
	case needs.Ext&backend.ExtBinaryMIME != 0:
		mail.Body = smtp.BodyBinaryMIME
	case needs.Ext&backend.Ext8BitMIME != 0:
		mail.Body = smtp.Body8BitMIME
	}
	*needs = needsOf(&mail)
	ext := smtp.Extensions(offer.ext)
	mail, err := smtp.ParseMail(argument(mail.Append(nil)), ext)
	switch {
	case err != nil:
		return wordsOf(err)
	case offer.size > 0 && mail.Size > offer.size:
		return tooLarge(offer.size), true
	case !f.anybody():
		return noConnector, true
	case asked.Rcpt == "":
		return words{}, false // it is MAIL alone that was asked about
	}
	rcpt, err := smtp.ParseRcpt(argument(smtp.AppendRcpt(nil, asked.Rcpt)), mail.ForRcpt(ext))
	if err != nil {
		return wordsOf(err)
	}
	asked.From, asked.Rcpt = mail.From, rcpt.To
	return f.unwelcome(rcpt.To)
}

// argument is what a command's line has behind its verb.
func argument(line []byte) []byte { return bytes.TrimSuffix(line[len("MAIL "):], []byte("\r\n")) }

// wordsOf is what a sender is told of a command that could not be parsed.
func wordsOf(err error) (told words, refused bool) {
	var syntax *smtp.SyntaxError
	if errors.As(err, &syntax) {
		return words{syntax.Code, syntax.Enhanced, syntax.Text}, true
	}
	return words{}, false
}

// meant returns how the listener of a name treats its senders.
func (u *setup) meant(name string) (*front, error) {
	for _, f := range u.fronts {
		if f.Name == name || name == "" && f.routes != nil {
			return f, nil
		}
	}
	switch {
	case name != "":
		return nil, fmt.Errorf("there is no listener %q", name)
	case len(u.fronts) == 0:
		return nil, errors.New("there is no listener")
	}
	return u.fronts[0], nil
}

// verdict is what the sender is told when it gets no connector.
func (e *explainer) verdict() (words, bool) {
	if told, unable := unableAll(e.places, e.req.Needs); unable {
		return told, true
	}
	return noConnector, !e.found
}

// unuse takes back that any pool is used.
func (e *explainer) unuse() {
	for i := range e.pools {
		e.pools[i].Used = false
	}
}
