package faulty

import (
	"strconv"
	"strings"
)

// obey runs one command. A refusal of ours is said in place; only what is in sequence meets the stage's fault.
func (s *session) obey(line string) error {
	verb, arg, _ := strings.Cut(line, " ")
	arg = strings.TrimSpace(arg)
	switch verb = strings.ToUpper(verb); verb {
	case "EHLO", "LHLO":
		if lmtp := s.srv.behaviour.Load().LMTP; lmtp != (verb == "LHLO") {
			break
		}
		return s.ehlo()
	case "HELO":
		return s.helo()
	case "STARTTLS":
		return s.startTLS()
	case "XCLIENT", "XFORWARD":
		return s.xclient(verb)
	case "MAIL":
		return s.mail(arg)
	case "RCPT":
		return s.rcpt(arg)
	case "DATA":
		return s.data()
	case "BDAT":
		return s.bdat(arg)
	case "RSET":
		s.tx = transaction{}
		return s.plain(RSET, "250 2.0.0 Ok")
	case "NOOP":
		return s.plain(NOOP, "250 2.0.0 Ok")
	case "QUIT":
		if err := s.plain(QUIT, "221 2.0.0 Bye"); err != nil {
			return err
		}
		return s.leave()
	}
	return s.refuse("500 5.5.2 Error: command not recognized")
}

func (s *session) plain(stage Stage, reply string) error {
	_, err := s.answer(stage, s.coded(reply))
	return err
}

func (s *session) refuse(reply string) error { return s.say(s.coded(reply)) }

// coded removes the enhanced code when that extension is not offered.
func (s *session) coded(reply string) string {
	if s.caps.EnhancedStatusCodes {
		return reply
	}
	code, rest, _ := strings.Cut(reply, " ")
	_, text, _ := strings.Cut(rest, " ")
	return code + " " + text
}

func (s *session) ehlo() error {
	b := s.srv.behaviour.Load()
	caps := b.Capabilities
	lines := append([]string{s.srv.name}, caps.lines()...)
	if b.TLS != nil && !s.secure {
		lines = append(lines, "STARTTLS")
	}
	for i, l := range lines {
		sep := "-"
		if i == len(lines)-1 {
			sep = " "
		}
		lines[i] = "250" + sep + l
	}
	code, err := s.answer(EHLO, strings.Join(lines, "\n"))
	if code/100 == 2 {
		s.greeted, s.extended, s.caps, s.tx = true, true, caps, transaction{}
	}
	return err
}

func (s *session) helo() error {
	code, err := s.answer(HELO, "250 "+s.srv.name)
	if code/100 == 2 {
		s.greeted, s.extended, s.caps, s.tx = true, false, Capabilities{}, transaction{}
	}
	return err
}

func (s *session) mail(arg string) error {
	switch path, params, ok := address(arg, "FROM:"); {
	case !s.greeted:
		return s.refuse("503 5.5.1 Error: send HELO/EHLO first")
	case s.tx.open:
		return s.refuse("503 5.5.1 Error: nested MAIL command")
	case !ok:
		return s.refuse("501 5.5.4 Syntax: MAIL FROM:<address>")
	default:
		if bad := s.parameters(params); bad != "" {
			return s.refuse(bad)
		}
		s.transactions++
		s.tx = transaction{asking: arg}
		code, err := s.answer(MAIL, s.coded("250 2.1.0 Ok"))
		if code/100 == 2 {
			s.tx = transaction{open: true, from: path, params: params}
		}
		return err
	}
}

func (s *session) rcpt(arg string) error {
	switch path, _, ok := address(arg, "TO:"); {
	case !s.tx.open:
		return s.refuse("503 5.5.1 Error: need MAIL command")
	case s.tx.via != "":
		return s.refuse("503 5.5.1 Error: RCPT after BDAT")
	case !ok:
		return s.refuse("501 5.5.4 Syntax: RCPT TO:<address>")
	default:
		s.tx.asking = arg
		code, err := s.answer(RCPT, s.coded("250 2.1.5 Ok"))
		if code/100 == 2 {
			s.tx.to = append(s.tx.to, path)
		}
		return err
	}
}

// parameters judges the parameters of MAIL by what was offered; "" is fine.
func (s *session) parameters(params string) string {
	for p := range strings.FieldsSeq(params) {
		key, value, _ := strings.Cut(strings.ToUpper(p), "=")
		switch {
		case key == "SIZE" && s.caps.Size != 0:
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				return "501 5.5.4 Bad SIZE"
			}
			if s.caps.Size > 0 && n > s.caps.Size {
				return "552 5.3.4 Message size exceeds fixed limit"
			}
		case key == "BODY" && s.caps.EightBitMIME && (value == "7BIT" || value == "8BITMIME"):
		case s.caps.extended(key, value):
		default:
			return "555 5.5.4 Unsupported option: " + key
		}
	}
	return ""
}

// address parses "FROM:<path> params".
func address(arg, keyword string) (path, params string, ok bool) {
	if len(arg) < len(keyword) || !strings.EqualFold(arg[:len(keyword)], keyword) {
		return "", "", false
	}
	rest := strings.TrimSpace(arg[len(keyword):])
	end := strings.IndexByte(rest, '>')
	if !strings.HasPrefix(rest, "<") || end < 0 {
		return "", "", false
	}
	return rest[1:end], strings.TrimSpace(rest[end+1:]), true
}
