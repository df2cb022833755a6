package config

import (
	"math"
	"strconv"
	"strings"
	"time"
)

const year = 365 * 24 * time.Hour

// text accepts any text.
func text(s string) (string, *fault) { return s, nil }

// flag accepts true and false.
func flag(s string) (bool, *fault) {
	switch s {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, faultf("write true or false", "%q is neither true nor false", s)
}

// duration accepts a duration above 0.
func duration(s string) (time.Duration, *fault) {
	d, bad := durationOrZero(s)
	if bad == nil && d == 0 {
		return 0, faultf("for example 30s", "must be more than 0")
	}
	return d, bad
}

// lifetime is [duration] for an affinity.
func lifetime(s string) (time.Duration, *fault) {
	d, bad := durationOrZero(s)
	if bad == nil && d == 0 {
		return 0, faultf("for example 1h; for none, write affinity: none", "must be more than 0: an affinity has to last")
	}
	return d, bad
}

// durationOrZero accepts a duration; 0 means what the key says it means.
func durationOrZero(s string) (time.Duration, *fault) {
	d, err := time.ParseDuration(s)
	switch {
	case err != nil && digits(s):
		return 0, faultf("for example "+s+"s", "%q has no unit", s)
	case err != nil:
		return 0, faultf("for example 30s, 1m30s or 2h", "%q is not a duration", s)
	case d < 0:
		return 0, faultf("for example 30s", "%q is negative", s)
	case d > year:
		return 0, faultf("for example 30s, 1m30s or 2h", "%q is more than a year", s)
	}
	return d, nil
}

// longestTarpit leaves a sender that waits for its greeting, for which it is held back
// twice, within its own patience: 5 minutes (RFC 5321 section 4.5.3.2.1).
const longestTarpit = 2 * time.Minute

// tarpit is [durationOrZero] for holding back replies.
func tarpit(s string) (time.Duration, *fault) {
	d, bad := durationOrZero(s)
	if bad == nil && d > longestTarpit {
		return 0, faultf("use up to 2m", "%q is too long: honest senders wait 5 minutes for a reply, and twice this for the greeting", s)
	}
	return d, bad
}

// size accepts octets above 0, as a number or in KiB, MiB or GiB.
func size(s string) (int64, *fault) {
	n, bad := sizeOrZero(s)
	if bad == nil && n == 0 {
		return 0, faultf("for example 256KiB", "must be more than 0")
	}
	return n, bad
}

// sizeOrZero is [size] where 0 has a meaning.
func sizeOrZero(s string) (int64, *fault) {
	const remedy = "for example 256KiB, 25MiB, 1GiB, or a number of bytes"
	number, shift := s, 0
	for i, unit := range []string{"KiB", "MiB", "GiB"} {
		if cut, ok := strings.CutSuffix(s, unit); ok {
			number, shift = cut, 10*(i+1)
		}
	}
	if strings.HasPrefix(number, "-") && digits(number[1:]) {
		return 0, faultf(remedy, "%q is negative", s)
	}
	if !digits(number) {
		return 0, faultf(remedy, "%q is not a size", s)
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n > math.MaxInt64>>shift {
		return 0, faultf(remedy, "%q is too large", s)
	}
	return n << shift, nil
}

// count accepts a whole number from low to high.
func count(low, high int) func(string) (int, *fault) {
	return func(s string) (int, *fault) {
		n, err := strconv.Atoi(s)
		switch {
		case err != nil && !digits(strings.TrimPrefix(s, "-")):
			return 0, faultf("for example "+strconv.Itoa(max(low, min(high, 100))), "%q is not a whole number", s)
		case n < low: // Atoi returns the nearest int for one that is too large
			return 0, faultf("", "%s is less than %d", s, low)
		case n > high:
			return 0, faultf("", "%s is more than %d", s, high)
		}
		return n, nil
	}
}

// atLeast accepts a whole number from low.
func atLeast(low int) func(string) (int, *fault) { return count(low, math.MaxInt32) }

// share accepts a number from 0 to 1.
func share(s string) (float64, *fault) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !(f >= 0 && f <= 1) {
		return 0, faultf("for example 0.2", "%q is not a number from 0 to 1", s)
	}
	return f, nil
}

// shareAboveZero is [share] where 0 would mean "always".
func shareAboveZero(s string) (float64, *fault) {
	f, bad := share(s)
	if bad == nil && f == 0 {
		return 0, faultf("for example 0.5", "must be more than 0")
	}
	return f, bad
}

// outlierRatio accepts how many times worse than its peers is far worse: below 1
// the better ones would be it. 0 is off.
func outlierRatio(s string) (float64, *fault) {
	f, err := strconv.ParseFloat(s, 64)
	switch {
	case err != nil || math.IsNaN(f) || math.IsInf(f, 0):
		return 0, faultf("for example 3", "%q is not a number", s)
	case f != 0 && f < 1:
		return 0, faultf("for example 3, or 0 for off", "%s is less than 1", s)
	}
	return f, nil
}

// keyword accepts what EHLO can announce (RFC 5321 section 4.1.1.1); it is
// compared in capitals.
func keyword(s string) (string, *fault) {
	odd := strings.IndexFunc(s, func(r rune) bool { return !letter(r) && !digit(r) && r != '-' })
	if s == "" || odd >= 0 || s[0] == '-' || len(s) > maxName {
		return "", faultf("for example CHUNKING", "%q is not a keyword of EHLO", s)
	}
	return strings.ToUpper(s), nil
}

// maxName is the length of the longest name of a pool, backend or listener.
const maxName = 64

// name accepts what pools, backends and listeners may be called.
func name(s string) (string, *fault) {
	switch {
	case s == "":
		return "", faultf("letters, digits and . _ : - are allowed", "is an empty name")
	case len(s) > maxName:
		return "", faultf("", "%q is longer than %d characters", s, maxName)
	case clean(s) != s:
		return "", faultf("letters, digits and . _ : - are allowed, such as "+quoted(clean(s)), "%q is not a name", s)
	}
	return s, nil
}

// clean puts a hyphen for every character that a name must not have.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if letter(r) || digit(r) || strings.ContainsRune("._:-", r) {
			return r
		}
		return '-'
	}, s)
}

// hostname accepts a domain name, as EHLO and Received need it (RFC 5321
// section 4.1.2), and the empty text for the machine's own.
func hostname(s string) (string, *fault) {
	const remedy = "for example mx.example.com"
	if s == "" {
		return "", nil
	}
	if len(s) > 253 {
		return "", faultf(remedy, "is longer than 253 characters")
	}
	for label := range strings.SplitSeq(s, ".") {
		odd := strings.IndexFunc(label, func(r rune) bool { return !letter(r) && !digit(r) && r != '-' })
		if label == "" || len(label) > 63 || odd >= 0 || label[0] == '-' || label[len(label)-1] == '-' {
			return "", faultf(remedy, "%q is not a host name", s)
		}
	}
	return s, nil
}

// domain accepts a name to ask DNS for: a host name whose labels may begin with
// an underscore (RFC 2782). A dot at the end is dropped.
func domain(s string) (string, *fault) {
	s = strings.TrimSuffix(s, ".")
	if s == "" {
		return "", faultf("for example _smtp._tcp.example.com", "is empty")
	}
	labels := strings.Split(s, ".")
	for i := range labels {
		labels[i] = strings.TrimPrefix(labels[i], "_")
	}
	if _, bad := hostname(strings.Join(labels, ".")); bad != nil || s == "_" || len(s) > 253 {
		return "", faultf("for example _smtp._tcp.example.com", "%q is not a name in DNS", s)
	}
	return s, nil
}

// anyWord accepts a word of Consul's, such as a tag, or none.
func anyWord(s string) (string, *fault) {
	switch odd := strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }); {
	case odd >= 0:
		return "", faultf("", "%q has a blank or a control character in it", s)
	case len(s) > 128:
		return "", faultf("", "is longer than 128 characters")
	}
	return s, nil
}

// serviceWord is [anyWord] with a word.
func serviceWord(s string) (string, *fault) {
	if s == "" {
		return "", faultf("for example connector-internet", "is empty")
	}
	return anyWord(s)
}

// mailbox accepts an address, a bare local part such as postmaster, and no
// text at all when empty is allowed. Nothing that could break out of the angle
// brackets of a command passes (RFC 5321 section 4.1.2).
func mailbox(emptyToo bool) func(string) (string, *fault) {
	return func(s string) (string, *fault) {
		switch odd := strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '<' || r == '>' }); {
		case s == "" && !emptyToo:
			return "", faultf("for example postmaster", "is empty")
		case s == "<>" && emptyToo:
			return "", faultf(`write "" for the null sender`, "brackets are not part of an address")
		case odd >= 0, strings.HasPrefix(s, "@"), strings.HasSuffix(s, "@"):
			return "", faultf("for example probe@example.com", "%q is not a mail address", s)
		case len(s) > 254:
			return "", faultf("for example probe@example.com", "is longer than 254 characters")
		}
		return s, nil
	}
}

func digits(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return !digit(r) }) < 0
}

func digit(r rune) bool { return '0' <= r && r <= '9' }

func letter(r rune) bool { return 'a' <= r|0x20 && r|0x20 <= 'z' }
