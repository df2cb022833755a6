package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/miekg/dns"
)

// client asks one resolver.
type client struct {
	resolver string // empty: that of the system
	timeout  time.Duration
	tries    int
}

// query asks one question. Its answer is one of NOERROR or NXDOMAIN; anything
// else is an error in words.
func (c client) query(ctx context.Context, name string, kind uint16) (*dns.Msg, error) {
	server, err := c.server()
	if err != nil {
		return nil, err
	}
	var reply *dns.Msg
	edns := true
	for range c.tries {
		reply, err = c.exchange(ctx, server, name, kind, edns)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil, reply.Rcode == dns.RcodeServerFailure:
			continue
		case edns && (reply.Rcode == dns.RcodeFormatError || reply.Rcode == dns.RcodeNotImplemented):
			edns = false // a server from before RFC 6891
			continue
		}
		break
	}
	what := dns.TypeToString[kind] + " of " + name
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return nil, fmt.Errorf("resolver %s did not answer within %v (%d tries; %s)", server, c.timeout, c.tries, what)
	case err != nil:
		return nil, fmt.Errorf("asking resolver %s for the %s: %w", server, what, plain(err))
	case reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError:
		return nil, fmt.Errorf("resolver %s answered %s to a question for the %s", server, rcode(reply.Rcode), what)
	case refers(reply):
		return nil, fmt.Errorf("resolver %s only refers to other servers for the %s: it must be one that looks names up itself", server, what)
	}
	return reply, nil
}

// plain takes the changing parts (our own port) off an error of the network: the
// same trouble is to be the same words.
func plain(err error) error {
	var number syscall.Errno
	if errors.As(err, &number) {
		return number
	}
	return err
}

// exchange asks over UDP, and over TCP what did not fit (RFC 7766 section 5).
func (c client) exchange(ctx context.Context, server, name string, kind uint16, edns bool) (*dns.Msg, error) {
	reply, err := c.once(ctx, "udp", server, question(name, kind, edns))
	if reply != nil && reply.Truncated {
		reply, err = c.once(ctx, "tcp", server, question(name, kind, edns))
	}
	return reply, err
}

func question(name string, kind uint16, edns bool) *dns.Msg {
	msg := new(dns.Msg).SetQuestion(dns.Fqdn(name), kind)
	if edns {
		msg.SetEdns0(1232, false) // the size that passes everywhere unfragmented
	}
	return msg
}

func (c client) once(ctx context.Context, network, server string, msg *dns.Msg) (*dns.Msg, error) {
	wire := &dns.Client{Net: network, Timeout: c.timeout}
	conn, err := wire.DialContext(ctx, server)
	if err != nil {
		return nil, err
	}
	// The library knows only deadlines: closing is what ends a wait at once.
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer func() {
		if stop() {
			_ = conn.Close()
		}
	}()
	reply, _, err := wire.ExchangeWithConnContext(ctx, msg, conn)
	if err != nil {
		if reply != nil && reply.Truncated {
			return reply, nil // cut off in the middle of a record
		}
		return nil, err
	}
	if !reply.Response || len(reply.Question) != 1 || !strings.EqualFold(reply.Question[0].Name, msg.Question[0].Name) || reply.Question[0].Qtype != msg.Question[0].Qtype {
		return nil, errors.New("the answer is to another question")
	}
	return reply, nil
}

// refers reports whether a reply names servers instead of an answer.
func refers(reply *dns.Msg) bool {
	if reply.Rcode != dns.RcodeSuccess || reply.Authoritative || len(reply.Answer) > 0 {
		return false
	}
	servers := false
	for _, rr := range reply.Ns {
		switch rr.Header().Rrtype {
		case dns.TypeSOA: // there is nothing of this type (RFC 2308 section 2.2)
			return false
		case dns.TypeNS:
			servers = true
		}
	}
	return servers
}

func rcode(code int) string {
	if name, ok := dns.RcodeToString[code]; ok {
		return name
	}
	return fmt.Sprintf("code %d", code)
}

// server returns the address to ask.
func (c client) server() (string, error) {
	if c.resolver == "" {
		return systemResolver("/etc/resolv.conf")
	}
	return withPort(c.resolver, "53"), nil
}

// systemResolver returns the first name server that a resolv.conf names. It is
// read each time: it changes when the network does.
func systemResolver(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("finding a resolver (the key resolver would name one): %w", err)
	}
	conf, err := dns.ClientConfigFromReader(file)
	if err = errors.Join(err, file.Close()); err != nil {
		return "", fmt.Errorf("reading %s: %w", path, err)
	}
	if len(conf.Servers) == 0 {
		return "", fmt.Errorf("%s names no name server; the key resolver would name one", path)
	}
	return withPort(conf.Servers[0], conf.Port), nil
}

func withPort(server, port string) string {
	if _, err := netip.ParseAddr(server); err == nil {
		return net.JoinHostPort(server, port)
	}
	if _, _, err := net.SplitHostPort(server); err != nil {
		return net.JoinHostPort(strings.Trim(server, "[]"), port)
	}
	return server
}
