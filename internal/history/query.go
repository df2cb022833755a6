package history

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Vicinity is how far from a named moment a transaction may be to be around it.
const Vicinity = 5 * time.Minute

// Query says which transactions are wanted: those that all of its fields fit. A
// zero field fits all.
type Query struct {
	ID        string       // weir's own, or the session's
	RemoteID  string       // the connector's
	MessageID string       // with or without its angle brackets
	From, To  string       // an address, or a domain; letters of either case
	Client    netip.Prefix // not valid: any
	Pool      string
	Backend   string    // the one that answered last: its name, or POOL/NAME
	Tried     string    // one of those that were left, likewise
	Outcome   string    // as in the log
	Around    time.Time // under way within [Vicinity] of it
	Since     time.Time // ended since then
	Limit     int       // at least 1
}

// mayMatch looks at the time only, which costs next to nothing.
func (q *Query) mayMatch(packed []byte) bool {
	if q.Since.IsZero() && q.Around.IsZero() {
		return true
	}
	r := reader{packed}
	end := time.Unix(0, r.number())
	began := end.Add(-time.Duration(r.number()) * time.Microsecond)
	if !q.Since.IsZero() && end.Before(q.Since) {
		return false
	}
	return q.Around.IsZero() || !end.Before(q.Around.Add(-Vicinity)) && !began.After(q.Around.Add(Vicinity))
}

func (q *Query) matches(t *Transaction) bool {
	return fits(q.ID, t.ID, t.Session) && fits(q.RemoteID, t.RemoteID) &&
		fits(bare(q.MessageID), bare(t.MessageID)) &&
		fits(q.Pool, t.Pool) && fits(q.Backend, t.Backend, t.Pool+"/"+t.Backend) && fitsTry(q.Tried, t.Tries) && fits(q.Outcome, t.Outcome) &&
		(!q.Client.IsValid() || q.Client.Contains(t.Client.Addr().Unmap())) &&
		fitsAddress(q.From, t.From) && fitsAddress(q.To, t.Rcpts...)
}

// fits reports whether one of the texts is the wanted one.
func fits(wanted string, texts ...string) bool {
	if wanted == "" {
		return true
	}
	for _, text := range texts {
		if text == wanted {
			return true
		}
	}
	return false
}

// fitsTry reports whether the wanted connector is one of those that were left.
func fitsTry(wanted string, tries []Try) bool {
	return wanted == "" || slices.ContainsFunc(tries, func(left Try) bool {
		_, name, _ := strings.Cut(left.Backend, "/")
		return fits(wanted, left.Backend, name)
	})
}

func bare(messageID string) string {
	return strings.TrimSuffix(strings.TrimPrefix(messageID, "<"), ">")
}

// nullSender is how people write the empty address.
const nullSender = "<>"

// masked is what stands for a local part that must not be kept.
const masked = "***"

// fitsAddress reports whether one of the addresses is the wanted one, or of the
// wanted domain. One whose local part was masked may be any of its domain.
func fitsAddress(wanted string, addresses ...string) bool {
	if wanted == "" {
		return true
	}
	for _, a := range addresses {
		local, domain := parts(a)
		wantedLocal, wantedDomain := parts(bare(wanted))
		switch {
		case wanted == nullSender || a == "":
			if wanted == nullSender && a == "" {
				return true
			}
		case strings.EqualFold(bare(wanted), a), !strings.Contains(wanted, "@") && strings.EqualFold(wanted, domain):
			return true
		case wantedLocal == "" || local == masked:
			if domain != "" && strings.EqualFold(wantedDomain, domain) {
				return true
			}
		}
	}
	return false
}

func parts(address string) (local, domain string) {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return address, ""
	}
	return address[:at], address[at+1:]
}
