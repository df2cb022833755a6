package consul

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"syscall"
	"testing"

	"github.com/hashicorp/consul/api"
)

func TestExplain(t *testing.T) {
	request := func(err error) error {
		return &url.Error{Op: "Get", URL: "http://10.1.1.1:8500/v1/health/service/mx?index=7", Err: err}
	}
	port := func(n int) error {
		return request(&net.OpError{Op: "read", Source: &net.TCPAddr{Port: n}, Addr: &net.TCPAddr{Port: 8500}, Err: syscall.ECONNRESET})
	}
	cfg := Config{Service: "mx", Datacenter: "dc9"}
	cases := map[string]struct {
		err  error
		want string
	}{
		"unauthorized":  {api.StatusError{Code: 401}, "wants other credentials"},
		"denied by 500": {api.StatusError{Code: 500, Body: "rpc error making call: Permission denied"}, `may not read service "mx"`},
		"no servers":    {api.StatusError{Code: 500, Body: "No known Consul servers"}, "reaches none of its servers"},
		"datacenter":    {api.StatusError{Code: 500, Body: "No path to datacenter"}, `knows no datacenter "dc9"`},
		"rate":          {api.StatusError{Code: 429, Body: "x"}, "rate limit"},
		"plain to TLS":  {api.StatusError{Code: 400, Body: "Client sent an HTTP request to an HTTPS server."}, "speaks TLS at that port"},
		"not Consul":    {api.StatusError{Code: 404, Body: "nope"}, "not a Consul agent's HTTP API"},
		"silent":        {errors.Join(errSilent, request(io.EOF)), "the Consul agent at 10.1.1.1:8500 does not answer"},
		"reset":         {port(4711), "the Consul agent at 10.1.1.1:8500 closed the connection"},
		"no socket":     {&net.OpError{Op: "dial", Net: "unix", Addr: &net.UnixAddr{Name: "/run/consul.sock"}, Err: syscall.ENOENT}, "nothing listens at /run/consul.sock"},
		"no right":      {&net.OpError{Op: "dial", Net: "unix", Addr: &net.UnixAddr{Name: "/run/consul.sock"}, Err: syscall.EACCES}, "may not use /run/consul.sock"},
		"no such name":  {request(&net.DNSError{Name: "consul.nowhere", Err: "no such host"}), "consul.nowhere, does not resolve"},
		"anything":      {request(errors.New("odd")), "the Consul agent at 10.1.1.1:8500 cannot be asked: odd"},
	}
	for name, c := range cases {
		if got := explain(c.err, cfg); !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	if a, b := explain(port(1), cfg), explain(port(2), cfg); a != b {
		t.Errorf("the words change with the port: %q, %q", a, b)
	}
}

func TestExplainTLS(t *testing.T) {
	quiet := log.New(io.Discard, "", 0)
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = quiet
	secure.StartTLS()
	defer secure.Close()
	mutual := httptest.NewUnstartedServer(http.NotFoundHandler())
	mutual.Config.ErrorLog = quiet
	mutual.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS12}
	mutual.StartTLS()
	defer mutual.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	cases := map[string]struct {
		address string
		skip    bool
		want    string
	}{
		"unknown authority":   {secure.URL, false, "is not trusted (signed by an unknown authority): correct consul.tls.ca"},
		"certificate wanted":  {mutual.URL, true, "refuses weir's certificate"},
		"no TLS at that port": {strings.Replace(plain.URL, "http:", "https:", 1), false, "does not speak TLS"},
	}
	for name, c := range cases {
		transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: c.skip}}
		client, err := api.NewClient(&api.Config{Address: c.address, HttpClient: &http.Client{Transport: transport}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = New(Config{Service: "mx"}, client).ask(t.Context(), query{})
		if err == nil || !strings.Contains(explain(err, Config{}), c.want) {
			t.Errorf("%s: %v, in words %q", name, err, explain(err, Config{}))
		}
		transport.CloseIdleConnections()
	}
}
