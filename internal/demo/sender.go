package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/emersion/go-smtp"
)

// The stream of mail: so many senders, each with one long connection.
const (
	senders       = 20
	sendEvery     = 400 * time.Millisecond // each of them: 50 messages a second together
	retryAfter    = time.Second
	senderTimeout = 30 * time.Second
)

// sender is a mail server that hands mail to weir. What is not accepted it
// tries again, as every sender does.
type sender struct {
	number  int
	address string
	ledger  *ledger
	client  *smtp.Client // nil: not connected
	retries []retry
}

// retry is a message that was not accepted at its first try.
type retry struct {
	id  int
	due time.Time
}

// run sends until ctx is done. A message that is under way is ended first.
func (s *sender) run(ctx context.Context) {
	defer s.hangUp()
	pause(ctx, sendEvery/senders*time.Duration(s.number-1)) // not all at once
	ticker := time.NewTicker(sendEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			s.next(ctx, now)
		}
	}
}

// next sends one message: one that is due for another try, or a new one.
func (s *sender) next(ctx context.Context, now time.Time) {
	id, first := 0, true
	if len(s.retries) > 0 && now.After(s.retries[0].due) {
		id, first = s.retries[0].id, false
		s.retries = s.retries[1:]
	} else {
		id = s.ledger.open()
	}
	err := s.send(ctx, id)
	if err == nil {
		s.ledger.accept(id)
		return
	}
	if first {
		s.ledger.retry()
	}
	s.retries = append(s.retries, retry{id, now.Add(retryAfter)})
	if !answered(err) {
		s.hangUp()
	}
}

// answered reports whether the connection can be used on.
func answered(err error) bool {
	var reply *smtp.SMTPError
	return errors.As(err, &reply) && reply.Code != 421
}

func (s *sender) send(ctx context.Context, id int) error {
	if s.client == nil {
		if err := s.connect(ctx); err != nil {
			return err
		}
	}
	from := fmt.Sprintf("sender%d@example.org", s.number)
	to := fmt.Sprintf("user%d@example.com", id%1000)
	err := s.client.SendMail(from, []string{to}, s.message(id, from, to))
	if err != nil && answered(err) {
		_ = s.client.Reset() // a connection that is broken shows at the next message
	}
	return err
}

func (s *sender) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, senderTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.address)
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	s.client = smtp.NewClient(conn)
	s.client.CommandTimeout, s.client.SubmissionTimeout = senderTimeout, senderTimeout
	if err := s.client.Hello(fmt.Sprintf("sender%d.example.org", s.number)); err != nil {
		s.hangUp()
		return err
	}
	return nil
}

func (s *sender) hangUp() {
	if s.client == nil {
		return
	}
	// Quit fails on a connection that is broken, and leaves it open then.
	if s.client.Quit() != nil {
		_ = s.client.Close()
	}
	s.client = nil
}

// message is a sample of 1 to 8 KiB.
func (s *sender) message(id int, from, to string) io.Reader {
	var b strings.Builder
	fmt.Fprintf(&b, "From: <%s>\r\nTo: <%s>\r\nSubject: sample %d\r\n%s: %d\r\n", from, to, id, idHeader, id)
	fmt.Fprintf(&b, "Message-ID: <%d.%d@example.org>\r\nDate: %s\r\n\r\n", s.number, id, time.Now().Format(time.RFC1123Z))
	for range 15 * (1 + id%8) {
		b.WriteString("Weir chooses a connector for each message, not for each connection.\r\n")
	}
	return strings.NewReader(b.String())
}
