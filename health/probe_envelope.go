package health

import (
	"time"

	"weir/internal/backend"
	"weir/internal/smtp"
)

// envelope offers a recipient and takes it back. A recipient refused for good is
// policy: the connector is alive (P37), unless its peers accept it (P18), which
// one probe cannot know.
func (v *visit) envelope() error {
	if v.conn.Capabilities().Has(backend.ExtPipelining) {
		v.ahead()
	}
	if err := v.sender(); err != nil {
		return err
	}
	if err := v.recipient(2, 5); err != nil {
		return err
	}
	// What RSET is answered says nothing about mail, so long as it is answered
	// and the answer is not 421.
	_, err := v.command(backend.StageRcpt, cmdReset, 2, 4, 5)
	return err
}

const cmdReset = "RSET"

func (v *visit) mailCommand() string { return "MAIL FROM:<" + v.prober.cfg.From + ">" }

func (v *visit) rcptCommand() string { return "RCPT TO:<" + v.prober.cfg.To + ">" }

func (v *visit) sender() error {
	_, err := v.command(backend.StageMail, v.mailCommand(), 2)
	return err
}

func (v *visit) recipient(classes ...int) error {
	reply, err := v.command(backend.StageRcpt, v.rcptCommand(), classes...)
	v.report.Rcpt = reply
	return err
}

// ahead has the whole envelope go out in one write, as mail does where the connector
// offers PIPELINING (RFC 2920): with a thousand connectors the waits between the
// commands are a good part of what probing costs both sides. QUIT stays behind: Exim waits
// 200 ms before it answers that, and holds the answers in front of it back so long.
func (v *visit) ahead() {
	out := v.conn.Pending()
	for _, c := range [...]string{v.mailCommand(), v.rcptCommand(), cmdReset} {
		out = append(append(out, c...), '\r', '\n')
		v.due++
	}
	v.conn.SetPending(out)
}

// exchange sends a command, unless it is in a group that goes out or has gone out,
// and reads its answer.
func (v *visit) exchange(text string, reply *smtp.Reply, deadline time.Time) error {
	if v.due == 0 {
		return v.conn.Do(text, reply, deadline)
	}
	v.due--
	if err := v.conn.Flush(deadline); err != nil {
		return err
	}
	return v.conn.ReadReply(reply, deadline)
}

// awaitGroup reads what is still to come of a group: answers that mean nothing any
// more.
func (v *visit) awaitGroup(deadline time.Time) error {
	var reply smtp.Reply
	for ; v.due > 0; v.due-- {
		if err := v.conn.ReadReply(&reply, deadline); err != nil {
			return err
		}
	}
	return nil
}
