package balancer

import (
	"errors"
	"time"

	"weir/internal/smtp"
)

// converse carries challenges and responses until somebody ends it.
func (r *authRelay) converse() {
	t := r.t
	for n := 0; t.reply.Code == 334; n++ {
		response, ok := r.response()
		if !ok {
			return
		}
		f := fault{kind: faultLost, stage: authStage, why: "there is no end of challenges"}
		if n < maxChallenges {
			r.bound = true // others have other challenges, and should not hear the responses
			f = r.say(response, time.Now().Add(totalAuth))
		}
		if f.kind != noFault {
			r.leave(&f)
			r.putOff()
			return
		}
	}
	r.decided()
}

// say sends one line of the dialogue.
func (r *authRelay) say(line string, limit time.Time) fault {
	a := r.t.at
	a.SetPending(append(append(a.Pending(), line...), '\r', '\n'))
	return r.exchange(limit)
}

// response returns the answer to the connector's challenge: the initial response
// that was too long for the command, or what the sender says to it. It returns
// false when the sender gave up, or is gone.
func (r *authRelay) response() (string, bool) {
	if r.initial {
		r.initial = false
		return r.auth.Initial, true
	}
	s := r.s
	s.out = append(append(append(s.out, "334 "...), r.t.reply.Text()...), '\r', '\n')
	line, err := s.readResponse()
	var response string
	if err == nil {
		response, err = smtp.ParseAuthResponse(line)
	}
	var syntax *smtp.SyntaxError
	switch {
	case err == nil:
		return response, true
	case errors.As(err, &syntax):
		r.cancel()
		s.complainOf(err)
	case errors.Is(err, smtp.ErrLineTooLong):
		r.cancel()
		s.complain(500, enhanced(5, 5, 6), "Line too long")
	case errors.Is(err, smtp.ErrBareNewline):
		r.cancel()
		s.complain(501, enhanced(5, 5, 2), "Lines end in CRLF; this one has a bare LF")
	default:
		r.t.drop()
		s.readFailed(err)
	}
	return "", false
}

// readResponse sends the challenge and waits for the sender. Nothing is lost when
// weir ends the session here.
func (s *session) readResponse() ([]byte, error) {
	if err := s.flush(); err != nil {
		return nil, err
	}
	s.atBoundary.Store(true)
	defer s.atBoundary.Store(false)
	var line []byte
	err := s.listen(s.commandDeadline(s.front.Timeouts.Command), func() (err error) {
		line, err = s.in.ReadCommand(smtp.MaxAuthLine)
		return err
	})
	return line, err
}

// cancel takes AUTH back at the connector (RFC 4954 section 4).
func (r *authRelay) cancel() {
	if f := r.say("*", time.Now().Add(goodbye)); f.kind != noFault {
		r.leave(&f)
		return
	}
	r.dismiss()
}

// decided tells the sender what the connector has decided. One that lets it in is
// where its session stays.
func (r *authRelay) decided() {
	s, t := r.s, r.t
	reply := &t.reply
	switch {
	case reply.Code == 235:
		u := t.at.upstream
		t.detach()
		t.endPart(u.backend)
		s.pin(u)
		s.auth.mechanism = r.auth.Mechanism
		s.relay(reply)
	case misunderstood(reply.Code) && reply.Code != 500: // that may be of a line too long
		f := r.declined(faultMisfit)
		r.leave(&f)
		r.putOff()
		return
	case reply.Class() == 5:
		r.dismiss()
		s.relay(reply)
		s.erred()
	default:
		r.dismiss()
		s.relay(reply)
	}
	r.answered(reply.Code, reply.Enhanced, true)
}
