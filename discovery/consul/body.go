package consul

import (
	"bytes"
	"context"
	"hash/maphash"
	"io"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// reader reads answers. It remembers the last one by entries: a change of a
// service of thousands is one of few of them, and only those are read anew.
type reader struct {
	seed  maphash.Seed
	known map[uint64]*entry // by their bytes
}

func newReader() *reader { return &reader{seed: maphash.MakeSeed()} }

// read reads an answer of instances. It is as lenient about what Consul did not
// write itself as the usual decoder.
func (r *reader) read(body io.Reader) ([]entry, error) {
	lenient := []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}
	d := jsontext.NewDecoder(body, lenient...)
	if d.PeekKind() != '[' {
		var none []entry
		return none, json.UnmarshalDecode(d, &none) // null, or a mistake
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	known := make(map[uint64]*entry, len(r.known))
	entries := make([]entry, 0, len(r.known))
	for d.PeekKind() != ']' {
		text, err := d.ReadValue()
		if err != nil {
			return nil, err
		}
		sum := maphash.Bytes(r.seed, text)
		e := r.known[sum]
		if e == nil {
			e = &entry{}
			if err := json.Unmarshal(text, e, lenient...); err != nil {
				return nil, err
			}
			e.made = &made{}
			e.made.spec, e.made.faults = e.make()
		}
		known[sum] = e
		entries = append(entries, *e)
	}
	r.known = known
	return entries, nil
}

// errand has an answer read as it arrives.
type errand struct {
	reader  *reader
	done    bool
	entries []entry
	err     error
}

type errandKey struct{}

// Transport has answers for this package read faster than the client of
// github.com/hashicorp/consul/api does, which takes longer than everything else
// that a change costs. A client works without it.
func Transport(next http.RoundTripper) http.RoundTripper { return reading{next} }

type reading struct{ next http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (t reading) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(req)
	to, ours := req.Context().Value(errandKey{}).(*errand)
	if err != nil || !ours || resp.StatusCode != http.StatusOK {
		return resp, err
	}
	to.entries, to.err = to.reader.read(resp.Body)
	to.done = true
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<10)) // to its end, for the next request
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(strings.NewReader("null"))
	resp.ContentLength = -1
	return resp, nil
}

// take returns what arrived: text is what came past the transport.
func (e *errand) take(text []byte) ([]entry, error) {
	if e.done {
		return e.entries, e.err
	}
	return e.reader.read(bytes.NewReader(text))
}

// on returns the context for the request.
func (e *errand) on(ctx context.Context) context.Context {
	return context.WithValue(ctx, errandKey{}, e)
}
