package balancer_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"weir/balancer"
	"weir/internal/backend"
	"weir/internal/faulty"
	"weir/policies"
)

// directive changes a setting, or how a connector behaves:
//
//	! a: FAULT [| FAULT]...         where a FAULT is
//	     STAGE mute|drop|reset|garbage|endless|stall|REPLY [store] [times=N] [after=N] [reused] [delay=D] [if=TEXT]
//	! a: down | up | drain | disable | refuse | heal | cut | without CHUNKING,PIPELINING | size N
//	! a: offers LINE[|LINE]... | claims LINE[|LINE]...    lines of EHLO; claimed ones only when the probe asked
//	! a: lmtp | proxy | tls | broken-tls | implicit-tls    what it wants of whoever connects
//	! a: eject                      as if the breaker had opened at rcpt
//	! a: in POOL [COST]             before the first line: where it is, if not in internet at cost 0
//	! route PATTERN[,PATTERN]... -> POOL[:COST][,POOL[:COST]]...    before the first line: the listener goes by routes
//	! max_connections=1 | panic_percent=N
//	! pool timeouts.STAGE=D | patience.STAGE=D | queue_timeout=D | replay_buffer=N | reuse.messages=N | reuse.bytes=N | reuse.max_idle=N | reuse.idle=D | reuse.age=D
//	! pool identity=proxy-v1|proxy-v2|xclient|xforward | lmtp | lmtp=POOL | tls=opportunistic|required|verified|implicit
//	! listener errors=N | recipients=N | message_size=N | connections=N | max_hops=N | messages=N | command=D | data=D | greeting=D | session=D | reject | received | received=always
//	! replay_memory=N | descriptors=N
//	! shutdown
func (p *player) directive(d string) error {
	if name, rest, ok := strings.Cut(d, ": "); ok && p.connectors[name] != nil {
		return p.behave(name, rest)
	}
	where, setting, _ := strings.Cut(d, " ")
	key, value, _ := strings.Cut(setting, "=")
	switch where {
	case "pool":
		return p.setPool(key, value)
	case "listener":
		return p.setListener(key, value)
	case "route":
		p.addRoute(setting)
		return nil
	case "shutdown":
		go p.stop() // the test's end waits for it
		waitFor(p.t, "the shutdown to begin", p.server.Draining)
		return nil
	}
	switch key, value, _ := strings.Cut(d, "="); key {
	case "max_connections":
		return parseInto(value, &p.limit)
	case "panic_percent":
		return parseInto(value, &p.panics)
	case "replay_memory":
		return parse64(value, &p.cfg.ReplayMemory)
	case "descriptors":
		return parse64(value, &p.cfg.Descriptors)
	}
	return fmt.Errorf("unknown directive")
}

func parseInto(s string, to *int) (err error) {
	*to, err = strconv.Atoi(s)
	return err
}

func parse64(s string, to *int64) (err error) {
	*to, err = strconv.ParseInt(s, 10, 64)
	return err
}

func parseTime(s string, to *time.Duration) (err error) {
	*to, err = time.ParseDuration(s)
	return err
}

func parseStageTime(name, value string, to *[backend.Stages]time.Duration) error {
	for stage := range backend.Stages {
		if stage.String() == name {
			return parseTime(value, &to[stage])
		}
	}
	return fmt.Errorf("no stage %q", name)
}

func (p *player) setPool(key, value string) error {
	pool := p.pool()
	if name, ok := strings.CutPrefix(key, "timeouts."); ok {
		return parseStageTime(name, value, (*[backend.Stages]time.Duration)(&pool.Timeouts))
	}
	if name, ok := strings.CutPrefix(key, "patience."); ok {
		return parseStageTime(name, value, &p.witness.patience)
	}
	switch key {
	case "identity", "lmtp", "tls":
		return p.introduce(key, value)
	case "queue_timeout":
		return parseTime(value, &pool.QueueTimeout)
	case "replay_buffer":
		return parse64(value, &pool.ReplayBuffer)
	case "reuse.messages":
		return parseInto(value, &pool.Reuse.Messages)
	case "reuse.bytes":
		return parse64(value, &pool.Reuse.Bytes)
	case "reuse.max_idle":
		return parseInto(value, &pool.Reuse.MaxIdle)
	case "reuse.idle":
		return parseTime(value, &pool.Reuse.Idle)
	case "reuse.age":
		return parseTime(value, &pool.Reuse.Age)
	}
	return fmt.Errorf("no setting %q of a pool", key)
}

func (p *player) setListener(key, value string) error {
	l := p.listener()
	switch key {
	case "errors":
		return parseInto(value, &l.Limits.Errors)
	case "recipients":
		return parseInto(value, &l.Limits.Recipients)
	case "connections":
		return parseInto(value, &l.Limits.Connections)
	case "messages":
		return parseInto(value, &l.Limits.MessagesPerConnection)
	case "max_hops":
		return parseInto(value, &l.MaxHops)
	case "message_size":
		return parse64(value, &l.Limits.MessageSize)
	case "command":
		return parseTime(value, &l.Timeouts.Command)
	case "data":
		return parseTime(value, &l.Timeouts.Data)
	case "greeting":
		return parseTime(value, &l.Timeouts.Greeting)
	case "session":
		return parseTime(value, &l.Limits.Session)
	case "reject":
		l.RejectBare = true
	case "received":
		l.Received = map[string]balancer.ReceivedHeader{"": balancer.ReceivedAuto, "always": balancer.ReceivedAlways}[value]
	default:
		return p.setEdge(key, value)
	}
	return nil
}

func (p *player) behave(name, what string) error {
	srv := p.connectors[name]
	switch word, rest, _ := strings.Cut(what, " "); word {
	case "up", "down":
		p.begin()
		p.setHealth(name, map[string]backend.Health{"up": backend.HealthUp, "down": backend.HealthDown}[word])
	case "in":
		pool, cost, _ := strings.Cut(rest, " ")
		p.pools[name] = pool
		p.costs[name], _ = strconv.Atoi(cost)
		if !slices.ContainsFunc(p.cfg.Pools, func(c balancer.PoolConfig) bool { return c.Name == pool }) {
			p.cfg.Pools = append(p.cfg.Pools, p.cfg.Pools[0])
			p.cfg.Pools[len(p.cfg.Pools)-1].Name = pool
		}
	case "eject":
		p.begin()
		p.registry.SetHealth(p.member(name), backend.HealthFact{
			Health: backend.HealthUp, Breaker: backend.BreakerOpen, Stage: backend.StageRcpt, Reason: "set by the test", Capabilities: p.caps[name],
		})
	case "drain", "disable":
		p.begin()
		flag := map[string]backend.Admin{"drain": backend.AdminDrain, "disable": backend.AdminDisabled}[word]
		p.registry.SetAdmin(backend.ID{Pool: p.poolOf(name), Name: name}, backend.AdminFact{Admin: flag, By: "alice"})
	case "refuse":
		srv.Refuse()
	case "heal":
		srv.Heal()
	case "cut":
		srv.DropConnections(false)
	case "without":
		p.remove(name, rest)
	case "size":
		p.resize(name, rest)
	case "offers", "claims":
		p.offer(name, strings.Split(rest, "|"), word == "claims")
	case "lmtp", "proxy", "tls", "broken-tls", "implicit-tls":
		return p.want(name, word)
	default:
		var faults []faulty.Fault
		for f := range strings.SplitSeq(what, " | ") {
			faults = append(faults, parseFault(f))
		}
		srv.Hurt(faults...)
	}
	return nil
}

// addRoute adds a route of the form PATTERN,PATTERN -> POOL:COST,POOL:COST.
func (p *player) addRoute(text string) {
	match, to, _ := strings.Cut(text, " -> ")
	r := policies.Route{Name: fmt.Sprintf("routes[%d]", len(p.cfg.Routes)), Match: strings.Split(match, ",")}
	for target := range strings.SplitSeq(to, ",") {
		pool, cost, _ := strings.Cut(target, ":")
		n, _ := strconv.Atoi(cost)
		r.To = append(r.To, policies.Target{Pool: pool, Cost: n})
	}
	p.cfg.Routes = append(p.cfg.Routes, r)
	p.listener().Pool = ""
}

// begin starts the balancer for a directive that needs it running.
func (p *player) begin() {
	if !p.started {
		p.started = true
		p.start(p.limit)
	}
}

// remove takes extensions away from a connector.
func (p *player) remove(name, keywords string) {
	caps := p.offers(name)
	for keyword := range strings.SplitSeq(keywords, ",") {
		ext := backend.ParseExtension(keyword)
		p.change(name, func(c *backend.Capabilities) { c.Ext &^= ext })
		switch ext {
		case backend.ExtPipelining:
			caps.Pipelining = false
		case backend.ExtChunking:
			caps.Chunking = false
		case backend.Ext8BitMIME:
			caps.EightBitMIME = false
		case backend.ExtEnhancedStatusCodes:
			caps.EnhancedStatusCodes = false
		case backend.ExtSize:
			caps.Size = 0
			p.change(name, func(c *backend.Capabilities) { c.Size = 0 })
		}
	}
	p.offered[name] = caps
	p.set(name)
}

func (p *player) resize(name, size string) {
	caps := p.offers(name)
	caps.Size, _ = strconv.ParseInt(size, 10, 64)
	p.change(name, func(c *backend.Capabilities) { c.Size = caps.Size })
	p.offered[name] = caps
	p.set(name)
}

// offers is what a connector offers now.
func (p *player) offers(name string) faulty.Capabilities {
	if caps, ok := p.offered[name]; ok {
		return caps
	}
	return faulty.Honest().Capabilities
}

func (p *player) change(name string, do func(*backend.Capabilities)) {
	caps := p.caps[name]
	do(&caps)
	p.caps[name] = caps
}

func parseFault(what string) faulty.Fault {
	actions := map[string]faulty.Action{
		"mute": faulty.Mute, "drop": faulty.Drop, "reset": faulty.Reset,
		"garbage": faulty.Garbage, "endless": faulty.Endless, "stall": faulty.StopReading,
	}
	stage, rest, _ := strings.Cut(what, " ")
	f := faulty.Fault{Stage: faulty.Stage(stage)}
	var reply []string
	for _, word := range strings.Split(rest, " ") {
		key, value, _ := strings.Cut(word, "=")
		action, isAction := actions[word]
		switch {
		case isAction:
			f.Do = action
		case word == "store":
			f.Store = true
		case word == "reused":
			f.Reused = true
		case key == "times":
			f.Times, _ = strconv.Atoi(value)
		case key == "after":
			f.After, _ = strconv.Atoi(value)
		case key == "delay":
			f.Delay, _ = time.ParseDuration(value)
		case key == "if":
			f.Contains = value
		default:
			reply = append(reply, word)
		}
	}
	f.Reply = unescape(strings.Join(reply, " "))
	return f
}

// shutDown is Shutdown with a context that ends after d.
func (b *bench) shutDown(d time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	return b.server.Shutdown(ctx)
}
