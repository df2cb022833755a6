package faulty

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Message is a message that was stored.
type Message struct {
	ID      string // as in the 250 to its end
	From    string
	To      []string
	Params  string // of MAIL, as they came
	Content []byte // unstuffed, up to and with the last line's CRLF; nil with ForgetContent
	Size    int    // octets of Content
	Via     string // "DATA" or "BDAT"
	Partial bool   // stored by an early 2xx, before its end
	Conn    int
	Nth     int // which transaction of its connection
	When    time.Time
}

// Line is one thing heard or done on a connection. Events are in parentheses; all else is a command as it came.
type Line struct {
	Conn int
	Text string
	When time.Time
}

// Stats are counters since the start, but for Open.
type Stats struct {
	Connections int64 // accepted
	Open        int64 // now; a connection at StopReading stays until the server cuts it
	Peak        int64 // most that were open at once
	Commands    int64
	Messages    int64 // stored
	Seen        int64 // ends of data that were reached, whatever came of them
	Improper    int64 // what a proper client never does: pipelining that was not offered, content before 354
}

type recorder struct {
	forgetContent, forgetDialog bool

	connections, open, peak, commands, stored, seen, improper atomic.Int64

	mu       sync.Mutex
	messages []Message
	lines    []Line
}

func (r *recorder) line(conn int, text string) {
	if r.forgetDialog {
		return
	}
	now := time.Now()
	r.mu.Lock()
	r.lines = append(r.lines, Line{conn, text, now})
	r.mu.Unlock()
}

func (r *recorder) message(m Message) {
	if r.forgetContent {
		m.Content = nil
	}
	r.mu.Lock()
	r.messages = append(r.messages, m)
	r.mu.Unlock()
}

// Messages returns the stored messages in the order of their arrival.
func (s *Server) Messages() []Message {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return slices.Clone(s.log.messages)
}

// Transcript returns what was heard, in order, over all connections.
func (s *Server) Transcript() []Line {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return slices.Clone(s.log.lines)
}

// Heard counts the transcript's lines that begin with prefix (in any case).
func (s *Server) Heard(prefix string) int {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	n := 0
	for _, l := range s.log.lines {
		if len(l.Text) >= len(prefix) && strings.EqualFold(l.Text[:len(prefix)], prefix) {
			n++
		}
	}
	return n
}

// Stats returns the counters.
func (s *Server) Stats() Stats {
	return Stats{
		Connections: s.log.connections.Load(), Open: s.log.open.Load(), Peak: s.log.peak.Load(), Commands: s.log.commands.Load(),
		Messages: s.log.stored.Load(), Seen: s.log.seen.Load(), Improper: s.log.improper.Load(),
	}
}

// Forget empties the record of messages and dialogue; counters go on.
func (s *Server) Forget() {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	s.log.messages, s.log.lines = nil, nil
}
