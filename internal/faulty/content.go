package faulty

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

func (s *session) data() error {
	switch {
	case !s.tx.open:
		return s.refuse("503 5.5.1 Error: need MAIL command")
	case s.tx.via != "":
		return s.refuse("503 5.5.1 Error: DATA after BDAT")
	}
	normal := s.coded("354 End data with <CR><LF>.<CR><LF>")
	if len(s.tx.to) == 0 {
		normal = s.coded("554 5.5.1 Error: no valid recipients")
	}
	code, err := s.answer(DATA, normal)
	if err != nil || code != 354 {
		return err
	}
	if s.r.Buffered() > 0 {
		s.improper("content before 354")
	}
	s.tx.via = "DATA"
	if err := s.readContent(); err != nil {
		return err
	}
	return s.endOfData()
}

// readContent reads to what this server takes as the end of data.
func (s *session) readContent() error {
	scan := newScanner(s.srv.behaviour.Load())
	for {
		if err := s.bodyFault(); err != nil {
			return err
		}
		piece, err := s.piece(s.r.Size())
		if err != nil {
			return s.brokenOff(err)
		}
		var used int
		var done bool
		s.tx.content, used, done = scan.scan(s.tx.content, piece)
		s.tx.read += used
		_, _ = s.r.Discard(used)
		if done {
			return s.bodyFault() // body and end in one piece: the fault of the body comes first all the same
		}
	}
}

// piece returns what is there to read, at least one octet and at most limit. Replies are not held back while it waits.
func (s *session) piece(limit int) ([]byte, error) {
	if s.r.Buffered() == 0 {
		if err := s.w.Flush(); err != nil {
			return nil, err
		}
	}
	if _, err := s.r.Peek(1); err != nil {
		return nil, err
	}
	return s.r.Peek(min(s.r.Buffered(), limit))
}

// brokenOff notes that the peer went away inside the content.
func (s *session) brokenOff(err error) error {
	s.event("content broken off after %d octets", s.tx.read)
	return err
}

// bodyFault looks for a fault that the octets read so far have brought about. It fires once in a transaction.
func (s *session) bodyFault() error {
	if s.tx.fired {
		return nil
	}
	f := s.take(Body, s.tx.read)
	if f == nil {
		return nil
	}
	s.tx.fired = true
	if f.Do == Answer && f.Reply == "" { // only late
		return s.wait(f.Delay)
	}
	code, err := s.perform(f, "")
	if err == nil {
		err = s.w.Flush()
	}
	if code != 0 {
		s.tx.replied = true
		s.event("early reply %d after %d octets", code, s.tx.read)
	}
	if code/100 == 2 {
		s.store(true)
	}
	return err
}

// endOfData judges the whole message.
func (s *session) endOfData() error {
	s.srv.log.seen.Add(1)
	s.event("end of data after %d octets", s.tx.read)
	defer func() { s.tx = transaction{} }()
	if s.tx.replied {
		s.event("end of data after an early reply") // the peer may not have seen it yet: no breach in itself
		return nil
	}
	normal := s.coded("554 5.5.1 Error: no valid recipients")
	f := s.take(FinalDot, 0)
	stores := f == nil || f.Store || (f.Do == Answer && (f.Reply == "" || codeOf(f.Reply)/100 == 2))
	if len(s.tx.to) > 0 && stores {
		normal = s.coded("250 2.0.0 Ok: queued as " + s.store(false))
	}
	if f == nil {
		if err := s.say(normal); err != nil {
			return err
		}
		return s.lmtp(normal, len(s.tx.to))
	}
	_, err := s.perform(f, normal)
	return err
}

func (s *session) store(partial bool) string {
	id := fmt.Sprintf("%s-%d", s.srv.name, s.srv.log.stored.Add(1))
	s.srv.log.message(Message{
		ID: id, From: s.tx.from, To: s.tx.to, Params: s.tx.params, Content: s.tx.content, Size: len(s.tx.content),
		Via: s.tx.via, Partial: partial, Conn: s.id, Nth: s.transactions, When: time.Now(),
	})
	return id
}

// bdat reads one chunk (RFC 3030). Its octets are read even when it is refused, or they would be taken as commands.
func (s *session) bdat(arg string) error {
	if !s.extended || !s.caps.Chunking {
		return s.refuse("502 5.5.1 Error: command not implemented")
	}
	size, last, ok := chunk(arg)
	if !ok {
		if err := s.refuse("501 5.5.4 Syntax: BDAT count [LAST]"); err != nil {
			return err
		}
		return s.leave() // its length is unknown, so is where the next command begins
	}
	refusal := s.chunkRefusal()
	if refusal != "" {
		s.tx.failed = true
		if _, err := io.CopyN(io.Discard, s.r, size); err != nil {
			return s.brokenOff(err)
		}
		return s.refuse(refusal)
	}
	s.tx.via = "BDAT"
	if err := s.readChunk(size); err != nil {
		return err
	}
	if last {
		return s.endOfData()
	}
	if s.tx.replied {
		return nil
	}
	code, err := s.answer(BDAT, s.coded("250 2.0.0 Ok: "+strconv.FormatInt(size, 10)+" octets"))
	s.tx.failed = code/100 != 2
	return err
}

func (s *session) chunkRefusal() string {
	switch {
	case !s.tx.open:
		return "503 5.5.1 Error: need MAIL command"
	case len(s.tx.to) == 0:
		return "554 5.5.1 Error: no valid recipients"
	case s.tx.failed:
		return "503 5.5.1 Error: an earlier chunk failed"
	}
	return ""
}

func (s *session) readChunk(size int64) error {
	for size > 0 {
		if err := s.bodyFault(); err != nil {
			return err
		}
		piece, err := s.piece(int(min(size, int64(s.r.Size()))))
		if err != nil {
			return s.brokenOff(err)
		}
		s.tx.content = append(s.tx.content, piece...)
		s.tx.read += len(piece)
		size -= int64(len(piece))
		_, _ = s.r.Discard(len(piece))
	}
	return s.bodyFault()
}

func chunk(arg string) (size int64, last, ok bool) {
	f := strings.Fields(arg)
	if len(f) < 1 || len(f) > 2 || (len(f) == 2 && !strings.EqualFold(f[1], "LAST")) {
		return 0, false, false
	}
	n, err := strconv.ParseUint(f[0], 10, 62)
	return int64(n), len(f) == 2, err == nil
}
