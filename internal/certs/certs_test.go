package certs

import (
	"crypto/tls"
	"encoding/pem"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestChoiceByName(t *testing.T) {
	dir := t.TempDir()
	s, events := open(t, Config{Certificates: []Pair{
		made{names: names("first.example"), serial: 1}.write(t, dir, "a"),
		made{names: names("*.example.com", "example.com"), serial: 2}.write(t, dir, "b"),
		made{names: names("MX.example.com"), serial: 3}.write(t, dir, "c"),
		made{names: names("mx.example.com"), serial: 4, rsa: true}.write(t, dir, "d"),
	}})
	rsaOnly := func(name string) *tls.Config {
		return &tls.Config{ServerName: name, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}}
	}
	tests := []struct {
		client *tls.Config
		want   int64
	}{
		{asked(""), 1},
		{asked("first.example"), 1},
		{asked("unknown.example"), 1},
		{asked("example.com"), 2},
		{asked("other.example.com"), 2},
		{asked("a.b.example.com"), 1}, // a wildcard is for one label
		{asked("mx.example.com"), 3},  // exact before wildcard
		{asked("Mx.Example.COM"), 3},
		{rsaOnly("mx.example.com"), 4},
		{rsaOnly("other.example.com"), 4}, // another name rather than no handshake
		{rsaOnly(""), 4},
	}
	for _, tt := range tests {
		if got := serial(t, s, tt.client); got != tt.want {
			t.Errorf("%q, of %d suites: certificate %d, want %d", tt.client.ServerName, len(tt.client.CipherSuites), got, tt.want)
		}
	}
	if len(events.all) != 0 {
		t.Errorf("told: %v", events)
	}
}

func TestMinVersion(t *testing.T) {
	dir := t.TempDir()
	pair := made{names: names("mx.test")}.write(t, dir, "a")
	old := &tls.Config{MaxVersion: tls.VersionTLS12}
	ancient := &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	byDefault, _ := open(t, Config{Certificates: []Pair{pair}})
	if _, err := shake(byDefault, old); err != nil {
		t.Errorf("TLS 1.2: %v", err)
	}
	if _, err := shake(byDefault, ancient); err == nil {
		t.Error("TLS 1.1 was taken")
	}
	strict, _ := open(t, Config{Certificates: []Pair{pair}, MinVersion: tls.VersionTLS13})
	if _, err := shake(strict, old); err == nil {
		t.Error("TLS 1.2 was taken, and 1.3 is the least")
	}
}

func TestClientCertificatesAreOptional(t *testing.T) {
	dir := t.TempDir()
	pair := made{names: names("mx.test")}.write(t, dir, "server")
	good := made{names: names("client.test"), serial: 7}.write(t, dir, "client")
	bad := made{names: names("client.test"), serial: 8}.write(t, dir, "other")
	s, _ := open(t, Config{Certificates: []Pair{pair}, ClientCA: good.Cert})
	if _, err := shake(s, asked("mx.test")); err != nil {
		t.Errorf("without one: %v", err)
	}
	for p, want := range map[Pair]bool{good: true, bad: false} {
		cert, err := tls.LoadX509KeyPair(p.Cert, p.Key)
		if err != nil {
			t.Fatal(err)
		}
		_, err = shake(s, &tls.Config{GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }})
		if (err == nil) != want {
			t.Errorf("%s: %v, want taken: %v", p.Cert, err, want)
		}
	}
}

func TestBadFilesInClearWords(t *testing.T) {
	dir := t.TempDir()
	good := made{names: names("mx.test")}.write(t, dir, "good")
	other := made{names: names("mx.test")}.write(t, dir, "other")
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		put(t, path, []byte(content))
		return path
	}
	junk, empty := file("junk", "not PEM\n"), file("empty", "")
	locked := file("locked", string(pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte{1}})))
	broken := file("broken", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{1}})))
	large := file("large", strings.Repeat("x", maxSize+1))
	key := strings.Repeat("ab", 32)
	tests := []struct {
		name string
		cfg  Config
		want []string
	}{
		{"missing", Config{Certificates: []Pair{{dir + "/none", good.Key}}}, []string{dir + "/none", "no such file"}},
		{"directory", Config{Certificates: []Pair{{dir, good.Key}}}, []string{dir, "not a regular file"}},
		{"large", Config{Certificates: []Pair{{large, good.Key}}}, []string{large, "larger than 1 MiB"}},
		{"mismatch", Config{Certificates: []Pair{{good.Cert, other.Key}}}, []string{good.Cert, other.Key, "is not that of the first certificate"}},
		{"exchanged", Config{Certificates: []Pair{{good.Key, good.Cert}}}, []string{good.Key, "exchanged?"}},
		{"no certificate", Config{Certificates: []Pair{{junk, good.Key}}}, []string{junk, "no certificate in PEM"}},
		{"no key", Config{Certificates: []Pair{{good.Cert, empty}}}, []string{empty, "no private key in PEM"}},
		{"locked key", Config{Certificates: []Pair{{good.Cert, locked}}}, []string{locked, "passphrase", "openssl pkey"}},
		{"broken certificate", Config{Certificates: []Pair{{broken, good.Key}}}, []string{broken, "not a certificate and its key"}},
		{"two at fault", Config{Certificates: []Pair{{junk, good.Key}, good, {good.Cert, empty}}}, []string{junk, empty}},
		{"no authority", Config{Certificates: []Pair{good}, ClientCA: good.Key}, []string{good.Key, "client_ca"}},
		{"broken authority", Config{Certificates: []Pair{good}, ClientCA: broken}, []string{broken, "certificate 1 of client_ca"}},
		{"no ticket keys", Config{Certificates: []Pair{good}, TicketKeys: file("k0", "# none\n\n")}, []string{"k0", "holds no key", "openssl rand"}},
		{"ticket key of HAProxy", Config{Certificates: []Pair{good}, TicketKeys: file("k1", key+"\n"+strings.Repeat("Zm9v", 16))}, []string{"k1", "line 2", "48 octets, not of 32"}},
		{"no ticket key", Config{Certificates: []Pair{good}, TicketKeys: file("k2", "# x\npassword!")}, []string{"k2", "line 2", "neither base64 nor hex"}},
		{"many ticket keys", Config{Certificates: []Pair{good}, TicketKeys: file("k3", strings.Repeat(key+"\n", 17))}, []string{"k3", "17 keys", "16 at the most"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := New(tt.cfg)
			if err == nil || s != nil {
				t.Fatalf("taken: %v", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "password") || strings.Contains(err.Error(), key[:16]) {
				t.Errorf("%q shows a key", err)
			}
		})
	}
}

func TestOutOfTimeIsAWarning(t *testing.T) {
	dir := t.TempDir()
	cfg := Config{Certificates: []Pair{
		made{names: names("over.test"), from: -48 * time.Hour, until: -24 * time.Hour}.write(t, dir, "a"),
		made{names: names("early.test"), from: 24 * time.Hour, until: 48 * time.Hour}.write(t, dir, "b"),
		made{names: names("soon.test"), from: -1000 * time.Hour, until: 24 * time.Hour}.write(t, dir, "c"),
		made{names: names("short.test"), from: -10 * time.Hour, until: 24 * time.Hour}.write(t, dir, "d"),
	}}
	s, events := open(t, cfg)
	if err := s.Reload(); err != nil { // is no reason to say it again
		t.Fatal(err)
	}
	for _, want := range []string{"over.test ended on", "early.test is not valid before", "soon.test ends on"} {
		if n := events.count(Warning, want); n != 1 {
			t.Errorf("%d warnings of %q:%v", n, want, events)
		}
	}
	if len(events.all) != 3 {
		t.Errorf("told:%v", events)
	}
	if _, err := shake(s, asked("over.test")); err != nil {
		t.Errorf("opportunistic senders do not mind: %v", err)
	}
}

func TestExpiryByName(t *testing.T) {
	dir := t.TempDir()
	s, _ := open(t, Config{Certificates: []Pair{
		made{names: names("z.test")}.write(t, dir, "a"),
		made{names: names("mx.test"), until: 3 * time.Hour}.write(t, dir, "b"),
		made{names: names("mx.test"), until: 2 * time.Hour, rsa: true}.write(t, dir, "c"),
		made{}.write(t, dir, "d"),
	}})
	got := s.Expiry()
	if len(got) != 3 || got[0].Name != "mx.test" || got[1].Name != "test" || got[2].Name != "z.test" {
		t.Fatalf("%v", got)
	}
	if left := time.Until(got[0].NotAfter); left > 2*time.Hour || left < time.Hour {
		t.Errorf("mx.test ends in %v: want the first end", left)
	}
}

func FuzzPair(f *testing.F) {
	cert, key := made{names: []string{"mx.test"}}.pem(f)
	f.Add(cert, key)
	f.Add(key, cert)
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n"), []byte(""))
	f.Fuzz(func(t *testing.T, cert, key []byte) {
		c, err := Pair{"cert", "key"}.make(cert, key)
		if (err == nil) == (c == nil) {
			t.Fatalf("%v, %v", c, err)
		}
		if pool, err := makePool(cert); (err == nil) == (pool == nil) {
			t.Fatalf("%v, %v", pool, err)
		}
		if c != nil && nameOf(c.Leaf) == "" {
			t.Fatal("a certificate without a name")
		}
	})
}
