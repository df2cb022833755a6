package connector

import (
	"errors"
	"io"
	"os"
	"syscall"

	"weir/internal/backend"
	"weir/internal/smtp"
)

// Error is a connector's failure at one stage.
type Error struct {
	Stage backend.Stage
	Reply smtp.Reply // what the connector answered; Code 0: nothing
	Err   error      // what went wrong with the connection; nil when Reply says it
}

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
