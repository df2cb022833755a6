package balancer_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"weir/balancer"
	"weir/internal/backend"
	"weir/internal/connector"
	"weir/policies"
)

// directive changes a setting:
//
//	! a was MECHANISM...            what a's probes have seen it offer
//	! a had LINE[|LINE]...          what else they have seen it offer
//	! a is LINE[|LINE]...           what it says behind EHLO
//	! a in POOL                     where it is, if not in internet
//	! auth_pool=POOL                the listener goes by routes, all mail to internet
//	! accept_domains=DOMAIN | lmtp | xclient | trust (in the sender's XCLIENT)
//	! opportunistic                 TLS to connectors may fail
//	! plain | starttls              how the listener has TLS, if not from the start
//	! max_connections=N | errors=N | mail=D | command=D
func (p *authPlayer) directive(d string) error {
	word, rest, _ := strings.Cut(d, " ")
	if p.puppets[word] != nil {
		return p.describe(word, rest)
	}
	switch key, value, _ := strings.Cut(d, "="); key {
	case "auth_pool":
		p.listener().Pool, p.listener().AuthPool = "", value
		p.cfg.Routes = []policies.Route{{Name: "routes[0]", Match: []string{"*"}, To: []policies.Target{{Pool: "internet"}}}}
	case "accept_domains":
		p.listener().AcceptDomains = []string{value}
	case "xclient":
		p.dialer.Identity, p.pool().Identity = connector.IdentityXCLIENT, connector.IdentityXCLIENT
	case "trust":
		p.listener().XClient = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	case "lmtp":
		p.pool().LMTP = true
	case "plain":
		p.listener().TLS, p.edge = balancer.TLSOff, nil
	case "starttls":
		p.listener().TLS = balancer.TLSStartTLS
	case "opportunistic":
		p.dialer.TLS.Mode = connector.TLSOpportunistic
	case "max_connections":
		return parseInto(value, &p.max)
	case "errors":
		return parseInto(value, &p.listener().Limits.Errors)
	case "mail":
		return parseTime(value, &p.pool().Timeouts[backend.StageMail])
	case "command":
		return parseTime(value, &p.listener().Timeouts.Command)
	default:
		return errors.New("unknown directive")
	}
	return nil
}

// describe says what is known of a connector, and what it is.
func (p *authPlayer) describe(name, rest string) error {
	what, words, _ := strings.Cut(rest, " ")
	switch what {
	case "was":
		caps := p.caps[name]
		caps.Auth = backend.ParseWords(words)
		p.caps[name] = caps
	case "had":
		caps := p.caps[name]
		for line := range strings.SplitSeq(words, "|") {
			caps.Announce(line)
		}
		p.caps[name] = caps
	case "is":
		p.puppets[name].offers = strings.Split(words, "|")
	case "in":
		p.pools[name] = words
		p.cfg.Pools = append(p.cfg.Pools, p.cfg.Pools[0])
		p.cfg.Pools[len(p.cfg.Pools)-1].Name = words
	default:
		return errors.New("unknown directive")
	}
	return nil
}

// order has something happen to a connector, or to weir.
func (p *authPlayer) order(what, name string) error {
	switch what {
	case "drain", "disable", "enable":
		admin := map[string]backend.Admin{"drain": backend.AdminDrain, "disable": backend.AdminDisabled, "enable": backend.AdminEnabled}[what]
		p.registry.SetAdmin(p.member(name).ID(), backend.AdminFact{Admin: admin, By: "the test"})
	case "reload":
		p.reload(func(cfg *balancer.Config) { cfg.Pools[0].QueueTimeout += time.Second })
	case "shutdown":
		go p.stop()
		waitFor(p.t, "the shutdown to begin", p.server.Draining)
	default:
		return errors.New("unknown line in script")
	}
	return nil
}

// check knows:
//
//	auth CODE NAME                  the last AUTH's answer, and who was asked last; - for nobody
//	tries N                         how many connectors were left in it
//	misuse TEXT                     what the operator is told of it
//	failures NAME N                 how often the connector was blamed
//	message MECHANISM NAME          the last transaction's; - for none
//	inflight NAME N
func (p *authPlayer) check(what string) error {
	words := append(strings.Fields(what), "", "", "")
	switch words[0] {
	case "auth":
		r, err := p.lastAuth()
		if err != nil {
			return err
		}
		return like(fmt.Sprintf("%d %s", r.Code, r.Backend), words[1]+" "+strings.TrimSuffix(words[2], "-"))
	case "tries":
		r, err := p.lastAuth()
		if err != nil {
			return err
		}
		if strconv.Itoa(len(r.Tries)) != words[1] {
			return fmt.Errorf("tries %v", r.Tries)
		}
	case "misuse":
		r, err := p.lastAuth()
		if err != nil {
			return err
		}
		return like(r.Misuse, strings.Join(strings.Fields(what)[1:], " "))
	case "failures":
		if n := p.witness.verdicts(words[1], backend.Failure); strconv.Itoa(n) != words[2] {
			return fmt.Errorf("%d failures", n)
		}
	case "message":
		all := p.witness.records()
		if len(all) == 0 {
			return errors.New("no transaction was recorded")
		}
		last := all[len(all)-1]
		return like(last.Auth+" "+last.Backend, strings.TrimPrefix(words[1], "-")+" "+words[2])
	case "inflight":
		if n := p.member(words[1]).InFlight(); strconv.FormatInt(n, 10) != words[2] {
			return fmt.Errorf("%d in flight", n)
		}
	default:
		return errors.New("unknown check")
	}
	return nil
}

func (p *authPlayer) lastAuth() (balancer.AuthRecord, error) {
	p.witness.mu.Lock()
	defer p.witness.mu.Unlock()
	if len(p.witness.auths) == 0 {
		return balancer.AuthRecord{}, errors.New("no AUTH was recorded")
	}
	return p.witness.auths[len(p.witness.auths)-1], nil
}
