package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"weir/internal/events"
)

// Bounds of following a stream.
const (
	streamSilence = 45 * time.Second // weir says something every 15 s
	retryFirst    = 500 * time.Millisecond
	retryLast     = 10 * time.Second
	maxEventLine  = 1 << 20
)

// follower follows the event stream through interruptions.
type follower struct {
	client *client
	last   string // id of the last event that was seen, as the stream writes it
	print  func(*events.Event) error
	errs   io.Writer
}

// follow prints events until ctx ends, which is no error. It connects again when
// the stream breaks, and goes on where it was.
func (f *follower) follow(ctx context.Context) error {
	pause, broken := retryFirst, false
	for {
		heard, err := f.stream(ctx)
		var final finalError
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &final):
			return final.error
		case heard:
			pause, broken = retryFirst, false
		}
		if !broken {
			_, _ = fmt.Fprintf(f.errs, "weir: the stream of events broke (%v); trying again\n", err)
			broken = true
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
			pause = min(2*pause, retryLast)
		}
	}
}

// finalError is one that trying again would not cure.
type finalError struct{ error }

// stream reads one stream to its end, and returns why it ended and whether
// anything came of it.
func (f *follower) stream(ctx context.Context) (heard bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(streamSilence, func() { cancel(errors.New("nothing was heard for " + streamSilence.String())) })
	defer silence.Stop()
	header := http.Header{"Accept": {"text/event-stream"}, "Last-Event-Id": {f.last}}
	resp, err := f.client.open(ctx, http.MethodGet, "/v1/events/stream", nil, header)
	if err != nil {
		return false, f.why(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, maxToken))
		err := f.client.refusal(resp, text)
		if resp.StatusCode < 500 && resp.StatusCode != http.StatusTooManyRequests {
			err = finalError{err}
		}
		return false, err
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxEventLine)
	coming := ""
	for lines.Scan() {
		heard = true
		silence.Reset(streamSilence)
		// Weir writes an event's id and then its data, a line each.
		if id, ok := strings.CutPrefix(lines.Text(), "id:"); ok {
			coming = strings.TrimSpace(id)
		}
		if data, ok := strings.CutPrefix(lines.Text(), "data:"); ok {
			if err := f.event(data); err != nil {
				return true, finalError{err}
			}
			if coming != "" {
				f.last = coming
			}
		}
	}
	if err := lines.Err(); err != nil {
		return heard, f.why(ctx, err)
	}
	return heard, errors.New("connection closed")
}

// why is the reason for an error: what was said of the context, if anything.
func (f *follower) why(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	var away unreachableError
	if errors.As(err, &away) {
		return err
	}
	return errors.New(plain(err))
}

func (f *follower) event(data string) error {
	var e events.Event
	if err := json.Unmarshal([]byte(data), &e); err != nil {
		return fmt.Errorf("reading an event of %s: %w", f.client.where, err)
	}
	return f.print(&e)
}
