package integration

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// mailHost is a Postfix with several services, each on a port of its own and with settings of its own.
type mailHost struct {
	*postfix
}

// newMailHost lays a Postfix out; services are added before it starts.
func newMailHost(t *testing.T, host string) *mailHost {
	t.Helper()
	return &mailHost{newPostfix(t, host)}
}

// smtpd adds a service that has a name of its own in the log, and settings beside those of main.cf; it returns its address.
func (h *mailHost) smtpd(name string, settings ...string) (addr string) {
	h.t.Helper()
	addr = freeAddr(h.t)
	h.addService(addr+" inet n - n - - smtpd", name, settings)
	return addr
}

// postscreen adds a postscreen, with the service behind it, that speaks the PROXY protocol and lets strangers wait a second.
func (h *mailHost) postscreen(name string) (addr string) {
	h.t.Helper()
	addr = freeAddr(h.t)
	h.writeFile("etc/known", "127.0.0.1/32 permit\n")
	h.addMain("postscreen_upstream_proxy_protocol = haproxy\npostscreen_greet_wait = 1s\npostscreen_greet_action = enforce\n" +
		"postscreen_cache_map =\npostscreen_access_list = cidr:" + h.path("etc/known") + "\n")
	h.addService(addr+" inet n - n - 1 postscreen", name, nil)
	h.addService("smtpd pass - - n - - smtpd", name, nil)
	h.addService("dnsblog unix - - n - 0 dnsblog", name, nil)
	h.addService("tlsproxy unix - - n - 0 tlsproxy", name, nil)
	return addr
}

func (h *mailHost) addService(line, name string, settings []string) {
	h.t.Helper()
	var b strings.Builder
	b.Write(fileBytes(h.t, h.path("etc/master.cf")))
	fmt.Fprintf(&b, "%s\n  -o { syslog_name = %s }\n", line, name)
	for _, s := range settings {
		fmt.Fprintf(&b, "  -o { %s }\n", s)
	}
	h.writeFile("etc/master.cf", b.String())
}

// secured lets the services that ask for it speak TLS, with a certificate for the host's name.
func (h *mailHost) secured(ca *authority) {
	h.t.Helper()
	cert, key := ca.issue(h.host)
	h.writeFile("etc/cert.pem", string(fileBytes(h.t, cert)))
	h.writeFile("etc/key.pem", string(fileBytes(h.t, key)))
	h.addMain("smtpd_tls_chain_files = " + h.path("etc/key.pem") + ", " + h.path("etc/cert.pem") + "\nsmtpd_tls_loglevel = 1\nsmtpd_tls_received_header = yes\n")
}

// got waits until a message lies in its Maildir, and returns its header.
func (h *mailHost) got(t *testing.T, m *message) (header string) {
	t.Helper()
	return mailIn(t, h.path("mail/box"), m)
}

// logLines are the lines of a service's log that match; the pattern is matched behind the service's name and process.
func (h *mailHost) logLines(service, pattern string) (lines []string) {
	want := regexp.MustCompile(regexp.QuoteMeta(service) + `/\w+\[\d+\]: .*` + pattern)
	for line := range strings.Lines(h.wholeLog()) {
		if want.MatchString(line) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// logs waits for n lines of a service's log that match.
func (h *mailHost) logs(t *testing.T, n int, service, pattern string) (lines []string) {
	t.Helper()
	eventually(t, ceiling, func() bool { lines = h.logLines(service, pattern); return len(lines) >= n },
		"%s has not logged %q %d times: %q", service, pattern, n, h.logLines(service, ""))
	return lines
}
