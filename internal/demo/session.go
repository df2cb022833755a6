package demo

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/emersion/go-smtp"
)

// idHeader carries a message's number.
const idHeader = "X-Weir-Demo"

// session is one connection to a connector. Its end may be told from another
// goroutine than its commands.
type session struct {
	connector *connector
	open      atomic.Bool // between MAIL and the end of its transaction
}

// Mail refuses when the connector defers, or is about to go off.
func (s *session) Mail(string, *smtp.MailOptions) error {
	switch m, _ := s.connector.behaviour(); m {
	case deferring:
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "No space left for the queue"}
	case off:
		return &smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 3, 2}, Message: "Shutting down"}
	case honest, hanging:
	}
	s.begin()
	return nil
}

// Rcpt takes everyone, unless the connector hangs: then it waits until that is
// over, long after weir has moved the message to another one.
func (s *session) Rcpt(string, *smtp.RcptOptions) error {
	for {
		m, changed := s.connector.behaviour()
		if m != hanging {
			return nil
		}
		<-changed
	}
}

// Data notes the message's number.
func (s *session) Data(r io.Reader) error {
	id, err := readID(r)
	if err != nil {
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: "No message of the demo"}
	}
	s.connector.ledger.store(id)
	s.connector.stored.Add(1)
	return nil
}

// Reset ends the transaction; go-smtp calls it after DATA, too.
func (s *session) Reset() { s.end() }

// Logout ends the connection.
func (s *session) Logout() error {
	s.end()
	return nil
}

func (s *session) begin() {
	if s.open.CompareAndSwap(false, true) {
		s.connector.enter(1)
	}
}

func (s *session) end() {
	if s.open.CompareAndSwap(true, false) {
		s.connector.enter(-1)
	}
}

var errNoID = errors.New("no " + idHeader + " header")

// readID reads a message to its end and returns its number.
func readID(r io.Reader) (int, error) {
	in := bufio.NewReader(r)
	id, err := 0, errNoID
	for {
		line, readErr := in.ReadString('\n')
		name, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), ": ")
		if name == idHeader {
			id, err = strconv.Atoi(value)
		}
		if name == "" || readErr != nil {
			break // the header's end
		}
	}
	if _, copyErr := io.Copy(io.Discard, in); copyErr != nil {
		return 0, fmt.Errorf("reading the message: %w", copyErr)
	}
	return id, err
}
