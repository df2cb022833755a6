package smtp

import "bytes"

// maxPath is generous: RFC 5321 section 4.5.3.1.3 says 256, but a few systems
// (fax, X.400) use longer ones, and the command line bounds it anyway.
const maxPath = 1024

// parsePath takes a path off the front of s and returns it without brackets
// and without a source route (RFC 5321 section 4.1.2 and appendix F.2). A path
// without brackets is taken up to the next blank, as old devices send it.
func parsePath(s []byte) (path, rest []byte, ok bool) {
	if len(s) == 0 {
		return nil, s, false
	}
	if s[0] != '<' {
		if i := bytes.IndexByte(s, ' '); i >= 0 {
			s, rest = s[:i], s[i:]
		}
		return s, rest, len(s) <= maxPath && validMailbox(s)
	}
	end := closingBracket(s)
	if end < 0 {
		return nil, s, false
	}
	path, rest = s[1:end], s[end+1:]
	if len(rest) > 0 && rest[0] != ' ' {
		return nil, s, false
	}
	if len(path) > 0 && path[0] == '@' {
		i := bytes.IndexByte(path, ':')
		if i < 0 {
			return nil, s, false
		}
		path = path[i+1:]
		if len(path) == 0 {
			return nil, s, false
		}
	}
	return path, rest, len(path) <= maxPath && (len(path) == 0 || validMailbox(path))
}

// closingBracket finds the ">" that ends the path, past any quoted string.
func closingBracket(s []byte) int {
	quoted := false
	for i := 1; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == '>' && !quoted:
			return i
		}
	}
	return -1
}

// validMailbox checks a mailbox: local part, and a domain or address literal
// unless the name is local, such as <postmaster>. It is strict about what could
// be misread by a connector, and leaves the rest to the connector.
func validMailbox(m []byte) bool {
	if hasControl(m) {
		return false // a tab in a quoted string, too (P38)
	}
	local, domain, ok := cutMailbox(m)
	if !ok || len(local) == 0 {
		return false
	}
	if len(local) == len(m) {
		return true
	}
	return validDomain(domain)
}

// cutMailbox splits at the "@" behind the local part.
func cutMailbox(m []byte) (local, domain []byte, ok bool) {
	i := 0
	if len(m) > 0 && m[0] == '"' {
		for i = 1; i < len(m) && m[i] != '"'; i++ {
			if m[i] == '\\' {
				i++
			}
		}
		i++
		if i > len(m) {
			return nil, nil, false
		}
	} else {
		for i < len(m) && m[i] != '@' {
			if notInLocal[m[i]] {
				return nil, nil, false
			}
			i++
		}
	}
	if i == len(m) {
		return m, nil, true
	}
	if m[i] != '@' {
		return nil, nil, false
	}
	return m[:i], m[i+1:], true
}

func validDomain(d []byte) bool {
	if len(d) == 0 || len(d) > 255 {
		return false
	}
	if d[0] == '[' {
		return len(d) > 2 && d[len(d)-1] == ']' && !bytes.ContainsAny(d[1:len(d)-1], "[]<> \t@\\\"")
	}
	for i, b := range d {
		if !inDomain[b] || b == '.' && (i == 0 || d[i-1] == '.') {
			return false
		}
	}
	return true
}
