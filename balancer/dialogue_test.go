package balancer_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"weir/internal/backend"
	"weir/internal/faulty"
)

// TestDialogues plays the scripts in testdata. A script reads as the session it
// is:
//
//	# what it shows, with the rule
//	! pool timeouts.mail=200ms      a setting; see directive
//	! a: mail mute                  connector a misbehaves at a stage
//	< 220 mx.test ESMTP weir        the sender reads a line; * stands for anything
//	> EHLO client.test              the sender writes a line; lines in a row go out in one
//	>> .\r\n                        the same without adding CRLF; \r \n \0 \\ are understood
//	< EOF                           weir closes
//	close                           the sender closes
//	= outcome delivered             what is recorded of the last transaction
//	= a messages 1                  what a connector has stored
func TestDialogues(t *testing.T) {
	files, err := filepath.Glob("testdata/*.smtp")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts found: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".smtp"), func(t *testing.T) {
			t.Parallel()
			play(t, file)
		})
	}
}

type player struct {
	*bench
	t       *testing.T
	started bool
	limit   int
	nc      net.Conn
	in      *bufio.Reader
	pending strings.Builder
}

func play(t *testing.T, file string) {
	script, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p := &player{t: t, bench: newBench(t, "a", "b", "c", "d")}
	for i, line := range strings.Split(string(script), "\n") {
		line = strings.TrimSuffix(line, "\r")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := p.line(line); err != nil {
			t.Fatalf("%s:%d: %s\n%v", file, i+1, line, err)
		}
	}
	if p.nc != nil {
		_ = p.nc.Close()
	}
}

func (p *player) line(line string) error {
	mark, rest, _ := strings.Cut(line, " ")
	if mark == "!" && !p.started {
		return p.directive(rest)
	}
	if !p.started {
		p.started = true
		p.start(p.limit)
	}
	switch mark {
	case "!":
		return p.directive(rest)
	case ">":
		p.pending.WriteString(unescape(rest) + "\r\n")
		return nil
	case ">>":
		p.pending.WriteString(unescape(rest))
		return nil
	case "<":
		return p.expect(rest)
	case "=":
		return p.check(rest)
	case "close":
		if err := p.send(); err != nil {
			return err
		}
		err := p.nc.Close()
		p.nc = nil
		return err
	}
	return fmt.Errorf("unknown line in script")
}

func unescape(s string) string {
	return strings.NewReplacer(`\r`, "\r", `\n`, "\n", `\0`, "\x00", `\x16`, "\x16", `\x03`, "\x03", `\x01`, "\x01", `\xff`, "\xff", `\\`, `\`).Replace(s)
}

func (p *player) connect() error {
	if p.nc != nil {
		return nil
	}
	nc, err := net.DialTimeout("tcp", p.addr, ceiling)
	if err != nil {
		return err
	}
	p.nc, p.in = nc, bufio.NewReader(nc)
	return nc.SetDeadline(time.Now().Add(ceiling))
}

func (p *player) send() error {
	if err := p.connect(); err != nil {
		return err
	}
	defer p.pending.Reset()
	_, err := p.nc.Write([]byte(p.pending.String()))
	return err
}

func (p *player) expect(want string) error {
	if err := p.send(); err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	got, err := p.in.ReadString('\n')
	if want == "EOF" {
		if err == nil {
			return fmt.Errorf("got %q, want the end", got)
		}
		_ = p.nc.Close()
		p.nc = nil
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading: %w (so far %q)", err, got)
	}
	return like(strings.TrimSuffix(got, "\r\n"), want)
}

// like compares with a pattern in which * stands for anything.
func like(got, want string) error {
	pattern := "^" + strings.ReplaceAll(regexp.QuoteMeta(want), `\*`, ".*") + "$"
	if !regexp.MustCompile(pattern).MatchString(got) {
		return fmt.Errorf("got  %q\nwant %q", got, want)
	}
	return nil
}

// check compares what is known of the last transaction or of a connector.
func (p *player) check(what string) error {
	field, want, _ := strings.Cut(what, " ")
	if srv := p.connectors[field]; srv != nil {
		return p.checkConnector(field, srv, want)
	}
	if field == "session" {
		waitFor(p.t, "the session to be recorded", func() bool {
			p.witness.mu.Lock()
			defer p.witness.mu.Unlock()
			return len(p.witness.sessions) > 0
		})
		p.witness.mu.Lock()
		defer p.witness.mu.Unlock()
		return like(p.witness.sessions[len(p.witness.sessions)-1].Reason, want)
	}
	n, rest := 1, want
	if i, after, ok := strings.Cut(field, "#"); ok {
		field = i
		n, _ = strconv.Atoi(after)
	}
	r := p.witness.transaction(p.t, n)
	var tries []string
	for _, try := range r.Tries {
		tries = append(tries, try.Backend+" "+try.Why)
	}
	values := map[string]string{
		"outcome": string(r.Outcome), "reply": r.Reply.String(), "by": map[bool]string{true: "connector", false: "weir"}[r.ByConnector],
		"backend": r.Backend, "replays": strconv.Itoa(r.Replays), "tries": strings.Join(tries, "; "), "stage": r.Stage.String(),
		"suspect": strconv.FormatBool(r.Suspect), "remote_id": r.RemoteID, "message_id": r.MessageID, "rcpts": strings.Join(r.Rcpts, " "),
		"bytes": strconv.FormatInt(r.Bytes, 10), "digest": r.Digest,
	}
	got, ok := values[field]
	if !ok {
		return fmt.Errorf("no field %q", field)
	}
	return like(got, rest)
}

func (p *player) checkConnector(name string, srv *faulty.Server, what string) error {
	field, want, _ := strings.Cut(what, " ")
	var got string
	switch field {
	case "messages":
		got = strconv.Itoa(len(srv.Messages()))
	case "failures":
		got = strconv.Itoa(p.witness.failures(name))
	case "heard":
		n, prefix, _ := strings.Cut(want, " ")
		want, got = n, strconv.Itoa(srv.Heard(prefix))
	case "content":
		messages := srv.Messages()
		if len(messages) == 0 {
			return fmt.Errorf("%s has stored nothing", name)
		}
		got, want = string(messages[len(messages)-1].Content), unescape(want)
	default:
		return fmt.Errorf("no field %q of a connector", field)
	}
	return like(strings.ReplaceAll(got, "\n", "␤"), strings.ReplaceAll(want, "\n", "␤"))
}

// directive changes a setting, or how a connector behaves:
//
//	! a: STAGE mute|drop|reset|garbage|endless|REPLY [store] [times=N] [after=N] [reused]
//	! a: down | up | without CHUNKING,PIPELINING | banner TEXT
//	! max_connections=1
//	! pool timeouts.STAGE=D | queue_timeout=D | replay_buffer=N | reuse.messages=N
//	! listener errors=N | recipients=N | message_size=N | connections=N | max_hops=N | messages=N | command=D | data=D | reject | received | session=D
func (p *player) directive(d string) error {
	if name, rest, ok := strings.Cut(d, ": "); ok && p.connectors[name] != nil {
		return p.behave(name, rest)
	}
	if value, ok := strings.CutPrefix(d, "max_connections="); ok {
		return parseInto(value, &p.limit)
	}
	where, setting, _ := strings.Cut(d, " ")
	key, value, _ := strings.Cut(setting, "=")
	switch where {
	case "pool":
		return p.setPool(key, value)
	case "listener":
		return p.setListener(key, value)
	}
	return fmt.Errorf("unknown directive")
}

func parseInto(s string, to *int) (err error) {
	*to, err = strconv.Atoi(s)
	return err
}

func (p *player) setPool(key, value string) (err error) {
	pool := p.pool()
	if stage, ok := strings.CutPrefix(key, "timeouts."); ok {
		for s := range backend.Stages {
			if s.String() == stage {
				pool.Timeouts[s], err = time.ParseDuration(value)
				return err
			}
		}
		return fmt.Errorf("no stage %q", stage)
	}
	switch key {
	case "queue_timeout":
		pool.QueueTimeout, err = time.ParseDuration(value)
	case "replay_buffer":
		pool.ReplayBuffer, err = strconv.ParseInt(value, 10, 64)
	case "reuse.messages":
		err = parseInto(value, &pool.Reuse.Messages)
	default:
		err = fmt.Errorf("no setting %q of a pool", key)
	}
	return err
}

func (p *player) setListener(key, value string) (err error) {
	l := p.listener()
	switch key {
	case "errors":
		err = parseInto(value, &l.Limits.Errors)
	case "recipients":
		err = parseInto(value, &l.Limits.Recipients)
	case "connections":
		err = parseInto(value, &l.Limits.Connections)
	case "messages":
		err = parseInto(value, &l.Limits.MessagesPerConnection)
	case "max_hops":
		err = parseInto(value, &l.MaxHops)
	case "message_size":
		l.Limits.MessageSize, err = strconv.ParseInt(value, 10, 64)
	case "command":
		l.Timeouts.Command, err = time.ParseDuration(value)
	case "data":
		l.Timeouts.Data, err = time.ParseDuration(value)
	case "session":
		l.Limits.Session, err = time.ParseDuration(value)
	case "reject":
		l.RejectBare = true
	case "received":
		l.Received = 0
	default:
		err = fmt.Errorf("no setting %q of a listener", key)
	}
	return err
}

func (p *player) behave(name, what string) error {
	srv := p.connectors[name]
	switch word, rest, _ := strings.Cut(what, " "); word {
	case "up", "down":
		if !p.started {
			return fmt.Errorf("states change after the first line of dialogue")
		}
		p.setHealth(name, map[string]backend.Health{"up": backend.HealthUp, "down": backend.HealthDown}[word])
		return nil
	case "refuse":
		srv.Refuse()
		return nil
	case "heal":
		srv.Heal()
		return nil
	case "without":
		b := faulty.Honest()
		caps := p.caps[name]
		for _, keyword := range strings.Split(rest, ",") {
			ext := backend.ParseExtension(keyword)
			caps.Ext &^= ext
			switch ext {
			case backend.ExtPipelining:
				b.Capabilities.Pipelining = false
			case backend.ExtChunking:
				b.Capabilities.Chunking = false
			case backend.Ext8BitMIME:
				b.Capabilities.EightBitMIME = false
			case backend.ExtSize:
				b.Capabilities.Size = 0
			}
		}
		p.caps[name] = caps
		srv.Set(b)
		return nil
	}
	f, err := parseFault(what)
	if err == nil {
		srv.Hurt(f)
	}
	return err
}

func parseFault(what string) (faulty.Fault, error) {
	stage, rest, _ := strings.Cut(what, " ")
	f := faulty.Fault{Stage: faulty.Stage(stage)}
	var reply []string
	for _, word := range strings.Fields(rest) {
		key, value, ok := strings.Cut(word, "=")
		actions := map[string]faulty.Action{
			"mute": faulty.Mute, "drop": faulty.Drop, "reset": faulty.Reset,
			"garbage": faulty.Garbage, "endless": faulty.Endless, "stall": faulty.StopReading,
		}
		action, isAction := actions[word]
		switch {
		case isAction:
			f.Do = action
		case word == "store":
			f.Store = true
		case word == "reused":
			f.Reused = true
		case ok && key == "times":
			f.Times, _ = strconv.Atoi(value)
		case ok && key == "after":
			f.After, _ = strconv.Atoi(value)
		default:
			reply = append(reply, word)
		}
	}
	f.Reply = strings.ReplaceAll(strings.Join(reply, " "), `\n`, "\n")
	return f, nil
}
