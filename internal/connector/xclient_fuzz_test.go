package connector

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// unxtext decodes xtext strictly (RFC 3461 section 4).
func unxtext(s string) (string, bool) {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		switch b := s[i]; {
		case b == '+':
			if i+3 > len(s) || strings.ToUpper(s[i+1:i+3]) != s[i+1:i+3] {
				return "", false
			}
			n, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
			if err != nil {
				return "", false
			}
			out.WriteByte(byte(n))
			i += 2
		case b < '!' || b > '~' || b == '=':
			return "", false
		default:
			out.WriteByte(b)
		}
	}
	return out.String(), true
}

func FuzzXtext(f *testing.F) {
	for _, seed := range []string{"", "a+b=c", "two words", "\r\n", "ünï", "[UNAVAILABLE]", "\x00\x7f"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		encoded := string(appendXtext(nil, value))
		if got, ok := unxtext(encoded); !ok || got != value {
			t.Errorf("%q became %q and came back as %q", value, encoded, got)
		}
	})
}

// Whatever a client says of itself, and a connector offers: the commands are
// commands, short enough, with offered attributes, NAME and ADDR last (P32).
func FuzzIdentityCommands(f *testing.F) {
	f.Add("NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT REVERSE_NAME", "mail.example.org", "helo", "ESMTP", "ann", "192.0.2.7", uint16(25))
	f.Add("name addr SOURCE IDENT HELO PROTO PORT", strings.Repeat("n", 300), strings.Repeat("+", 80), "\r\nQUIT", "=", "2001:db8::1", uint16(0))
	f.Add("", "", "", "", "", "", uint16(0))
	f.Add("NAME NAME ADDR=x HELO", "a..b", strings.Repeat("\xff", 90), "SMTP", strings.Repeat("l", 255), "fe80::1%eth0", uint16(1))
	f.Fuzz(func(t *testing.T, offered, name, helo, proto, login, addr string, port uint16) {
		ip, _ := netip.ParseAddr(addr)
		client := &Client{Addr: netip.AddrPortFrom(ip, port), Server: netip.AddrPortFrom(ip, port), Name: name, HELO: helo, Proto: proto, Login: login}
		out, n := appendXCLIENT(nil, offered, client)
		checkCommands(t, string(out), n, "XCLIENT", offered)
		c := &Conn{offers: []string{"XFORWARD " + offered}}
		out, n = c.AppendForward(nil, client, login)
		checkCommands(t, string(out), n, "XFORWARD", offered)
	})
}

func checkCommands(t *testing.T, out string, n int, verb, offered string) {
	t.Helper()
	words := strings.Fields(strings.ToUpper(offered))
	commands := strings.SplitAfter(out, "\r\n")
	if commands = commands[:len(commands)-1]; len(commands) != n || strings.Join(commands, "") != out {
		t.Fatalf("%d commands are said to be in %q", n, out)
	}
	var names []string
	for _, command := range commands {
		fields, ok := strings.CutPrefix(strings.TrimSuffix(command, "\r\n"), verb+" ")
		if len(command) > 512 || !ok {
			t.Errorf("%d octets: %q", len(command), command)
		}
		for field := range strings.SplitSeq(fields, " ") {
			name, value, ok := strings.Cut(field, "=")
			if _, good := unxtext(value); !ok || !good || value == "" || len(value) > 255 || !slices.Contains(words, name) {
				t.Errorf("%q of %q", field, command)
			}
			names = append(names, name)
		}
	}
	tail := len(names)
	for _, last := range []string{"ADDR", "NAME"} {
		if slices.Contains(words, last) {
			if tail--; tail < 0 || names[tail] != last {
				t.Errorf("%s is not where it should be: %v", last, names)
			}
		}
	}
}
