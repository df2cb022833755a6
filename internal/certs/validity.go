package certs

import (
	"crypto/x509"
	"fmt"
	"strings"
	"time"
)

// validity is how a certificate stands to the time.
type validity int

const (
	sound validity = iota
	early          // not yet valid
	soon           // ends before long
	over
)

// soonest is how long before its end people are told of it; sooner where the whole
// life of a certificate is short.
const soonest = 14 * 24 * time.Hour

func validityOf(leaf *x509.Certificate, now time.Time) validity {
	switch {
	case now.Before(leaf.NotBefore):
		return early
	case now.After(leaf.NotAfter):
		return over
	}
	if e := (Expiry{NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter}); e.Soon(now, soonest) {
		return soon
	}
	return sound
}

// judge tells of certificates that are out of their time, or soon will be: once.
func (s *Store) judge(o *outfit, now time.Time) {
	told := map[string]validity{}
	for _, c := range o.chains {
		id := string(c.Leaf.Raw)
		is := validityOf(c.Leaf, now)
		if told[id] = is; is != s.told[id] {
			s.warn(c.Leaf, is)
		}
	}
	s.told = told
}

func (s *Store) warn(leaf *x509.Certificate, is validity) {
	name := nameOf(leaf)
	day := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	switch is {
	case early:
		s.tell(Warning, fmt.Sprintf("the certificate for %s is not valid before %s: senders that verify refuse it; is the clock right?", name, day(leaf.NotBefore)))
	case soon:
		s.tell(Warning, fmt.Sprintf("the certificate for %s ends on %s: renew it", name, day(leaf.NotAfter)))
	case over:
		s.tell(Warning, fmt.Sprintf("the certificate for %s ended on %s: senders that verify refuse it; renew it", name, day(leaf.NotAfter)))
	}
}

// describe names what is in use.
func (o *outfit) describe() string {
	var parts []string
	for _, c := range o.chains {
		parts = append(parts, nameOf(c.Leaf)+" until "+c.Leaf.NotAfter.UTC().Format(time.DateOnly))
	}
	return strings.Join(parts, ", ")
}
