package consul

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/hashicorp/consul/api"
)

// What an answer may have against it. The words do not change while the matter
// stays the same: a change of words is told again.
const (
	wordsLeaderless = "Consul's servers have no leader: this is the last that they knew; see `consul operator raft list-peers` on a server"
	wordsLagging    = "the Consul server that answered has not heard from its leader for over 10s: this may be an old state"
)

func wordsHidden(service string) string {
	return fmt.Sprintf("Consul shows nothing because the token may not read service %q: it needs service:read and node:read", service)
}

func wordsPartlyHidden(service string) string {
	return fmt.Sprintf("Consul shows only a part, because the token may not read all of service %q or its nodes: it needs service:read and node:read", service)
}

func wordsAnonymous(service string) string {
	return fmt.Sprintf("Consul shows nothing to those without a token, by its rules: if service %q has instances, give weir a token (consul.token_file) with service:read and node:read", service)
}

// explain makes a sentence with a remedy of an error. Ports and times that
// differ from one attempt to the next are left out.
func explain(err error, cfg Config) string {
	var status api.StatusError
	if errors.As(err, &status) {
		return explainStatus(status, cfg)
	}
	return explainTransport(err, agentOf(err))
}

func explainStatus(status api.StatusError, cfg Config) string {
	body := firstLine(status.Body)
	says := func(text string) bool { return strings.Contains(strings.ToLower(status.Body), text) }
	switch {
	case says("acl not found"):
		return "Consul does not know weir's token (revoked, or of another datacenter): put a valid one into consul.token_file"
	case status.Code == http.StatusForbidden || says("permission denied"):
		return fmt.Sprintf("the token may not read service %q: it needs service:read and node:read", cfg.Service)
	case status.Code == http.StatusUnauthorized:
		return "Consul, or a proxy before it, wants other credentials: correct consul.token_file"
	case says("no cluster leader"):
		return "Consul has no cluster leader, so it cannot answer: see `consul operator raft list-peers` on a server"
	case says("no known consul servers"), says("no healthy consul server"):
		return "the Consul agent reaches none of its servers: see `consul members` there"
	case says("no path to datacenter"):
		return fmt.Sprintf("Consul knows no datacenter %q, or cannot reach it: correct consul.datacenter of the pool, or see `consul members -wan`", cfg.Datacenter)
	case status.Code == http.StatusTooManyRequests, says("rate limit"):
		return "Consul refuses for its rate limit: raise limits.request_limits there, or let fewer programs ask"
	case says("http request to an https server"):
		return "the Consul agent speaks TLS at that port: set consul.tls, or its plain port"
	case status.Code == http.StatusNotFound:
		return "what answers at consul.address is not a Consul agent's HTTP API (404): correct the address"
	}
	return fmt.Sprintf("Consul answers %d: %s", status.Code, body)
}

// forbidden reports whether Consul refused for want of rights.
func forbidden(err error) bool {
	var status api.StatusError
	return errors.As(err, &status) && (status.Code == http.StatusForbidden || status.Code == http.StatusUnauthorized)
}

func explainTransport(err error, agent string) string {
	var (
		dns     *net.DNSError
		verify  *tls.CertificateVerificationError
		remote  *net.OpError
		record  tls.RecordHeaderError
		syntax  *json.SyntaxError
		broken  *jsontext.SyntacticError
		kind    *jsonv2.SemanticError
		plainly = strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
	)
	switch {
	case errors.Is(err, errSilent), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return fmt.Sprintf("the Consul agent at %s does not answer: it is frozen, overloaded or cut off; see its log, and restart it", agent)
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("nothing listens at %s: start the Consul agent there, or correct consul.address", agent)
	case errors.Is(err, syscall.EACCES):
		return fmt.Sprintf("weir's user may not use %s: give it the right, or correct consul.address", agent)
	case errors.As(err, &dns):
		return fmt.Sprintf("the name of the Consul agent, %s, does not resolve: correct consul.address", dns.Name)
	case errors.As(err, &verify):
		return fmt.Sprintf("the certificate of the Consul agent at %s is not trusted (%s): correct consul.tls.ca, or the name in consul.address", agent, certificateFault(verify.Err))
	case errors.As(err, &remote) && remote.Op == "remote error": // a TLS alert
		return fmt.Sprintf("the Consul agent at %s refuses weir's certificate (%v): correct consul.tls.cert and consul.tls.key", agent, remote.Err)
	case errors.As(err, &record), plainly:
		return fmt.Sprintf("the Consul agent at %s does not speak TLS: leave consul.tls out, or give its HTTPS port", agent)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return fmt.Sprintf("the Consul agent at %s closed the connection: it may be restarting; see its log", agent)
	case errors.As(err, &syntax), errors.As(err, &broken), errors.As(err, &kind):
		return fmt.Sprintf("what answers at %s is not a Consul agent's HTTP API: correct consul.address", agent)
	}
	return fmt.Sprintf("the Consul agent at %s cannot be asked: %s", agent, innermost(err))
}

// certificateFault says in few words what was wrong with a certificate.
func certificateFault(err error) string {
	var (
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &unknown):
		return "signed by an unknown authority"
	case errors.As(err, &host):
		return "made for another name"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "expired or not yet valid"
	}
	return firstLine(err.Error())
}

// agentOf returns the address that was asked, as far as the error knows it.
func agentOf(err error) string {
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" && dial.Addr != nil {
		return dial.Addr.String()
	}
	var request *url.Error
	if errors.As(err, &request) {
		if u, bad := url.Parse(request.URL); bad == nil && u.Host != "" {
			return u.Host
		}
	}
	return "consul.address"
}

// innermost returns the words of the cause, without the addresses around it.
func innermost(err error) string {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return firstLine(err.Error())
		}
		err = next
	}
}
