package sim

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// into is the rule for a single value; parse says what is wrong with a text.
func into[T any](dst *T, parse func(string) (T, *fault)) func(*reader, value) {
	return func(r *reader, v value) {
		text, ok := r.text(v)
		if !ok {
			return
		}
		got, bad := parse(text)
		if bad != nil {
			r.report(v.node, v.path, bad)
			return
		}
		*dst = got
	}
}

// listOf is the rule for a list of single values, or for one alone.
func listOf[T any](dst *[]T, parse func(string) (T, *fault)) func(*reader, value) {
	return func(r *reader, v value) {
		*dst = nil
		values := []value{v}
		if _, single := singleText(v); !single {
			values = r.items(v)
		}
		for _, item := range values {
			var one T
			before := len(r.problems)
			if into(&one, parse)(r, item); len(r.problems) == before {
				*dst = append(*dst, one)
			}
		}
	}
}

func singleText(v value) (string, bool) {
	var silent reader
	text, ok := silent.text(v)
	return text, ok
}

// sectionOf is the rule for a mapping.
func sectionOf(fields ...field) func(*reader, value) {
	return func(r *reader, v value) { r.section(v, fields) }
}

func anyText(s string) (string, *fault) { return s, nil }

func flag(s string) (bool, *fault) {
	if s != "true" && s != "false" {
		return false, faultf("write true or false", "%q is neither true nor false", s)
	}
	return s == "true", nil
}

// duration accepts one from 0 to a week.
func duration(s string) (time.Duration, *fault) {
	const remedy = "for example 30s, 1m30s or 2h"
	d, err := time.ParseDuration(s)
	switch f, number := strconv.ParseFloat(s, 64); {
	case err != nil && number == nil && !math.IsNaN(f) && !math.IsInf(f, 0):
		return 0, faultf("for example "+s+"s", "%q has no unit", s)
	case err != nil:
		return 0, faultf(remedy, "%q is not a duration", s)
	case d < 0:
		return 0, faultf(remedy, "%q is negative", s)
	case d > maxDuration:
		return 0, faultf(remedy, "%q is more than a week", s)
	}
	return d, nil
}

// span is a [duration] above 0.
func span(s string) (time.Duration, *fault) {
	d, bad := duration(s)
	if bad == nil && d == 0 {
		return 0, faultf("for example 30s", "must be more than 0")
	}
	return d, bad
}

// count accepts a whole number from low to high.
func count[T ~int | ~int64](low, high T) func(string) (T, *fault) {
	return func(s string) (T, *fault) {
		n, err := strconv.ParseInt(strings.ReplaceAll(s, "_", ""), 10, 64)
		switch {
		case err != nil:
			return 0, faultf("for example "+strconv.Itoa(max(int(low), min(int(high), 100))), "%q is not a whole number", s)
		case n < int64(low) || n > int64(high):
			return 0, faultf("", "%s is not from %d to %d", s, low, high)
		}
		return T(n), nil
	}
}

func seed(s string) (uint64, *fault) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, faultf("for example 1", "%q is not a whole number from 0", s)
	}
	return n, nil
}

// number accepts a number from low to high.
func number(low, high float64) func(string) (float64, *fault) {
	return func(s string) (float64, *fault) {
		f, err := strconv.ParseFloat(s, 64)
		switch {
		case err != nil || math.IsNaN(f):
			return 0, faultf("for example "+strconv.FormatFloat(max(low, min(high, 10)), 'g', -1, 64), "%q is not a number", s)
		case f < low || f > high:
			return 0, faultf("", "%s is not from %g to %g", s, low, high)
		}
		return f, nil
	}
}

// ratioOrOff accepts outlier_ratio: 0 for off, or at least 1.
func ratioOrOff(s string) (float64, *fault) {
	f, bad := number(0, 1e6)(s)
	if bad == nil && f > 0 && f < 1 {
		return 0, faultf("for example 3, or 0 for off", "%s is less than 1", s)
	}
	return f, bad
}

// oneOf accepts one of some words; the value is its place among them.
func oneOf[T ~uint8](words []string) func(string) (T, *fault) {
	return func(s string) (T, *fault) {
		for i, w := range words {
			if w == s {
				return T(i), nil
			}
		}
		return 0, faultf("use one of "+strings.Join(words, ", "), "there is no %q", s)
	}
}

// word accepts one of some words as it is.
func word(words []string) func(string) (string, *fault) {
	return func(s string) (string, *fault) {
		i, bad := oneOf[uint8](words)(s)
		if bad != nil {
			return "", bad
		}
		return words[i], nil
	}
}

// name accepts what groups and connectors may be called.
func name(s string) (string, *fault) {
	if !regexp.MustCompile(`^[A-Za-z0-9._:-]{1,48}$`).MatchString(s) {
		return "", faultf("up to 48 letters, digits and . _ : - are allowed", "%q is not a name", s)
	}
	return s, nil
}

// distribution accepts a duration, or a form such as lognormal(80ms, 400ms).
func distribution(s string) (dist, *fault) {
	const remedy = "for example 20ms, constant(20ms), exponential(20ms) or lognormal(80ms, 400ms): the median and the 99th percentile"
	form, rest, ok := strings.Cut(s, "(")
	if !ok {
		form, rest = "constant", s+")"
	}
	inner, ok := strings.CutSuffix(strings.TrimSpace(rest), ")")
	var times []time.Duration
	for part := range strings.SplitSeq(inner, ",") {
		d, bad := duration(strings.TrimSpace(part))
		if bad != nil {
			return dist{}, &fault{bad.what, remedy}
		}
		times = append(times, d)
	}
	switch form = strings.TrimSpace(form); {
	case !ok:
		return dist{}, faultf(remedy, "%q is no distribution", s)
	case form == "constant" && len(times) == 1:
		return dist{shape: constant, scale: float64(times[0])}, nil
	case form == "exponential" && len(times) == 1:
		return dist{shape: exponential, scale: float64(times[0])}, nil
	case form == "lognormal" && len(times) == 2:
		if times[0] <= 0 || times[1] < times[0] {
			return dist{}, faultf(remedy, "the median of %q must be above 0 and not above the 99th percentile", s)
		}
		return lognormalOf(times[0], times[1]), nil
	}
	return dist{}, faultf(remedy, "%q is no distribution", s)
}
