package app

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weir/config"
)

// writePair writes a certificate of that serial for 127.0.0.1, and its key.
func writePair(t *testing.T, dir string, serial int64) (cert, key string) {
	t.Helper()
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "weir"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, &secret.PublicKey, secret)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := x509.MarshalPKCS8PrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "admin.pem"), filepath.Join(dir, "admin.key")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: plain}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func TestCertificateIsReadAgainWhenItChanges(t *testing.T) {
	dir := t.TempDir()
	cert, key := writePair(t, dir, 1)
	var told []string
	c := &certificate{cert: cert, key: key, tell: func(err error) { told = append(told, err.Error()) }}
	if err := c.read(c.stamps()); err != nil {
		t.Fatal(err)
	}
	serial := func() int64 {
		c.looked = time.Time{} // long ago
		pair, err := c.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		return pair.Leaf.SerialNumber.Int64()
	}
	if n := serial(); n != 1 {
		t.Errorf("serial %d", n)
	}
	writePair(t, dir, 22222)
	later := time.Now().Add(time.Minute)
	if err := os.Chtimes(cert, later, later); err != nil {
		t.Fatal(err)
	}
	if n := serial(); n != 22222 {
		t.Errorf("serial %d after the change", n)
	}
	if err := os.WriteFile(key, []byte("half a ke"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if n := serial(); n != 22222 {
			t.Errorf("serial %d after a change that is wrong", n)
		}
	}
	if len(told) != 1 || !strings.Contains(told[0], "reading the certificate of the admin address") {
		t.Errorf("told %q", told)
	}
}

// The admin address speaks HTTPS below a base path, and state changes are posted.
func TestAdminByHTTPSAndWebhook(t *testing.T) {
	posted := make(chan string, 100)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		posted <- r.Header.Get("X-Weir-Signature") + " " + string(text)
	}))
	defer hook.Close()
	cert, key := writePair(t, t.TempDir(), 1)
	cfg := parse(t, []string{"127.0.0.1:1"})
	cfg.Admin = config.Admin{Address: "127.0.0.1:0", Anonymous: "read", BasePath: "/weir", Cert: cert, Key: key}
	cfg.Webhook = config.Webhook{URL: hook.URL, Secret: "0123456789abcdef"}
	cfg.StartupWait = time.Millisecond
	a, err := New(cfg, Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	text, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(text)
	client := &http.Client{Timeout: ceiling, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: trusted}}}
	resp, err := client.Get("https://" + a.AdminAddr().String() + "/weir/v1/transactions")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if want := `{"transactions":[],"more":false,"kept":0,"since":null}`; strings.TrimSpace(string(body)) != want {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	select {
	case text := <-posted:
		if !strings.HasPrefix(text, "sha256=") || !strings.Contains(text, `"events":[{"id":1,`) {
			t.Errorf("posted %s", text)
		}
	case <-time.After(ceiling):
		t.Error("nothing was posted")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestAdminCertificateThatIsGone(t *testing.T) {
	cfg := parse(t, []string{"127.0.0.1:1"})
	cfg.Admin = config.Admin{Address: "127.0.0.1:0", Cert: "/nowhere.pem", Key: "/nowhere.key"}
	if _, err := New(cfg, Options{}); err == nil || !strings.Contains(err.Error(), "reading the certificate of the admin address") {
		t.Errorf("got %v", err)
	}
}
