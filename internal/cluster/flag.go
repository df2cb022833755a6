package cluster

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"weir/internal/backend"
)

// flag is the operator's last word on one connector, as it stands in Consul. One
// that neither drains nor disables is a word too: it ends an older one.
type flag struct {
	Drained  bool      `json:"drained"`
	Disabled bool      `json:"disabled"`
	Who      string    `json:"who"`
	When     time.Time `json:"when"`
	Why      string    `json:"why"`
	Until    time.Time `json:"until,omitzero"` // when it ends by itself; zero: never
}

// admin returns what the flag means now: one that is over means nothing.
func (f flag) admin(now time.Time) backend.Admin {
	switch {
	case !f.Until.IsZero() && !now.Before(f.Until):
		return backend.AdminEnabled
	case f.Disabled:
		return backend.AdminDisabled
	case f.Drained:
		return backend.AdminDrain
	}
	return backend.AdminEnabled
}

// fact is the flag as the registry wants it.
func (f flag) fact(now time.Time) backend.AdminFact {
	admin := f.admin(now)
	if admin == backend.AdminEnabled {
		return backend.AdminFact{}
	}
	return backend.AdminFact{Admin: admin, Reason: f.Why, By: f.Who, Since: f.When, Until: f.Until}
}

// aheadAtMost is how far a word's time may lie in the future: further than any wrong
// time zone or neglected clock puts it. Nothing could follow on a word of the year
// 9999, so one from beyond that is a mistake and counts for nothing.
const aheadAtMost = 24 * time.Hour

// plausible reports whether the word's time can be true, as far as this clock tells.
func (f flag) plausible(now time.Time) bool { return f.When.Sub(now) <= aheadAtMost }

// newer reports whether f stands against g. Equal times are decided by the
// content, so that every replica decides alike.
func (f flag) newer(g flag) bool {
	if !f.When.Equal(g.When) {
		return f.When.After(g.When)
	}
	return bytes.Compare(f.encode(), g.encode()) > 0
}

// same reports whether both are the same word.
func (f flag) same(g flag) bool { return !f.newer(g) && !g.newer(f) }

// encode writes the flag as its key holds it, times in UTC.
func (f flag) encode() []byte {
	f.When, f.Until = f.When.UTC(), f.Until.UTC()
	text, err := json.Marshal(f)
	if err != nil { // a year above 9999
		return nil
	}
	return text
}

// writable tells of a flag that no key and no file can hold.
func (f flag) writable() error {
	if f.encode() == nil {
		return fmt.Errorf("writing a flag: its times are beyond the year 9999: is this machine's clock right? It says %s", f.When)
	}
	return nil
}

// decodeFlag reads a key's value. A value without a time, or with one that cannot be
// true, cannot be compared with another, so it is no flag.
func decodeFlag(value []byte, now time.Time) (flag, error) {
	var f flag
	if err := json.Unmarshal(value, &f); err != nil {
		return flag{}, fmt.Errorf("reading a flag: %w", err)
	}
	if f.When.IsZero() {
		return flag{}, errors.New(`reading a flag: it has no "when", such as "2026-01-31T12:00:00Z"`)
	}
	f.When, f.Until = f.When.UTC(), f.Until.UTC()
	if !f.plausible(now) {
		return flag{}, fmt.Errorf("reading a flag: its time, %s, is over a day in the future", f.When.Format(time.RFC3339))
	}
	return f, f.writable()
}

// parseID reads "pool/name".
func parseID(text string) (backend.ID, bool) {
	pool, name, ok := strings.Cut(text, "/")
	return backend.ID{Pool: pool, Name: name}, ok && pool != "" && name != "" && !strings.Contains(name, "/")
}
