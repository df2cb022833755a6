package dashboard

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"weir/internal/history"
)

// Bounds of an answer.
const (
	usualTransactions = 100
	mostTransactions  = 1000
)

// History finds transactions that have ended; a [history.Ring] does.
type History interface {
	Find(ctx context.Context, q *history.Query) (history.Found, error)
}

// TransactionsAnswer is the answer of /v1/transactions.
type TransactionsAnswer struct {
	Transactions []history.Transaction `json:"transactions"` // newest first
	More         bool                  `json:"more"`         // there are more than limit asks for
	Kept         int                   `json:"kept"`         // so many were searched
	Since        *time.Time            `json:"since"`        // when the oldest of those ended; null: none is kept
}

// serveTransactions says where messages went, as far as memory goes.
func (s *Server) serveTransactions(w http.ResponseWriter, r *http.Request, _ caller) {
	if s.deps.History == nil {
		writeError(w, http.StatusNotImplemented, "no transactions are kept here: this weir was started without it")
		return
	}
	q, err := queryOf(r.URL.Query(), s.now())
	if err != nil {
		writeError(w, http.StatusBadRequest, err.Error())
		return
	}
	found, err := s.deps.History.Find(r.Context(), q)
	if err != nil {
		writeError(w, http.StatusServiceUnavailable, "the search was given up: "+err.Error())
		return
	}
	answer := TransactionsAnswer{Transactions: found.Transactions, More: found.More, Kept: found.Kept}
	if !found.Since.IsZero() {
		answer.Since = &found.Since
	}
	writeJSON(w, http.StatusOK, answer)
}

// transactionKeys are the words of a query that are taken as they stand.
func transactionKeys(q *history.Query) map[string]*string {
	return map[string]*string{
		"id": &q.ID, "remote_id": &q.RemoteID, "message_id": &q.MessageID, "from": &q.From, "to": &q.To,
		"pool": &q.Pool, "backend": &q.Backend, "tried": &q.Tried, "outcome": &q.Outcome,
	}
}

// queryOf reads a query. A key that is not known is refused: left out silently, it
// would find what is not wanted.
func queryOf(values url.Values, now time.Time) (*history.Query, error) {
	q := &history.Query{Limit: usualTransactions}
	words := transactionKeys(q)
	parsed := map[string]func(string) error{
		"client": func(text string) (err error) { q.Client, err = networkOf(text); return err },
		"around": func(text string) (err error) { q.Around, err = momentOf(text, now); return err },
		"since":  func(text string) (err error) { q.Since, err = sinceTime(text, now); return err },
		"limit":  func(text string) (err error) { q.Limit, err = limitOf(text); return err },
	}
	for key, texts := range values {
		text := texts[len(texts)-1]
		read, ok := parsed[key]
		word, plain := words[key]
		switch {
		case !ok && !plain:
			return nil, fmt.Errorf("there is no %q to search by; there are %s", key, strings.Join(searchKeys(words), ", "))
		case text == "":
		case plain:
			*word = strings.TrimSpace(text)
		default:
			if err := read(text); err != nil {
				return nil, err
			}
		}
	}
	return q, nil
}

func searchKeys(words map[string]*string) []string {
	keys := []string{"client", "around", "since", "limit"}
	for key := range words {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// networkOf reads an address, with or without a port, or a network.
func networkOf(text string) (netip.Prefix, error) {
	if network, err := netip.ParsePrefix(text); err == nil {
		return network.Masked(), nil
	}
	if with, err := netip.ParseAddrPort(text); err == nil {
		text = with.Addr().String()
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, errors.New("client wants an IP address or a network, such as 192.0.2.7 or 192.0.2.0/24")
	}
	addr = addr.Unmap().WithZone("")
	return netip.PrefixFrom(addr, addr.BitLen()), nil
}

// momentOf reads a time, or the time of a day: the last such that was, by this
// machine's clock.
func momentOf(text string, now time.Time) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	for _, layout := range []string{"15:04", "15:04:05"} {
		clock, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		year, month, day := now.Date()
		at := time.Date(year, month, day, clock.Hour(), clock.Minute(), clock.Second(), 0, now.Location())
		if at.After(now) {
			at = at.AddDate(0, 0, -1)
		}
		return at, nil
	}
	return time.Time{}, errors.New("around wants a time such as 10:32, of this machine's clock, or 2026-01-02T10:32:00Z (RFC 3339)")
}

// sinceTime reads how long ago, or since when.
func sinceTime(text string, now time.Time) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	ago, err := time.ParseDuration(text)
	if err != nil || ago <= 0 {
		return time.Time{}, errors.New("since wants a duration such as 1h or 30m, or a time such as 2026-01-02T10:32:00Z (RFC 3339)")
	}
	return now.Add(-ago), nil
}

func limitOf(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > mostTransactions {
		return 0, fmt.Errorf("limit wants a whole number from 1 to %d", mostTransactions)
	}
	return n, nil
}
