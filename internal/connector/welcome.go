package connector

import (
	"errors"
	"slices"
	"strings"
	"time"

	"weir/internal/backend"
	"weir/internal/smtp"
)

// Welcome goes through what comes before mail on a connection that
// [Dialer.Connect] made: PROXY header, implicit TLS, banner, EHLO, STARTTLS and
// EHLO again, XCLIENT and EHLO again, as the dialer's fields say. Where to is
// [backend.StageConnect] it ends with the PROXY header, where it is
// [backend.StageBanner] with the banner, else with the last EHLO. Each stage has
// its timeout, and all end at the deadline. The error is an *[Error]; the
// connection stays the caller's, also then.
func (d *Dialer) Welcome(c *Conn, to backend.Stage, deadline time.Time) error {
	w := welcome{dialer: d, conn: c, deadline: deadline}
	return w.run(to)
}

// welcome is a connection before its first mail.
type welcome struct {
	dialer   *Dialer
	conn     *Conn
	deadline time.Time
	stage    backend.Stage // the last one begun
}

func (w *welcome) run(to backend.Stage) error {
	d, c := w.dialer, w.conn
	header, err := d.header(c)
	if err != nil {
		return err
	}
	if to == backend.StageConnect {
		return c.sendHeader(header, to, w.deadline)
	}
	if d.TLS.Mode == TLSImplicit {
		err = w.pass(backend.StageTLS, func(until time.Time) error {
			if err := c.sendHeader(header, backend.StageTLS, until); err != nil {
				return err
			}
			header = nil
			return d.shakeHands(c, until)
		})
		if err != nil {
			return err
		}
	}
	err = w.pass(backend.StageBanner, func(until time.Time) error {
		if err := c.sendHeader(header, backend.StageBanner, until); err != nil {
			return err
		}
		return c.Greet(until)
	})
	if err != nil || to <= backend.StageBanner {
		return err
	}
	return w.introduce()
}

// introduce says EHLO as often as it takes.
func (w *welcome) introduce() error {
	d, c := w.dialer, w.conn
	hello := func(until time.Time) error { return c.hello(d.LMTP, d.name(c), until) }
	if err := w.pass(backend.StageEHLO, hello); err != nil {
		return err
	}
	if d.wantsTLS(c) {
		if err := w.pass(backend.StageTLS, func(until time.Time) error { return d.startTLS(c, until) }); err != nil {
			return err
		}
		if c.secure != nil {
			if err := w.pass(backend.StageEHLO, hello); err != nil {
				return err
			}
		}
	}
	if !d.wantsXCLIENT(c) {
		return nil
	}
	return w.pass(backend.StageEHLO, func(until time.Time) error {
		if err := c.xclient(&d.Client, until); err != nil {
			return err
		}
		return hello(until)
	})
}

// pass goes through one stage within its time.
func (w *welcome) pass(stage backend.Stage, do func(until time.Time) error) error {
	start := time.Now()
	w.stage = stage
	err := do(w.dialer.until(stage, start, w.deadline))
	if e := (*Error)(nil); errors.As(err, &e) {
		e.plain = e.plain && time.Now().Before(w.deadline)
		if !e.plain {
			return err
		}
	}
	w.dialer.passed(stage, start)
	return err
}

// name is what weir says its name is: behind PROXY and XCLIENT that of the client,
// as servers take the last EHLO for the client's, whatever they were told before.
func (d *Dialer) name(c *Conn) string {
	if c.named && isName(c.client.HELO) {
		return c.client.HELO
	}
	return d.Hostname
}

// Rename says EHLO again to a connector that was told of a client, when that goes by
// another name by now. Any other connector is told nothing. The error is an *[Error];
// after one with a Reply the connection is still in order.
func (d *Dialer) Rename(c *Conn, helo string, deadline time.Time) error {
	was := c.client.HELO
	if !c.named || helo == was {
		return nil
	}
	c.client.HELO = helo
	err := c.hello(d.LMTP, d.name(c), deadline)
	if err != nil {
		c.client.HELO = was
	}
	return err
}

// isName reports whether a name that a client gave can be repeated in EHLO: one
// word of printable ASCII that fits a line.
func isName(name string) bool {
	return name != "" && len(name) <= maxValue &&
		!strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// Greet reads the whole banner, however many lines or pieces it comes in. Only
// 220 is a welcome (RFC 5321 section 3.1). Behind a PROXY header another answer
// judges the client (P3a).
func (c *Conn) Greet(deadline time.Time) error {
	var reply smtp.Reply
	if err := c.ReadReply(&reply, deadline); err != nil {
		return &Error{Stage: backend.StageBanner, Err: err}
	}
	c.banner = reply.Text()
	if reply.Code != 220 {
		return c.refused(backend.StageBanner, reply)
	}
	return nil
}

// refused is a refusal, which judges the client when it was named.
func (c *Conn) refused(stage backend.Stage, reply smtp.Reply) error {
	e := &Error{Stage: stage, Reply: reply}
	if c.named {
		e.Against = AgainstClient
	}
	return e
}

// hello says EHLO, and HELO to a connector that does not know EHLO (500, 502;
// RFC 5321 section 3.2); to an LMTP server LHLO and nothing else (RFC 2033 section
// 4.1). It fills in what is offered.
func (c *Conn) hello(lmtp bool, name string, deadline time.Time) error {
	var reply smtp.Reply
	verb := "EHLO "
	if lmtp {
		verb = "LHLO "
	}
	if err := c.Do(verb+name, &reply, deadline); err != nil {
		return &Error{Stage: backend.StageEHLO, Err: err}
	}
	if reply.Code == 250 {
		c.offered(reply.Lines())
		return nil
	}
	if c.proxied && slices.Contains([]int{500, 502, 503}, reply.Code) {
		return c.strayed(reply)
	}
	if !lmtp && (reply.Code == 500 || reply.Code == 502) {
		if err := c.Do("HELO "+name, &reply, deadline); err != nil {
			return &Error{Stage: backend.StageEHLO, Err: err}
		}
	}
	if reply.Code != 250 {
		return c.refused(backend.StageEHLO, reply)
	}
	c.offered([]string{""})
	return nil
}

// strayed is the failure of a connector that does not expect a PROXY header: it took the header
// for a command, and this answer is to that. It says nothing of the client, and HELO would
// get the answer to EHLO.
func (c *Conn) strayed(reply smtp.Reply) error {
	e := &Error{Stage: backend.StageEHLO, Reply: reply}
	if c.named {
		e.Against = AgainstUs
	}
	return e
}

// offered takes in the lines of a 250 to EHLO.
func (c *Conn) offered(lines []string) {
	c.offers, c.caps = lines[1:], parseCapabilities(lines)
	if !c.proven {
		c.caps.Ext &^= backend.ExtRequireTLS
	}
	if !c.plain.Known {
		c.plain = c.caps
	}
	for _, line := range c.offers {
		if keyword := keywordOf(line); !slices.Contains(c.keywords, keyword) {
			c.keywords = append(c.keywords, keyword)
		}
	}
}

// keywordOf returns the keyword of a line of EHLO; "AUTH=PLAIN" is an old way to
// write AUTH.
func keywordOf(line string) string {
	word := strings.TrimSpace(line)
	if end := strings.IndexAny(word, " ="); end >= 0 {
		word = word[:end]
	}
	return strings.ToUpper(word)
}

// parameters returns what the last EHLO says behind a keyword; ok is false when it
// does not offer it.
func (c *Conn) parameters(keyword string) (params string, ok bool) {
	for _, line := range c.offers {
		if keywordOf(line) == keyword {
			_, params, _ = strings.Cut(strings.TrimSpace(line), " ")
			return params, true
		}
	}
	return "", false
}
