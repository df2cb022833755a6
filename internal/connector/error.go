package connector

import (
	"errors"
	"io"
	"os"
	"syscall"

	"weir/internal/backend"
	"weir/internal/smtp"
)

// Party is whom a failure speaks against (P3a).
type Party uint8

// The parties.
const (
	AgainstConnector Party = iota // it failed, or refuses us
	AgainstClient                 // it refuses the client that it was told of: no other would be right to ask
	AgainstUs                     // it does not let us, or not so, tell it of a client: the config is wrong
	AgainstNobody                 // weir's own machine has no descriptor or memory left for a connection
)

// Error is a connector's failure at one stage.
type Error struct {
	Stage   backend.Stage
	Reply   smtp.Reply // what the connector answered; Code 0: nothing
	Err     error      // what went wrong with the connection; nil when Reply says it
	Against Party

	plain bool // plaintext on a new connection may help
}

// Errors of [backend.StageTLS].
var (
	// ErrNotOffered is the failure of a connector without STARTTLS where TLS is
	// required. The connection is in step.
	ErrNotOffered = errors.New("STARTTLS is not offered")
	// ErrInjected is the failure of a connector, or of somebody between, that says
	// something in plaintext that would seem to have been said in TLS (P23).
	ErrInjected = errors.New("plaintext behind the answer to STARTTLS")
)

// Error returns the stage and what happened there, in words for people.
func (e *Error) Error() string { return e.Stage.String() + ": " + e.Why() }

// Why returns what happened, without the stage.
func (e *Error) Why() string {
	if e.Err == nil {
		return e.Reply.String()
	}
	return Describe(e.Err)
}

// Unwrap returns the underlying error, or nil for a refusal.
func (e *Error) Unwrap() error { return e.Err }

// party is whom a failure to connect speaks against.
func party(err error) Party {
	for _, ours := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, ours) {
			return AgainstNobody
		}
	}
	return AgainstConnector
}

// SaysNothing reports whether err is a failure to connect for want of something of weir's
// own, so that nothing is known of the connector.
func SaysNothing(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Against == AgainstNobody
}

// Describe says in words for people what went wrong with a connection.
func Describe(err error) string {
	switch {
	case IsTimeout(err):
		return "no answer in time"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.EHOSTUNREACH):
		return "no route to host"
	case errors.Is(err, syscall.ENETUNREACH):
		return "network unreachable"
	}
	return err.Error()
}

// IsTimeout reports whether err is a deadline that passed.
func IsTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &t) && t.Timeout()
}
