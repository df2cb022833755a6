package balancer

import (
	"io"
	"net"
	"strconv"
	"time"

	"weir/balancer/gate"
	"weir/internal/smtp"
	"weir/internal/socket"
)

// How a session speaks to its sender, and hangs up.

// maxReplies is how many octets of replies are gathered before they are sent.
const maxReplies = 4 << 10

// idleBuffer is how large a buffer for replies a session may keep.
const idleBuffer = 512

// lingering is how long a sender may take to notice that it was hung up on.
const lingering = time.Second

// hangUp closes without a reset where the sender may still be sending, so that
// it can read the last reply. Our half ends first in any case: a close on something
// unread is a reset, which would leave behind what still waits for the end (see send).
func (s *session) hangUp() {
	defer s.raw.Close()
	lingers := (s.unsealed || s.in.Look() == smtp.Spoke) && take(&s.srv.lingering, maxLingering)
	s.sayNoMore()
	err := s.raw.CloseWrite()
	if !lingers {
		return
	}
	defer s.srv.lingering.Add(-1)
	if err == nil {
		_ = s.raw.SetReadDeadline(time.Now().Add(lingering))
		_, _ = io.CopyN(io.Discard, s.raw, 1<<20)
	}
}

// flush sends the replies that are waiting.
func (s *session) flush() error { return s.send(false) }

// send is flush. The last words go out with the end of the connection, where they are
// not under TLS of ours: one wake-up of the sender less, some 3 % of a connection with one
// message.
func (s *session) send(last bool) error {
	if len(s.out) == 0 {
		return nil
	}
	if s.deaf {
		return errDeaf // one deadline was enough
	}
	gone := s.tarpit()
	s.standBack()
	s.raw.Have(socket.Patience{Within: s.front.Timeouts.Command})
	var err error
	if last && s.nc == net.Conn(s.raw) {
		_, err = s.raw.WriteLast(s.out)
	} else {
		_, err = s.nc.Write(s.out)
	}
	s.tick()
	s.deaf = err != nil
	if err == nil {
		err = gone // it may listen still, if it has only ended its half
	}
	if s.out = s.out[:0]; cap(s.out) > idleBuffer {
		s.out = nil
	}
	return err
}

// relay queues a reply as it stands, its enhanced code made where it has none.
func (s *session) relay(r *smtp.Reply) { s.out = r.Append(s.out, true) }

// reply queues a reply of weir's own. Those that report a failure end in the id
// under which the log has it.
func (s *session) reply(code int, enh smtp.EnhancedCode, text string) {
	s.out = strconv.AppendInt(s.out, int64(code), 10)
	s.out = append(s.out, ' ')
	if enh != (smtp.EnhancedCode{}) {
		s.out = append(enh.Append(s.out), ' ')
	}
	s.out = append(s.out, text...)
	if code >= 400 {
		s.out = append(append(append(s.out, " (weir "...), s.currentID()...), ')')
	}
	s.out = append(s.out, '\r', '\n')
}

// currentID is the id of the transaction, or of the session between them.
func (s *session) currentID() string {
	if s.tx != nil {
		return s.tx.id
	}
	return s.id
}

// complain answers a bad command, and ends the session after too many of them.
func (s *session) complain(code int, enh smtp.EnhancedCode, text string) {
	s.reply(code, enh, text)
	s.erred()
}

// erred counts an error of the sender's.
func (s *session) erred() {
	s.errors++
	if limit := s.front.Limits.Errors; limit > 0 && s.errors >= limit {
		s.visit.Offend(gate.TooManyErrors, s.now)
		s.reply(421, enhanced(4, 7, 0), "Too many errors")
		s.finish("too many errors")
	}
}

// outOfTurn answers a command that wants another one before it.
func (s *session) outOfTurn(text string) {
	if s.putOff {
		s.reply(503, enhanced(5, 5, 1), text)
		return
	}
	s.complain(503, enhanced(5, 5, 1), text)
}

func enhanced(class, subject, detail uint16) smtp.EnhancedCode {
	return smtp.EnhancedCode{Class: class, Subject: subject, Detail: detail}
}
