package connector

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"weir/internal/backend"
	"weir/internal/smtp"
)

// Bounds of XCLIENT and XFORWARD. Postfix takes no value of more than 255 octets,
// as it is encoded, and no command of more than 512.
const (
	maxValue   = 255
	maxCommand = 512
)

// unavailable is the value of an attribute that is not known.
const unavailable = "[UNAVAILABLE]"

// fields are the attributes of one XCLIENT or XFORWARD, each "NAME=value".
type fields struct {
	offered string
	scratch []byte
	list    [10][]byte
	n       int
}

// add adds an attribute, if it is offered. One that cannot be told is unavailable.
func (f *fields) add(name, value string) {
	if !f.offers(name) {
		return
	}
	start := len(f.scratch)
	f.scratch = append(append(f.scratch, name...), '=')
	encoded := len(f.scratch)
	f.scratch = appendXtext(f.scratch, value)
	if n := len(f.scratch) - encoded; n == 0 || n > maxValue {
		f.scratch = append(f.scratch[:encoded], unavailable...)
	}
	f.list[f.n] = f.scratch[start:]
	f.n++
}

func (f *fields) offers(name string) bool {
	for word := range strings.FieldsSeq(f.offered) {
		if strings.EqualFold(word, name) {
			return true
		}
	}
	return false
}

// portValue spells a port; one that is not known is empty.
func portValue(p netip.AddrPort) string {
	if p.Port() == 0 {
		return ""
	}
	return strconv.Itoa(int(p.Port()))
}

// addrValue spells an address as XCLIENT wants it: IPv6 behind "IPV6:".
func addrValue(addr netip.Addr) string {
	addr = addr.Unmap().WithZone("")
	switch {
	case !addr.IsValid():
		return ""
	case addr.Is6():
		return "IPV6:" + addr.String()
	default:
		return addr.String()
	}
}

// appendXtext appends a value as xtext (RFC 3461 section 4).
func appendXtext(dst []byte, value string) []byte {
	const hex = "0123456789ABCDEF"
	for i := range len(value) {
		if b := value[i]; b > ' ' && b < 0x7f && b != '+' && b != '=' {
			dst = append(dst, b)
		} else {
			dst = append(dst, '+', hex[b>>4], hex[b&15])
		}
	}
	return dst
}

// appendCommands appends as few commands as hold all fields, and returns their
// number. The last is filled first: with every command Postfix asks anew who is
// allowed to say XCLIENT, and forgets some of what the one before said.
func (f *fields) appendCommands(dst []byte, verb string) (out []byte, commands int) {
	var first [len(f.list)]int // of each command, from the last command on
	room := 0
	for i := f.n - 1; i >= 0; i-- {
		if need := 1 + len(f.list[i]); commands == 0 || room < need {
			commands++
			room = maxCommand - len(verb) - len("\r\n")
		}
		room -= 1 + len(f.list[i])
		first[commands-1] = i
	}
	for k := commands - 1; k >= 0; k-- {
		end := f.n
		if k > 0 {
			end = first[k-1]
		}
		dst = append(dst, verb...)
		for _, field := range f.list[first[k]:end] {
			dst = append(append(dst, ' '), field...)
		}
		dst = append(dst, '\r', '\n')
	}
	return dst, commands
}

// appendXCLIENT appends the commands that tell of a client, NAME and ADDR last, to
// a connector that offers these attributes (P32).
func appendXCLIENT(dst []byte, offered string, client *Client) (out []byte, commands int) {
	f := fields{offered: offered}
	f.add("HELO", client.HELO)
	f.add("DESTPORT", portValue(client.Server))
	f.add("DESTADDR", addrValue(client.Server.Addr()))
	name := hostName(client.Name)
	f.add("REVERSE_NAME", name) // or the connector keeps ours
	if proto := plainProto(client.Proto); proto != "" {
		f.add("PROTO", proto)
	}
	f.add("LOGIN", client.Login)
	f.add("PORT", portValue(client.Addr))
	f.add("NAME", name)
	f.add("ADDR", addrValue(client.Addr.Addr()))
	return f.appendCommands(dst, "XCLIENT")
}

// hostName returns a name that servers take for one (RFC 1123 section 2.1, and the
// underscore), or none.
func hostName(name string) string {
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' || strings.ContainsFunc(label, noLetter) {
			return ""
		}
	}
	return name
}

func noLetter(r rune) bool {
	return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
}

// plainProto is the protocol in words that every XCLIENT knows: SMTP or ESMTP.
func plainProto(proto string) string {
	switch {
	case strings.EqualFold(proto, "SMTP"):
		return "SMTP"
	case proto == "":
		return ""
	default: // ESMTPS, ESMTPSA, UTF8SMTP …
		return "ESMTP"
	}
}

// toldBy returns which fields of a client the given attributes tell of.
func toldBy(offered string) attributes {
	told := attrHELO // in EHLO
	f := fields{offered: offered}
	for name, attr := range map[string]attributes{
		"NAME": attrName, "REVERSE_NAME": attrName, "ADDR": attrAddr, "PORT": attrPort, "PROTO": attrProto,
		"LOGIN": attrLogin, "DESTADDR": attrServerAddr, "DESTPORT": attrServerPort,
	} {
		if f.offers(name) {
			told |= attr
		}
	}
	return told
}

// wantsXCLIENT reports whether XCLIENT comes next. Where it could, the connection
// is for the client that it was made for only, even if that is weir itself.
func (d *Dialer) wantsXCLIENT(c *Conn) bool {
	offered, ok := c.parameters("XCLIENT")
	if d.Identity != IdentityXCLIENT || !ok || offered == "" {
		return false
	}
	c.said = toldBy(offered)
	return d.Client != (Client{})
}

// xclient tells the connector of the client. Its answer is 220, as to a new
// connection; a refusal judges the client, or says that we may not do this (P3a).
func (c *Conn) xclient(client *Client, deadline time.Time) error {
	offered, _ := c.parameters("XCLIENT")
	commands, _ := appendXCLIENT(nil, offered, client)
	for command := range strings.SplitSeq(strings.TrimSuffix(string(commands), "\r\n"), "\r\n") {
		var reply smtp.Reply
		if err := c.Do(command, &reply, deadline); err != nil {
			return &Error{Stage: backend.StageEHLO, Err: err}
		}
		if reply.Code != 220 {
			return &Error{Stage: backend.StageEHLO, Reply: reply, Against: judges(&reply)}
		}
	}
	c.client, c.named = c.said.of(client), true
	return nil
}

// judges tells whom a refusal of XCLIENT speaks against: us, where the
// command is not understood or not allowed to us.
func judges(reply *smtp.Reply) Party {
	misused := []int{500, 501, 502, 503, 504}
	if slices.Contains(misused, reply.Code) ||
		reply.Code == 550 && strings.Contains(strings.ToLower(reply.Text()), "insufficient authorization") {
		return AgainstUs
	}
	return AgainstClient
}

// AppendForward appends the XFORWARD commands that tell of the client of the next
// transaction, to be sent in front of its MAIL, also in one go with it where the
// connector offers PIPELINING. It returns how many answers to expect: each should
// be 250, and one that is not is no obstacle to the mail. A connector that does not
// offer XFORWARD is told nothing. Ident is our name for the transaction.
func (c *Conn) AppendForward(dst []byte, client *Client, ident string) (out []byte, commands int) {
	offered, ok := c.parameters("XFORWARD")
	if !ok {
		return dst, 0
	}
	f := fields{offered: offered}
	f.add("IDENT", ident)
	f.add("SOURCE", "REMOTE")
	f.add("PROTO", client.Proto)
	f.add("HELO", client.HELO)
	f.add("PORT", portValue(client.Addr))
	f.add("NAME", hostName(client.Name))
	f.add("ADDR", addrValue(client.Addr.Addr()))
	return f.appendCommands(dst, "XFORWARD")
}

// Forward is [Conn.AppendForward] without pipelining. An *[Error] with a Reply is
// a refusal, [AgainstUs], and the connection is still in order; 421 and the rest
// have ended it.
func (c *Conn) Forward(client *Client, ident string, deadline time.Time) error {
	var reply smtp.Reply
	out, commands := c.AppendForward(c.out, client, ident)
	c.SetPending(out)
	if err := c.Flush(deadline); err != nil {
		return &Error{Stage: backend.StageMail, Err: err}
	}
	var refusal error
	for range commands {
		if err := c.ReadReply(&reply, deadline); err != nil {
			return &Error{Stage: backend.StageMail, Err: err}
		}
		switch {
		case reply.Code == 421:
			return &Error{Stage: backend.StageMail, Reply: reply}
		case reply.Class() != 2 && refusal == nil:
			refusal = &Error{Stage: backend.StageMail, Reply: reply.Clone(), Against: AgainstUs}
		}
	}
	return refusal
}
