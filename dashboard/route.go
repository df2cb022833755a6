package dashboard

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Router explains which connector a transaction would get. Explaining changes
// nothing: the next transaction is served as if nobody had asked. Its error is in
// words for people, and about what was asked: a listener that is not there.
type Router interface {
	Explain(q *RouteQuery) (RouteAnswer, error)
}

// RouteQuery describes a transaction with one recipient.
type RouteQuery struct {
	Listener   string     // empty: the one that weir takes for meant
	From, To   string     // addresses without angle brackets; an empty From is the null sender
	Size       int64      // octets that the sender declares; 0: none
	Client     netip.Addr // not valid: not told
	Extensions []string   // what its parameters ask for, as EHLO keywords: "8BITMIME"
}

// RouteAnswer is the answer of /v1/route. Nothing in it is null.
type RouteAnswer struct {
	Listener string      `json:"listener"`
	From     string      `json:"from"`
	To       []string    `json:"to"`
	Route    string      `json:"route"` // empty: the listener has a pool of its own, or no route matches
	Match    string      `json:"match"` // the pattern by which the route was found
	Pools    []RoutePool `json:"pools"` // in the order in which they are asked
	Backend  string      `json:"backend"`
	Code     int         `json:"code"` // 0: a connector is chosen
	Reply    string      `json:"reply"`
}

// RoutePool is one pool's part of the answer.
type RoutePool struct {
	Pool       string           `json:"pool"`
	Cost       int              `json:"cost"` // in the route
	Policy     string           `json:"policy"`
	Affinity   string           `json:"affinity"` // empty: none
	Used       bool             `json:"used"`     // the transaction begins here
	Why        string           `json:"why"`
	Candidates []RouteCandidate `json:"candidates"` // in the order of trial; then those that are out
}

// RouteCandidate is one connector's part of the answer.
type RouteCandidate struct {
	ID      string `json:"id"` // pool/name
	Address string `json:"address"`
	Cost    int    `json:"cost"`   // its tier
	Weight  int    `json:"weight"` // in hundredths of a configured weight
	In      bool   `json:"in"`
	Why     string `json:"why"`
}

// serveRoute says who would get a message, and why.
func (s *Server) serveRoute(w http.ResponseWriter, r *http.Request, _ caller) {
	if s.deps.Router == nil {
		writeError(w, http.StatusNotImplemented, "nothing is routed here: this weir was started without it")
		return
	}
	q, err := routeQueryOf(r.URL.Query())
	if err != nil {
		writeError(w, http.StatusBadRequest, err.Error())
		return
	}
	answer, err := s.deps.Router.Explain(q)
	if err != nil {
		writeError(w, http.StatusBadRequest, err.Error())
		return
	}
	writeJSON(w, http.StatusOK, answer.whole())
}

// whole writes empty lists as such.
func (a RouteAnswer) whole() RouteAnswer {
	a.To, a.Pools = append([]string{}, a.To...), append([]RoutePool{}, a.Pools...)
	for i := range a.Pools {
		a.Pools[i].Candidates = append([]RouteCandidate{}, a.Pools[i].Candidates...)
	}
	return a
}

// routeExtensions are the keys that stand for a parameter of MAIL, with the
// keyword of the extension that it needs.
func routeExtensions() map[string]string {
	return map[string]string{"8bit": "8BITMIME", "smtputf8": "SMTPUTF8"}
}

// routeQueryOf reads what is asked. A key that is not known is refused: left out
// silently, it would explain another transaction.
func routeQueryOf(values url.Values) (*RouteQuery, error) {
	q := new(RouteQuery)
	extensions := routeExtensions()
	readers := map[string]func(string) error{
		"from":     func(text string) (err error) { q.From, err = senderAddress(text); return err },
		"to":       func(text string) (err error) { q.To, err = recipientAddress(text); return err },
		"size":     func(text string) (err error) { q.Size, err = octetsOf(text); return err },
		"client":   func(text string) (err error) { q.Client, err = clientAddress(text); return err },
		"listener": func(text string) error { q.Listener = text; return nil },
	}
	for key, keyword := range extensions {
		readers[key] = func(text string) error { return q.ask(key, keyword, text) }
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		read, known := readers[key]
		_, alone := extensions[key] // means something without a value
		switch texts := values[key]; {
		case !known:
			return nil, fmt.Errorf("there is no %q to ask by; there are %s", key, strings.Join(slices.Sorted(maps.Keys(readers)), ", "))
		case len(texts) > 1:
			return nil, fmt.Errorf("%s is given more than once: ask for one at a time", key)
		case texts[0] == "" && !alone:
		default:
			if err := read(texts[0]); err != nil {
				return nil, err
			}
		}
	}
	if q.To == "" {
		return nil, errors.New("to is missing: the recipient, such as bob@example.com")
	}
	return q, nil
}

// ask notes an extension that is wanted. A key without a value says yes.
func (q *RouteQuery) ask(key, keyword, text string) error {
	yes, err := strconv.ParseBool(text)
	if err != nil && text != "" {
		return fmt.Errorf("%s wants true or false", key)
	}
	if yes || text == "" {
		q.Extensions = append(q.Extensions, keyword)
	}
	return nil
}

func senderAddress(text string) (string, error) {
	address := unbracketed(text)
	if address != "" && !isMailbox(address) {
		return "", errors.New("from wants a mail address such as alice@example.org, or <> for the null sender")
	}
	return address, nil
}

func recipientAddress(text string) (string, error) {
	address := unbracketed(text)
	if !isMailbox(address) && !strings.EqualFold(address, "postmaster") {
		return "", errors.New("to wants a mail address such as bob@example.com, or postmaster (RFC 5321 section 4.5.1)")
	}
	return address, nil
}

func unbracketed(text string) string {
	text = strings.TrimSpace(text)
	if inner, ok := strings.CutPrefix(text, "<"); ok {
		if inner, ok = strings.CutSuffix(inner, ">"); ok {
			return inner
		}
	}
	return text
}

// isMailbox finds what was certainly not meant for an address. Whether it is one the
// router judges, as it would of a sender's: its answer has the words.
func isMailbox(text string) bool {
	const longest = 1024 // as an SMTP path may be here
	at := strings.LastIndexByte(text, '@')
	return at > 0 && at < len(text)-1 && len(text) <= longest && !strings.ContainsFunc(text, func(r rune) bool {
		return r < ' ' || r == 0x7f || r == '\uFFFD'
	})
}

func clientAddress(text string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}, errors.New("client wants an IP address, such as 192.0.2.7 or 2001:db8::7")
	}
	return addr.Unmap().WithZone(""), nil
}

// octetsOf reads a size as the config has them: octets, or with a binary unit.
func octetsOf(text string) (int64, error) {
	number, unit := text, int64(1)
	for i, suffix := range []string{"KiB", "MiB", "GiB"} {
		if cut, ok := strings.CutSuffix(text, suffix); ok {
			number, unit = cut, 1<<(10*(i+1))
		}
	}
	n, err := strconv.ParseUint(number, 10, 63)
	if err != nil || int64(n) > math.MaxInt64/unit {
		return 0, errors.New("size wants a number of octets, such as 10485760 or 10MiB")
	}
	return int64(n) * unit, nil
}
