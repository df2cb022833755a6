package balancer_test

import (
	"fmt"
	"strconv"
	"strings"

	"weir/balancer"
	"weir/internal/backend"
	"weir/internal/faulty"
)

// check compares what is known with a pattern:
//
//	NAME messages|failures|deferrals|ambiguous|idle|inflight|connections|open N    of a connector
//	NAME heard N PREFIX                       how many lines with this prefix it heard; events are in parentheses
//	NAME content|to|params|conn PATTERN       of the last message it stored
//	messages N                                that all connectors stored
//	transactions N, sessions N                that were recorded
//	session-tls|-client|-proxy PATTERN        of the last session without a transaction
//	session REASON                            why the last session without a transaction ended
//	FIELD[#N] PATTERN                         of the N-th transaction, else the last one; see fields
func (p *player) check(what string) error {
	field, want, _ := strings.Cut(what, " ")
	want = unescape(want)
	if srv := p.connectors[field]; srv != nil {
		return p.checkConnector(field, srv, want)
	}
	switch field {
	case "messages":
		n := 0
		for _, srv := range p.connectors {
			n += len(srv.Messages())
		}
		return like(strconv.Itoa(n), want)
	case "transactions":
		return like(strconv.Itoa(p.witness.count()), want)
	case "session-tls", "session-client", "session-proxy":
		return p.checkSession(field, want)
	case "session":
		p.witness.mu.Lock()
		defer p.witness.mu.Unlock()
		if n := len(p.witness.sessions); n > 0 {
			return like(p.witness.sessions[n-1].Reason, want)
		}
		return fmt.Errorf("no session was recorded")
	}
	return p.checkTransaction(field, want)
}

// checkSession checks who the last session without a transaction was of.
func (p *player) checkSession(field, want string) error {
	p.witness.mu.Lock()
	defer p.witness.mu.Unlock()
	n := len(p.witness.sessions)
	if n == 0 {
		return fmt.Errorf("no session was recorded")
	}
	r := &p.witness.sessions[n-1]
	return like(map[string]string{"session-tls": r.TLS, "session-client": r.Client.String(), "session-proxy": r.Proxy}[field], want)
}

func (p *player) checkTransaction(field, want string) error {
	n := max(p.witness.count(), 1)
	if name, i, ok := strings.Cut(field, "#"); ok {
		field = name
		n, _ = strconv.Atoi(i)
	}
	r := p.witness.transaction(p.t, n)
	got, ok := fields(&r)[field]
	if !ok {
		return fmt.Errorf("no field %q", field)
	}
	return like(got, want)
}

// fields are what a script may ask of a transaction, by the log's names.
func fields(r *balancer.Record) map[string]string {
	var tries []string
	for _, try := range r.Tries {
		tries = append(tries, try.Backend+" "+try.Why)
	}
	return map[string]string{
		"outcome": string(r.Outcome), "reply": r.Reply.String(),
		"by":      map[bool]string{true: "connector", false: "weir"}[r.ByConnector],
		"backend": r.Backend, "pool": r.Pool, "replays": strconv.Itoa(r.Replays), "tries": strings.Join(tries, "; "), "stage": r.Stage.String(),
		"suspect": strconv.FormatBool(r.Suspect), "remote_id": r.RemoteID, "message_id": r.MessageID,
		"rcpts": strings.Join(r.Rcpts, " "), "accepted": strconv.Itoa(r.Accepted),
		"bytes": strconv.FormatInt(r.Bytes, 10), "digest": r.Digest, "misuse": r.Misuse, "from": r.From, "helo": r.HELO, "tls": r.TLS, "proxy": r.Proxy, "client": r.Client.String(),
	}
}

func (p *player) checkConnector(name string, srv *faulty.Server, what string) error {
	field, want, _ := strings.Cut(what, " ")
	b := p.member(name)
	numbers := map[string]func() int{
		"messages":    func() int { return len(srv.Messages()) },
		"failures":    func() int { return p.witness.verdicts(name, backend.Failure) },
		"deferrals":   func() int { return p.witness.verdicts(name, backend.Deferral) },
		"waits":       func() int { return p.witness.verdicts(name, backend.Waited) },
		"ambiguous":   func() int { return int(b.Traffic.Ambiguous.Load()) },
		"idle":        func() int { return int(b.Traffic.Idle.Load()) },
		"inflight":    func() int { return int(b.InFlight()) },
		"connections": func() int { return int(srv.Stats().Connections) },
		"open":        func() int { return int(srv.Stats().Open) },
	}
	if count := numbers[field]; count != nil {
		return like(strconv.Itoa(count()), want)
	}
	if field == "heard" {
		n, prefix, _ := strings.Cut(want, " ")
		return like(strconv.Itoa(heard(srv, prefix)), n)
	}
	messages := srv.Messages()
	if len(messages) == 0 {
		return fmt.Errorf("%s has stored nothing", name)
	}
	switch last := messages[len(messages)-1]; field {
	case "content":
		return like(string(last.Content), want)
	case "to":
		return like(strings.Join(last.To, " "), want)
	case "conn":
		return like(strconv.Itoa(last.Conn), want)
	case "params":
		return like(last.Params, want)
	}
	return fmt.Errorf("no field %q of a connector", field)
}

// heard counts the lines that a connector heard with this prefix, in which * stands
// for anything.
func heard(srv *faulty.Server, prefix string) int {
	if !strings.Contains(prefix, "*") {
		return srv.Heard(prefix)
	}
	n := 0
	for _, l := range srv.Transcript() {
		if like(l.Text, prefix+"*") == nil {
			n++
		}
	}
	return n
}

// leavesNothing stops the balancer and checks that everything was given back,
// whatever the dialogue was.
func (b *bench) leavesNothing() {
	b.t.Helper()
	b.stop()
	for _, name := range b.names {
		m := b.member(name)
		if n, open, idle := m.InFlight(), m.Traffic.Open.Load(), m.Traffic.Idle.Load(); n != 0 || open != 0 || idle != 0 {
			b.t.Errorf("%s: at the end %d in flight, %d connections, %d of them idle", name, n, open, idle)
		}
		if n := b.connectors[name].Stats().Improper; n != 0 {
			b.t.Errorf("%s was talked to improperly %d times", name, n)
		}
	}
	if n := b.witness.tickets.Load(); n != 0 {
		b.t.Errorf("%d stages were begun and never ended", n)
	}
	if used := b.server.ReplayMemory(); used != 0 {
		b.t.Errorf("%d octets of replay memory are still in use", used)
	}
}
