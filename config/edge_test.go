package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"weir/internal/connector"
)

// issue writes a certificate for mx.test, signed by itself, and its key.
func issue(t testing.TB, dir, name string, from, until time.Duration) (cert, key string) {
	t.Helper()
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mx.test"}, DNSNames: []string{"mx.test"},
		NotBefore: time.Now().Add(from), NotAfter: time.Now().Add(until), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, secret.Public(), secret)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	write := func(ending, kind string, data []byte) string {
		return writeSecret(t, dir, name+ending, string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data})), 0o600)
	}
	return write(".pem", "CERTIFICATE", der), write(".key", "PRIVATE KEY", raw)
}

// What is wrong with certificates, keys and authorities is told by file, in the line
// that names them.
func TestFilesOfTLSAreRead(t *testing.T) {
	dir := t.TempDir()
	good, goodKey := issue(t, dir, "good", -day, 90*day)
	_, otherKey := issue(t, dir, "other", -day, 90*day)
	old, oldKey := issue(t, dir, "old", -90*day, -day)
	ending, endingKey := issue(t, dir, "ending", -80*day, 20*day+time.Hour)
	early, earlyKey := issue(t, dir, "early", day, 90*day)
	text := writeSecret(t, dir, "text", "Dear Sir\n", 0o600)
	loose := filepath.Join(dir, "loose.key")
	if data, err := os.ReadFile(goodKey); err != nil || os.WriteFile(loose, data, 0o644) != nil || os.Chmod(loose, 0o644) != nil {
		t.Fatal(err)
	}
	keys := writeSecret(t, dir, "tickets", strings.Repeat("ab", 32)+"\n", 0o644)
	pair := func(cert, key string) string { return "tls: {certificates: [{cert: " + cert + ", key: " + key + "}]}" }
	for name, test := range map[string]struct{ listener, pool, want string }{
		"good":      {pair(good, goodKey), "", ""},
		"mismatch":  {pair(good, otherKey), "", "weir.yaml:2:26: listeners[0].tls.certificates[0]: reading " + good + " and " + otherKey + ": the key in "},
		"no PEM":    {pair(text, goodKey), "", ": listeners[0].tls.certificates[0]: reading " + text + " and " + goodKey + ": " + text + " holds no certificate in PEM"},
		"exchanged": {pair(goodKey, good), "", "are cert and key exchanged?"},
		"folder":    {pair(dir, goodKey), "", dir + " is not a regular file; write the path of a file"},
		"old":       {pair(old, oldKey), "", "warning: weir.yaml:2:26: listeners[0].tls.certificates[0]: the certificate for mx.test ended on "},
		"early":     {pair(early, earlyKey), "", "warning: weir.yaml:2:26: listeners[0].tls.certificates[0]: the certificate for mx.test is not valid before "},
		"ending":    {pair(ending, endingKey), "", "in 20 days; renew it"},
		"loose":     {pair(good, loose), "", "warning: weir.yaml:2:26: listeners[0].tls.certificates[0].key: " + loose + " has mode 0644: others than its owner have access to a secret; chmod 600 " + loose},
		"client CA": {"tls: {client_ca: " + text + "}", "", "weir.yaml:2:22: listeners[0].tls.client_ca: reading " + text + ": it holds no certificate in PEM"},
		"tickets":   {"tls: {ticket_keys: " + text + "}", "", "weir.yaml:2:24: listeners[0].tls.ticket_keys: "},
		"keys seen": {"tls: {ticket_keys: " + keys + "}", "", "tickets has mode 0644: others than its owner have access to a secret"},
		"CA":        {"", "tls: {mode: required, verify: true, ca: " + text + "}", "weir.yaml:6:45: pools.internet.tls.ca: " + text + " holds no certificate in PEM"},
		"good CA":   {"", "tls: {mode: required, verify: true, ca: " + good + "}", ""},
		"CA idle":   {"", "tls: {ca: " + good + "}", "warning: weir.yaml:6:15: pools.internet.tls.ca: it has no effect: certificates are not verified"},
	} {
		file := "listeners:\n  - " + test.listener + "\n    address: \"127.0.0.1:25\"\npools:\n  internet:\n    " + test.pool + "\n    backends: [\"10.0.0.11:25\", \"10.0.0.12:25\"]\n"
		_, warnings, err := Parse("weir.yaml", []byte(file))
		var said []string
		for _, w := range warnings {
			said = append(said, "warning: "+w.String())
		}
		if err != nil {
			said = append(said, err.Error())
		}
		if got := strings.Join(said, "\n"); !strings.Contains(got, test.want) || test.want == "" && got != "" || strings.Contains(got, "\n") {
			t.Errorf("%s: got %s\nwant %s", name, got, test.want)
		}
	}
}

// P39: what a listener accepts may stand in a file, whose lines are named.
func TestAcceptedDomainsFromFiles(t *testing.T) {
	dir := t.TempDir()
	parse := func(content string) (*Config, error) {
		writeSecret(t, dir, "our.domains", content, 0o644)
		file := writeSecret(t, dir, "weir.yaml", "listeners: [{address: \":25\", accept_domains: [example.com, \"@our.domains\"]}]\n"+
			"pools: {internet: {backends: [\"10.0.0.11:25\", \"10.0.0.12:25\"]}}\n", 0o600)
		cfg, warnings, err := Load(file)
		if relays := without(warnings, "signed itself"); len(relays) > 0 {
			t.Errorf("warnings %v", relays)
		}
		return cfg, err
	}
	cfg, err := parse("Fax.Example.com # theirs\n\n*.müller.example\n")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := cfg.Balancer.Listeners[0].AcceptDomains, []string{"example.com", "fax.example.com", "*.xn--mller-kva.example"}; !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	if again := mustParse(t, Render(cfg)); !reflect.DeepEqual(again.Balancer, cfg.Balancer) {
		t.Errorf("rendered as\n%s", Render(cfg))
	}
	if _, err := parse("example.net\n*\n"); err == nil || !strings.Contains(err.Error(), "our.domains:2:1: listeners[0].accept_domains[1]: \"*\" is every domain; leave accept_domains out") {
		t.Errorf("got %v", err)
	}
	var many strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&many, "d%d.example.com\n", i)
	}
	next, err := parse(many.String())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := Diff(cfg, next), []string{"listeners[\":25\"].accept_domains: 100000 domains new, 2 removed"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// A CA with other certificates in it is another config, and what dialers are told.
func TestAuthoritiesAreRead(t *testing.T) {
	dir := t.TempDir()
	text := "listeners: [{address: \"127.0.0.1:25\"}]\npools: {internet: {tls: {mode: required, verify: true, server_name: mx.test, ca: " +
		filepath.Join(dir, "ca.pem") + "}, backends: [\"10.0.0.11:25\"]}}\n"
	issue(t, dir, "ca", -day, day)
	before := mustParse(t, text)
	issue(t, dir, "ca", -day, day)
	after := mustParse(t, text)
	if got, want := Diff(before, after), []string{"pools.internet.tls.ca: other certificates"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	a, b := before.Pools[0].TLS.Security(), after.Pools[0].TLS.Security()
	if a.Mode != connector.TLSRequired || !a.Verify || a.ServerName != "mx.test" || a.Roots == nil || a.Roots.Equal(b.Roots) {
		t.Errorf("got %+v", a)
	}
}

func TestRates(t *testing.T) {
	for _, s := range []string{"0", "1/s", "100/m", "1000000/h"} {
		r, bad := rate(s)
		if bad != nil || rateText(r) != s {
			t.Errorf("%s: got %v, %v", s, r, bad)
		}
	}
	if r, bad := rate("0/s"); bad != nil || rateText(r) != "0" {
		t.Errorf("got %v, %v", r, bad)
	}
	for _, s := range []string{"", "/", "1/", "/s", "1 /s", "1/s/s", "+1/s", "1.5/s", "99999999999999999999/s"} {
		if r, bad := rate(s); bad == nil {
			t.Errorf("%q: got %v", s, r)
		}
	}
}
