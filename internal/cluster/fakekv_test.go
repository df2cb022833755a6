package cluster

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

// list answers a read of a key or prefix; with an index that nothing has changed
// since it waits. What it remembers of the deadline, it keeps in the request.
func (f *fakeConsul) list(r *http.Request, key string) (*http.Response, held) {
	query := r.URL.Query()
	_, recurse := query["recurse"]
	var pairs []*api.KVPair
	for _, k := range slices.Sorted(maps.Keys(f.keys)) {
		if k == key || recurse && strings.HasPrefix(k, key) {
			pairs = append(pairs, f.keys[k])
		}
	}
	// A deletion leaves no key to bear the index, so the fake says the store's; it
	// wakes too often, which Consul also may.
	index := f.index
	if since, err := strconv.ParseUint(query.Get("index"), 10, 64); err == nil && since > 0 && index <= since {
		wait, err := time.ParseDuration(query.Get("wait"))
		if err != nil {
			panic(err)
		}
		if until := deadline(r, wait); time.Now().Before(until) {
			return nil, held{f.changed, until}
		}
	}
	if len(pairs) == 0 {
		return answer(r, 404, index, ""), held{}
	}
	return answer(r, 200, index, pairs), held{}
}

// deadline returns when a blocking query has to be answered.
func deadline(r *http.Request, wait time.Duration) time.Time {
	const header = "X-Fake-Deadline"
	if r.Header.Get(header) == "" {
		r.Header.Set(header, time.Now().Add(wait).Format(time.RFC3339Nano))
	}
	at, err := time.Parse(time.RFC3339Nano, r.Header.Get(header))
	if err != nil {
		panic(err)
	}
	return at
}

func (f *fakeConsul) write(r *http.Request, key string, value []byte) bool {
	query := r.URL.Query()
	held := f.keys[key]
	switch {
	case query.Has("cas"):
		return f.cas(key, value, query.Get("cas"))
	case query.Has("acquire"):
		id := query.Get("acquire")
		if f.sessions[id] == nil || held != nil && held.Session != "" && held.Session != id || time.Now().Before(f.delayed[key]) {
			return false
		}
		f.set(key, value, id)
	case query.Has("release"):
		if held == nil || held.Session != query.Get("release") {
			return false
		}
		f.set(key, value, "")
	default:
		f.set(key, value, "")
	}
	return true
}

func (f *fakeConsul) cas(key string, value []byte, index string) bool {
	if !f.fits(key, index) {
		return false
	}
	session := ""
	if held := f.keys[key]; held != nil {
		session = held.Session
	}
	f.set(key, value, session)
	return true
}

func (f *fakeConsul) fits(key, index string) bool {
	held := uint64(0)
	if pair := f.keys[key]; pair != nil {
		held = pair.ModifyIndex
	}
	return strconv.FormatUint(held, 10) == index
}

func (f *fakeConsul) remove(r *http.Request, key string) {
	if f.fits(key, r.URL.Query().Get("cas")) {
		delete(f.keys, key)
		f.touch()
	}
}

// txn does all or nothing.
func (f *fakeConsul) txn(r *http.Request, body []byte) *http.Response {
	var ops api.TxnOps
	if err := json.Unmarshal(body, &ops); err != nil {
		panic(err)
	}
	for i, op := range ops {
		if op.KV.Verb != api.KVCAS {
			panic("the fake knows no " + string(op.KV.Verb))
		}
		if !f.fits(op.KV.Key, strconv.FormatUint(op.KV.Index, 10)) {
			return answer(r, 409, f.index, api.TxnResponse{Errors: api.TxnErrors{{OpIndex: i, What: "index is stale"}}})
		}
	}
	for _, op := range ops {
		f.cas(op.KV.Key, op.KV.Value, strconv.FormatUint(op.KV.Index, 10))
	}
	return answer(r, 200, f.index, api.TxnResponse{})
}

func (f *fakeConsul) session(r *http.Request, path string, body []byte) *http.Response {
	verb, id, _ := strings.Cut(path, "/")
	switch verb {
	case "create":
		var wanted struct{ Name, TTL, LockDelay, Behavior string }
		if err := json.Unmarshal(body, &wanted); err != nil {
			panic(err)
		}
		f.serial++
		id := fmt.Sprintf("session-%d", f.serial)
		f.sessions[id] = newFakeSession(f, id, wanted.TTL, wanted.LockDelay)
		return answer(r, 200, f.index, map[string]string{"ID": id})
	case "renew":
		s := f.sessions[id]
		if s == nil {
			return answer(r, 404, f.index, "no such session")
		}
		s.timer.Reset(ttlOf(s.entry))
		return answer(r, 200, f.index, []api.SessionEntry{s.entry})
	case "destroy":
		f.destroy(id)
		return answer(r, 200, f.index, true)
	}
	panic("the fake knows no session " + verb)
}

func newFakeSession(f *fakeConsul, id, ttl, lockDelay string) *fakeSession {
	delay, err := time.ParseDuration(lockDelay)
	if err != nil {
		panic(err)
	}
	s := &fakeSession{entry: api.SessionEntry{ID: id, TTL: ttl, LockDelay: delay}}
	s.timer = time.AfterFunc(ttlOf(s.entry), func() { f.end(id) })
	return s
}

func ttlOf(s api.SessionEntry) time.Duration {
	ttl, err := time.ParseDuration(s.TTL)
	if err != nil {
		panic(err)
	}
	return ttl
}

// service keeps the agent's services; their checks do not run out.
func (f *fakeConsul) service(r *http.Request, path string, body []byte) *http.Response {
	switch {
	case path == "service/register":
		var service api.AgentServiceRegistration
		if err := json.Unmarshal(body, &service); err != nil {
			panic(err)
		}
		f.services[service.ID] = service
	case strings.HasPrefix(path, "service/deregister/"):
		delete(f.services, strings.TrimPrefix(path, "service/deregister/"))
	case f.services[strings.TrimPrefix(path, "check/update/service:")].ID == "":
		return answer(r, 404, f.index, "Unknown check ID")
	}
	return answer(r, 200, f.index, "")
}
