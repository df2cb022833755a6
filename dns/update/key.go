package update

import (
	"encoding/base64"
	"fmt"
	"strings"

	mdns "github.com/miekg/dns"

	"weir/dns"
)

// algorithms are those of RFC 8945 section 6 that are not forbidden. hmac-sha1 is for
// servers that know nothing better.
var algorithms = map[string]string{
	"hmac-sha1": mdns.HmacSHA1, "hmac-sha224": mdns.HmacSHA224, "hmac-sha256": mdns.HmacSHA256,
	"hmac-sha384": mdns.HmacSHA384, "hmac-sha512": mdns.HmacSHA512,
}

// ParseKey reads a TSIG key as tsig-keygen and BIND write it:
//
//	key "weir" {
//		algorithm hmac-sha256;
//		secret "base64";
//	};
//
// in data, which was read from the file name; comments of BIND's kinds are skipped. It
// fails, with file and line, unless there is exactly one key, with an algorithm that
// is known and allowed and a secret that is base64. Errors never show the secret.
func ParseKey(name string, data []byte) (dns.Key, error) {
	p := keyParser{file: name, rest: string(data), line: 1}
	if err := p.next(); err != nil {
		return dns.Key{}, err
	}
	if p.end {
		return dns.Key{}, p.wrong("there is no key in it; make one with: tsig-keygen weir > FILE")
	}
	key, err := p.key()
	if err != nil {
		return dns.Key{}, err
	}
	if !p.end {
		return dns.Key{}, p.wrong("after the key there is more; leave only the one key that weir is to use")
	}
	return key, nil
}

// keyParser walks the tokens of a key file.
type keyParser struct {
	file  string
	rest  string
	line  int    // of token
	ahead int    // lines passed while token was read
	token string // the current one, without its quotes
	end   bool   // there is none
}

func (p *keyParser) wrong(format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s", p.file, p.line, fmt.Sprintf(format, args...))
}

// key reads the one statement.
func (p *keyParser) key() (dns.Key, error) {
	if p.token != "key" {
		return dns.Key{}, p.wrong("want: key \"NAME\" { algorithm hmac-sha256; secret \"BASE64\"; }; as tsig-keygen writes it")
	}
	if err := p.next(); err != nil {
		return dns.Key{}, err
	}
	key := dns.Key{Name: mdns.CanonicalName(p.token)}
	if _, ok := mdns.IsDomainName(p.token); !ok || p.end || p.token == "{" || key.Name == "." || strings.ContainsAny(p.token, " \t;{}\"\\") {
		return dns.Key{}, p.wrong("the key's name is missing, or is no domain name")
	}
	if err := p.expect("{"); err != nil {
		return dns.Key{}, err
	}
	for {
		if err := p.next(); err != nil {
			return dns.Key{}, err
		}
		if p.token == "}" && !p.end {
			break
		}
		if err := p.clause(&key); err != nil {
			return dns.Key{}, err
		}
	}
	if key.Algorithm == "" || key.Secret == "" {
		return dns.Key{}, p.wrong("the key needs an algorithm and a secret before this brace")
	}
	if err := p.expect(";"); err != nil {
		return dns.Key{}, err
	}
	return key, p.next()
}

// clause reads one of the two within the braces.
func (p *keyParser) clause(key *dns.Key) error {
	clause := p.token
	if p.end || clause != "algorithm" && clause != "secret" {
		return p.wrong("want algorithm, secret or a closing brace here")
	}
	if clause == "algorithm" && key.Algorithm != "" || clause == "secret" && key.Secret != "" {
		return p.wrong("%s is given twice", clause)
	}
	if err := p.next(); err != nil {
		return err
	}
	var err error
	if clause == "algorithm" {
		key.Algorithm, err = p.algorithm()
	} else {
		key.Secret, err = p.secret()
	}
	if err != nil {
		return err
	}
	return p.expect(";")
}

func (p *keyParser) algorithm() (string, error) {
	name := strings.TrimSuffix(strings.ToLower(p.token), ".")
	if algorithm, ok := algorithms[name]; ok {
		return algorithm, nil
	}
	if strings.HasPrefix(name, "hmac-md5") {
		return "", p.wrong("hmac-md5 is broken and not used (RFC 8945 section 6); make a new key with: tsig-keygen -a hmac-sha256 NAME")
	}
	return "", p.wrong("unknown algorithm %.40q; use hmac-sha256, or hmac-sha224, -sha384, -sha512, -sha1", p.token)
}

func (p *keyParser) secret() (string, error) {
	raw, err := base64.StdEncoding.DecodeString(p.token)
	if err != nil || strings.ContainsAny(p.token, "\r\n") {
		return "", p.wrong("the secret is not base64; copy it whole, with the = at its end")
	}
	if len(raw) == 0 {
		return "", p.wrong("the secret is empty; make a key with: tsig-keygen weir > FILE")
	}
	return p.token, nil
}

// expect moves on to a token that must be there.
func (p *keyParser) expect(token string) error {
	if err := p.next(); err != nil {
		return err
	}
	if p.end || p.token != token {
		return p.wrong("want %q here", token)
	}
	return nil
}

// next moves on to the next token.
func (p *keyParser) next() error {
	if err := p.skip(); err != nil {
		return err
	}
	p.end = p.rest == ""
	switch {
	case p.end:
		p.token = ""
		return nil
	case strings.ContainsRune("{};", rune(p.rest[0])):
		p.token, p.rest = p.rest[:1], p.rest[1:]
		return nil
	case p.rest[0] == '"':
		text, rest, ok := strings.Cut(p.rest[1:], `"`)
		if !ok {
			return p.wrong("a quote is opened and not closed")
		}
		p.token, p.rest, p.ahead = text, rest, strings.Count(text, "\n")
		return nil
	}
	size := strings.IndexAny(p.rest, " \t\r\n{};\"#")
	if size < 0 {
		size = len(p.rest)
	}
	p.token, p.rest = p.rest[:size], p.rest[size:]
	return nil
}

// skip passes blanks and comments, and counts lines.
func (p *keyParser) skip() error {
	p.line, p.ahead = p.line+p.ahead, 0
	for {
		p.pass(len(p.rest) - len(strings.TrimLeft(p.rest, " \t\r\n")))
		switch {
		case strings.HasPrefix(p.rest, "#"), strings.HasPrefix(p.rest, "//"):
			comment, _, _ := strings.Cut(p.rest, "\n")
			p.pass(len(comment))
		case strings.HasPrefix(p.rest, "/*"):
			size := strings.Index(p.rest[2:], "*/")
			if size < 0 {
				return p.wrong("a comment is opened and not closed")
			}
			p.pass(2 + size + 2)
		default:
			return nil
		}
	}
}

func (p *keyParser) pass(size int) {
	p.line += strings.Count(p.rest[:size], "\n")
	p.rest = p.rest[size:]
}
