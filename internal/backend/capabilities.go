package backend

import (
	"slices"
	"strconv"
	"strings"
)

// Extension is a set of the SMTP extensions that weir acts upon, a bit each. The
// bits are those of smtp.Extensions too.
type Extension uint32

// The extensions, by the EHLO keyword that announces them.
const (
	ExtPipelining          Extension = 1 << iota // RFC 2920
	ExtChunking                                  // RFC 3030
	Ext8BitMIME                                  // RFC 6152
	ExtEnhancedStatusCodes                       // RFC 2034
	ExtSize                                      // RFC 1870
	ExtSMTPUTF8                                  // RFC 6531
	ExtDSN                                       // RFC 3461
	ExtRequireTLS                                // RFC 8689
	ExtBinaryMIME                                // RFC 3030
	ExtDeliverBy                                 // RFC 2852
	ExtMTPriority                                // RFC 6710
	ExtLimits                                    // RFC 9422
	ExtAuth                                      // RFC 4954
	ExtStartTLS                                  // RFC 3207
	ExtXClient                                   // Postfix, XCLIENT_README
	ExtXForward                                  // Postfix, XFORWARD_README
)

var extensionNames = []struct {
	ext  Extension
	name string
}{
	{ExtPipelining, "PIPELINING"},
	{ExtChunking, "CHUNKING"},
	{Ext8BitMIME, "8BITMIME"},
	{ExtEnhancedStatusCodes, "ENHANCEDSTATUSCODES"},
	{ExtSize, "SIZE"},
	{ExtSMTPUTF8, "SMTPUTF8"},
	{ExtDSN, "DSN"},
	{ExtRequireTLS, "REQUIRETLS"},
	{ExtBinaryMIME, "BINARYMIME"},
	{ExtDeliverBy, "DELIVERBY"},
	{ExtMTPriority, "MT-PRIORITY"},
	{ExtLimits, "LIMITS"},
	{ExtAuth, "AUTH"},
	{ExtStartTLS, "STARTTLS"},
	{ExtXClient, "XCLIENT"},
	{ExtXForward, "XFORWARD"},
}

// ParseExtension returns the extension announced by an EHLO keyword, or 0 for
// one that weir does not act upon. Keywords are case-insensitive (RFC 5321
// section 4.1.1.1).
func ParseExtension(keyword string) Extension {
	for _, e := range extensionNames {
		if strings.EqualFold(e.name, keyword) {
			return e.ext
		}
	}
	return 0
}

// String lists the keywords, separated by blanks.
func (e Extension) String() string {
	var names []string
	for _, n := range extensionNames {
		if e&n.ext != 0 {
			names = append(names, n.name)
		}
	}
	return strings.Join(names, " ")
}

// Capabilities is what a connector's EHLO announced. The zero value means that
// none was seen yet. Capabilities can be compared.
type Capabilities struct {
	Known     bool
	Ext       Extension
	Size      int64 // octets; 0: no limit announced (RFC 1870 section 3)
	Limits    Limits
	DeliverBy int32  // least seconds of a BY with mode R; 0: none announced (RFC 2852 section 3)
	Priority  string // profile of MT-PRIORITY; empty: none named (RFC 6710)
	Auth      Words  // SASL mechanisms
	XClient   Words  // attributes
	XForward  Words  // attributes
}

// Limits is what LIMITS announces (RFC 9422 section 4); 0: no such limit.
type Limits struct {
	MailMax       int32 // transactions a connection
	RcptMax       int32 // recipients a transaction
	RcptDomainMax int32 // domains of recipients a transaction
}

// Has reports whether every given extension was announced.
func (c Capabilities) Has(ext Extension) bool { return c.Ext&ext == ext }

// Announce takes in one line of an answer to EHLO behind its greeting: a keyword
// with its parameters. A parameter that makes no sense counts as not given.
func (c *Capabilities) Announce(line string) {
	keyword, params, _ := strings.Cut(strings.TrimSpace(line), " ")
	ext := ParseExtension(keyword)
	c.Ext |= ext
	switch ext {
	case ExtSize:
		c.Size = number(strings.TrimSpace(params), 18)
	case ExtLimits:
		c.Limits = parseLimits(params)
	case ExtDeliverBy:
		c.DeliverBy = int32(number(strings.TrimSpace(params), 9))
	case ExtMTPriority:
		if profile := ParseWords(params); len(profile) <= 20 { // as much as a name may have (RFC 6710)
			c.Priority = string(profile)
		}
	case ExtAuth:
		c.Auth = ParseWords(params)
	case ExtXClient:
		c.XClient = ParseWords(params)
	case ExtXForward:
		c.XForward = ParseWords(params)
	}
}

// parseLimits reads NAME=NUMBER, up to 6 digits each; names that are not known are
// passed over (RFC 9422 section 3).
func parseLimits(params string) Limits {
	var l Limits
	for field := range strings.FieldsSeq(params) {
		name, value, _ := strings.Cut(field, "=")
		n := int32(number(value, 6))
		switch strings.ToUpper(name) {
		case "MAILMAX":
			l.MailMax = n
		case "RCPTMAX":
			l.RcptMax = n
		case "RCPTDOMAINMAX":
			l.RcptDomainMax = n
		}
	}
	return l
}

// number reads a number of at most so many digits; 0 for anything else.
func number(s string, digits int) int64 {
	if len(s) > digits || strings.Trim(s, "0123456789") != "" {
		return 0
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// Words is a set of words in capitals, in order and with one blank between them:
// SASL mechanisms, or names of attributes. Equal sets are equal strings.
type Words string

// ParseWords returns the words of a line, once each.
func ParseWords(line string) Words {
	words := strings.Fields(strings.ToUpper(line))
	slices.Sort(words)
	return Words(strings.Join(slices.Compact(words), " "))
}

// Has reports whether a word, in capitals, is in the set.
func (w Words) Has(word string) bool {
	for one := range strings.FieldsSeq(string(w)) {
		if one == word {
			return true
		}
	}
	return false
}

// Both returns the words that are in both sets.
func (w Words) Both(other Words) Words { return w.only(other.Has) }

// Relayable returns the SASL mechanisms that work through a relay: those that bind
// to the channel do not (P34).
func (w Words) Relayable() Words {
	return w.only(func(name string) bool { return name != "EXTERNAL" && !strings.HasSuffix(name, "-PLUS") })
}

func (w Words) only(keep func(word string) bool) Words {
	var kept []string
	for word := range strings.FieldsSeq(string(w)) {
		if keep(word) {
			kept = append(kept, word)
		}
	}
	return Words(strings.Join(kept, " "))
}
