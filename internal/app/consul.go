package app

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"

	"weir/config"
	"weir/discovery/consul"
)

// ConsulClient returns a client of the Consul agent that the config names. What
// the config leaves out is taken from CONSUL_HTTP_ADDR and its kin. Nothing is
// asked of the agent yet.
func ConsulClient(cfg *config.Consul) (*api.Client, error) {
	c := api.DefaultConfig()
	c.Address = consulAddress(cfg)
	if cfg.TLS.CA != "" || cfg.TLS.Cert != "" {
		c.Scheme = "https"
		c.TLSConfig = api.TLSConfig{CAFile: cfg.TLS.CA, CertFile: cfg.TLS.Cert, KeyFile: cfg.TLS.Key}
	}
	httpClient, err := api.NewHttpClient(c.Transport, c.TLSConfig)
	if err != nil {
		return nil, fmt.Errorf("reading the keys for consul.tls: %w", err)
	}
	if cfg.TokenFile != "" {
		httpClient.Transport = &tokenFile{path: cfg.TokenFile, next: httpClient.Transport}
	}
	httpClient.Transport = consul.Transport(httpClient.Transport)
	c.HttpClient = httpClient
	client, err := api.NewClient(c)
	if err != nil {
		return nil, fmt.Errorf("making a client of Consul at %s: %w", c.Address, err)
	}
	return client, nil
}

// consulAddress is where the agent is asked: the config's word, or else that of the
// environment or the usual place.
func consulAddress(cfg *config.Consul) string {
	if cfg.Address != "" {
		return cfg.Address
	}
	return api.DefaultConfig().Address
}

// tokenFile adds the token of a file to each request, and reads the file again
// when it has changed: tokens are replaced while weir runs. One that cannot be
// read leaves the last token in use.
type tokenFile struct {
	path string
	next http.RoundTripper

	mu      sync.Mutex
	token   string
	changed time.Time
}

// RoundTrip implements [http.RoundTripper].
func (f *tokenFile) RoundTrip(r *http.Request) (*http.Response, error) {
	if token := f.current(); token != "" {
		r = r.Clone(r.Context())
		r.Header.Set("X-Consul-Token", token)
	}
	return f.next.RoundTrip(r)
}

func (f *tokenFile) current() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.path)
	if err != nil || info.ModTime().Equal(f.changed) {
		return f.token
	}
	text, err := os.ReadFile(f.path)
	if err != nil {
		return f.token
	}
	f.token, f.changed = strings.TrimSpace(string(text)), info.ModTime()
	return f.token
}
