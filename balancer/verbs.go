package balancer

import (
	"errors"

	"weir/internal/smtp"
)

// dispatch carries out one command.
func (s *session) dispatch(line []byte) {
	cmd, ok := smtp.ParseCommand(line)
	if !ok {
		s.settle()
		s.complain(501, enhanced(5, 5, 2), "A command must not contain control characters")
		return
	}
	if s.tx == nil && cmd.Verb != smtp.VerbQuit && (s.leaving() || s.forsaken()) {
		s.farewell()
		return
	}
	if s.expired() && cmd.Verb != smtp.VerbQuit {
		s.tooOld()
		return
	}
	if cmd.Verb == smtp.VerbMail && s.tx == nil {
		s.refresh()
	}
	if s.front.TLS == TLSRequired && s.secured == nil && !worksPlain(cmd.Verb) {
		s.demandTLS(cmd)
		return
	}
	switch cmd.Verb {
	case smtp.VerbMail:
		s.onMail(cmd.Arg)
	case smtp.VerbRcpt:
		s.onRcpt(cmd.Arg)
	case smtp.VerbData:
		s.onData(cmd.Arg)
	case smtp.VerbBdat:
		s.onBdat(cmd.Arg)
	case smtp.VerbEHLO, smtp.VerbHELO:
		s.onHello(cmd)
	case smtp.VerbRset:
		s.onRset(cmd.Arg)
	case smtp.VerbAuth:
		s.onAuth(cmd.Arg)
	case smtp.VerbQuit:
		s.onQuit()
	case smtp.VerbStartTLS:
		s.onStartTLS(cmd.Arg)
	case smtp.VerbXClient:
		s.onXClient(cmd.Arg)
	case smtp.VerbXForward:
		s.onXForward(cmd.Arg)
	default:
		s.onOther(cmd.Verb)
	}
}

// onOther answers what weir answers alone (P36), and what it does not offer.
func (s *session) onOther(verb smtp.Verb) {
	switch verb {
	case smtp.VerbNoop:
		s.reply(250, enhanced(2, 0, 0), "OK")
	case smtp.VerbHelp:
		s.reply(214, enhanced(2, 0, 0), "See RFC 5321")
	case smtp.VerbVrfy:
		s.reply(252, enhanced(2, 5, 1), "Send some mail, it will be tried")
	case smtp.VerbHTTP:
		s.reply(421, enhanced(4, 7, 0), "This is SMTP, not HTTP")
		s.finish("HTTP on the SMTP port")
	case smtp.VerbUnknown, smtp.VerbLHLO:
		s.complain(500, enhanced(5, 5, 2), "Command unknown")
	default:
		s.complain(502, enhanced(5, 5, 1), "Command not offered")
	}
}

func (s *session) onHello(cmd smtp.Command) {
	name, ok := smtp.ParseHello(cmd.Arg)
	if !ok {
		s.complain(501, enhanced(5, 5, 4), "A host name is wanted")
		return
	}
	s.resetTransaction()
	s.helo, s.extended = name, cmd.Verb == smtp.VerbEHLO
	if s.claimed != nil && s.claimed.Known&smtp.AttrHelo != 0 {
		s.helo = s.claimed.Helo // it was told for the client, who is another
	}
	if s.extended {
		s.out = s.appendEHLO(s.out)
		return
	}
	s.out = append(append(append(s.out, "250 "...), s.front.hostname...), '\r', '\n')
}

func (s *session) onRset(arg []byte) {
	if len(arg) > 0 {
		s.complain(501, enhanced(5, 5, 4), "RSET takes no argument")
		return
	}
	s.resetTransaction()
	s.reply(250, enhanced(2, 0, 0), "OK")
}

func (s *session) resetTransaction() {
	if s.tx != nil {
		s.tx.abort()
	}
	s.skipBdat.Reset()
	s.putOff, s.forwarded = false, nil
}

func (s *session) onQuit() {
	s.resetTransaction()
	s.reply(221, enhanced(2, 0, 0), "Bye")
	s.finish("quit")
}

// onMail checks MAIL and holds it: the pool is not known before the first
// recipient is.
func (s *session) onMail(arg []byte) {
	limits := &s.front.Limits
	switch {
	case s.helo == "":
		s.complain(503, enhanced(5, 5, 1), "EHLO first")
		return
	case s.tx != nil:
		s.complain(503, enhanced(5, 5, 1), "One MAIL at a time")
		return
	case limits.MessagesPerConnection > 0 && s.messages >= limits.MessagesPerConnection:
		s.reply(421, enhanced(4, 7, 0), "Enough messages for one connection, connect again")
		s.finish("messages_per_connection reached")
		return
	}
	mail, err := smtp.ParseMail(arg, s.parameters())
	if err != nil {
		s.complainOf(err)
		return
	}
	s.skipBdat.Reset()
	s.engage()
	s.begin(mail)
	switch {
	case s.offer.size > 0 && mail.Size > s.offer.size:
		s.tx.end(tooLarge(s.offer.size), Rejected)
	case s.pinned.Load() == nil && !s.front.anybody():
		s.tx.nobodyAnywhere()
	default:
		s.reply(250, enhanced(2, 1, 0), "Sender OK")
	}
	s.putOff = s.tx == nil
}

// complainOf answers a command that could not be parsed.
func (s *session) complainOf(err error) {
	var syntax *smtp.SyntaxError
	if errors.As(err, &syntax) {
		s.complain(syntax.Code, syntax.Enhanced, syntax.Text)
	}
}

// onRcpt gathers the recipients of a pipelined group, and hands the group over
// when nothing more of it is here.
func (s *session) onRcpt(arg []byte) {
	t := s.tx
	if t == nil || t.content != nil {
		s.outOfTurn("MAIL first")
		return
	}
	rcpt, err := smtp.ParseRcpt(arg, t.mail.ForRcpt(s.parameters()))
	if err != nil {
		t.flushGroup(false)
		s.complainOf(err)
		return
	}
	if limit := s.front.Limits.Recipients; limit > 0 && len(t.accepted)+len(t.group) >= limit {
		t.flushGroup(false)
		s.reply(452, enhanced(4, 5, 3), "Too many recipients, send the rest in another transaction")
		return
	}
	t.gather(rcpt)
	if told, unwelcome := s.front.unwelcome(rcpt.To); unwelcome && s.auth.mechanism == "" { // who has authenticated sends to anybody
		t.answer(&t.group[len(t.group)-1], told)
		t.flushGroup(false)
		s.erred()
		return
	}
	next := smtp.VerbUnknown
	if line, here := s.in.PeekCommand(); here {
		next = smtp.PeekVerb(line)
		if next == smtp.VerbRcpt && len(t.group) < maxGroup {
			return
		}
		if next == smtp.VerbData && len(line) != len("DATA") {
			next = smtp.VerbUnknown
		}
	}
	t.flushGroup(next == smtp.VerbData)
}

// settle answers recipients that were gathered in expectation of another one.
func (s *session) settle() {
	if s.tx != nil {
		s.tx.flushGroup(false)
	}
}
