package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"path/filepath"
	"strings"
	"time"

	"weir/internal/disk"
)

// The certificate that weir makes for itself.
const (
	selfFile  = "self-signed.pem" // in state_dir: the certificate and its key, so that they are replaced as one
	selfLives = 5 * 365 * 24 * time.Hour
	selfAnew  = 60 * 24 * time.Hour // so long before its end there is another one
	selfPast  = 24 * time.Hour      // for clients whose clock is slow
)

// selfMade returns the certificate that weir made for itself: the one in state_dir,
// else the one in use, else a new one. Of several stores that share a state_dir, one
// makes it and the others find it there.
func (s *Store) selfMade(before part[*tls.Certificate], now time.Time) (part[*tls.Certificate], error) {
	names := selfNames(s.cfg.Hostname)
	path := ""
	if s.cfg.StateDir != "" {
		path = filepath.Join(s.cfg.StateDir, selfFile)
		kept, err := refresh(before, Pair{path, path}.make, path, path)
		if err == nil && fits(kept.value, names, now) {
			s.announce(before.value, names[0])
			return kept, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.tell(Warning, fmt.Sprintf("the certificate that weir made for itself cannot be used: %v; it uses another one", err))
		}
	}
	if before.value != nil && fits(before.value, names, now) {
		return before, nil
	}
	data, err := selfSigned(names, now)
	if err != nil {
		return before, fmt.Errorf("making a certificate for %s: %w", names[0], err)
	}
	pair, err := tls.X509KeyPair(data, data)
	if err != nil {
		return before, fmt.Errorf("making a certificate for %s: %w", names[0], err)
	}
	s.announce(before.value, names[0])
	if path != "" {
		if err := disk.Replace(path, data); err != nil {
			s.tell(Warning, fmt.Sprintf("the certificate that weir made for itself cannot be kept in state_dir, and will be another one after a restart: %v", err))
		}
	}
	one := sha256.Sum256(data)
	return part[*tls.Certificate]{sha256.Sum256(append(one[:], one[:]...)), &pair}, nil
}

// announce warns of it when it comes into use.
func (s *Store) announce(before *tls.Certificate, name string) {
	if before == nil {
		s.tell(Warning, fmt.Sprintf("tls has no certificates: a self-signed one for %s is used, which senders that verify refuse", name))
	}
}

// selfNames are what it is for.
func selfNames(hostname string) []string {
	if name := strings.ToLower(strings.TrimSuffix(hostname, ".")); name != "" {
		return []string{name}
	}
	return []string{"localhost"}
}

// fits reports whether a certificate is for these names, and for some time to come.
func fits(c *tls.Certificate, names []string, now time.Time) bool {
	if now.Before(c.Leaf.NotBefore) || c.Leaf.NotAfter.Sub(now) < selfAnew {
		return false
	}
	for _, name := range names {
		if c.Leaf.VerifyHostname(name) != nil {
			return false
		}
	}
	return true
}

// selfSigned makes a certificate with its key, in PEM.
func selfSigned(names []string, now time.Time) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	form := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: names[0], Organization: []string{"weir, self-signed"}},
		NotBefore:    now.Add(-selfPast), NotAfter: now.Add(selfLives),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			form.IPAddresses = append(form.IPAddresses, ip)
		} else {
			form.DNSNames = append(form.DNSNames, name)
		}
	}
	cert, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})...), nil
}
