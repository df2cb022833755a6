package certs

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// outfit is everything that was read, as handshakes use it. It never changes.
type outfit struct {
	digest  sum
	chains  []*tls.Certificate
	ca      part[*x509.CertPool]
	tickets part[[][32]byte]
	pairs   []part[*tls.Certificate]
	own     part[*tls.Certificate] // the one that weir made, if it did
	byName  map[string][]*tls.Certificate
	config  *tls.Config
}

// part is what was made of a file or two.
type part[V any] struct {
	from  sum // of the content; zero: there is none
	value V
}

type sum [sha256.Size]byte

// load reads all files. Of what is broken the old part stays, and with an error the
// outfit is fit for use only where there was one before. Where nothing has changed
// it is the old one.
func (s *Store) load(old *outfit, now time.Time) (*outfit, error) {
	next := &outfit{}
	var errs []error
	note := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	for i, p := range s.cfg.Certificates {
		var before part[*tls.Certificate]
		if i < len(old.pairs) {
			before = old.pairs[i]
		}
		got, err := refresh(before, p.make, p.Cert, p.Key)
		note(err)
		next.pairs = append(next.pairs, got)
	}
	var err error
	next.ca, err = refresh(old.ca, makePool, s.cfg.ClientCA)
	note(err)
	next.tickets, err = refresh(old.tickets, makeTickets, s.cfg.TicketKeys)
	note(err)
	if len(s.cfg.Certificates) == 0 {
		next.own, err = s.selfMade(old.own, now)
		note(err)
	}
	if next.digest = next.sum(); next.digest == old.digest {
		return old, errors.Join(errs...)
	}
	next.dress(s.cfg.MinVersion)
	return next, errors.Join(errs...)
}

// refresh makes a part anew if the files have changed. After an error it is as before.
func refresh[V any](before part[V], build func(content ...[]byte) (V, error), paths ...string) (part[V], error) {
	var content [][]byte
	hash := sha256.New()
	for _, path := range paths {
		if path == "" {
			return part[V]{}, nil
		}
		data, err := read(path)
		if err != nil {
			return before, err
		}
		content = append(content, data)
		one := sha256.Sum256(data)
		hash.Write(one[:])
	}
	from := sum(hash.Sum(nil))
	if from == before.from {
		return before, nil
	}
	value, err := build(content...)
	if err != nil {
		return before, fmt.Errorf("reading %s: %w", strings.Join(paths, " and "), err)
	}
	return part[V]{from, value}, nil
}

// sum tells this outfit from others.
func (o *outfit) sum() sum {
	hash := sha256.New()
	for _, p := range slices.Concat(o.pairs, []part[*tls.Certificate]{o.own}) {
		hash.Write(p.from[:])
	}
	hash.Write(o.ca.from[:])
	hash.Write(o.tickets.from[:])
	return sum(hash.Sum(nil))
}

// dress makes what handshakes use.
func (o *outfit) dress(minVersion uint16) {
	for _, p := range slices.Concat(o.pairs, []part[*tls.Certificate]{o.own}) {
		if p.value != nil {
			o.chains = append(o.chains, p.value)
		}
	}
	o.index()
	if minVersion == 0 {
		minVersion = tls.VersionTLS12
	}
	o.config = &tls.Config{MinVersion: minVersion, GetCertificate: o.choose}
	if o.ca.value != nil {
		o.config.ClientCAs, o.config.ClientAuth = o.ca.value, tls.VerifyClientCertIfGiven
	}
	if keys := o.tickets.value; len(keys) > 0 {
		o.config.SetSessionTicketKeys(keys)
	}
}

// maxSize bounds a file.
const maxSize = 1 << 20

// read returns a file's content, but not of something that would block or never end.
func read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("looking for a file of tls: %w", err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file: tls wants the path of one in PEM", path)
	case info.Size() > maxSize:
		return nil, fmt.Errorf("%s is larger than %d MiB: it can hold no certificates or keys", path, maxSize>>20)
	}
	f, err := os.Open(path)
	if errors.Is(err, os.ErrPermission) {
		return nil, fmt.Errorf("opening a file of tls: %w: let the user that weir runs as read it", err)
	}
	if err != nil {
		return nil, fmt.Errorf("opening a file of tls: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSize))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("reading a file of tls: %w", err)
	}
	return data, nil
}

// make makes a certificate of a pair's content, or says what is wrong with it.
func (p Pair) make(content ...[]byte) (*tls.Certificate, error) {
	pair, err := tls.X509KeyPair(content[0], content[1])
	if err == nil {
		return &pair, nil
	}
	cert, key := kinds(content[0]), kinds(content[1])
	switch {
	case !cert["CERTIFICATE"] && cert["PRIVATE KEY"]:
		return nil, fmt.Errorf("%s holds a key and no certificate: are cert and key exchanged?", p.Cert)
	case !cert["CERTIFICATE"]:
		return nil, fmt.Errorf("%s holds no certificate in PEM; one in DER becomes PEM by `openssl x509 -inform der`", p.Cert)
	case !key["PRIVATE KEY"]:
		return nil, fmt.Errorf("%s holds no private key in PEM", p.Key)
	case key["ENCRYPTED"]:
		return nil, fmt.Errorf("the key in %s is locked by a passphrase, and nobody is there to type it: unlock it by `openssl pkey`", p.Key)
	case strings.Contains(err.Error(), "does not match"):
		return nil, fmt.Errorf("the key in %s is not that of the first certificate in %s: the server's own comes first there, then those of its authorities", p.Key, p.Cert)
	}
	return nil, fmt.Errorf("not a certificate and its key: %w", err)
}

// kinds are the sorts of blocks in PEM.
func kinds(data []byte) map[string]bool {
	found := map[string]bool{}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		found["CERTIFICATE"] = found["CERTIFICATE"] || block.Type == "CERTIFICATE"
		if strings.HasSuffix(block.Type, "PRIVATE KEY") {
			found["PRIVATE KEY"] = true
			found["ENCRYPTED"] = strings.HasPrefix(block.Type, "ENCRYPTED") || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED")
		}
	}
	return found
}

// makePool makes a pool of authorities, of which each has to be sound.
func makePool(content ...[]byte) (*x509.CertPool, error) {
	pool, n := x509.NewCertPool(), 0
	for block, rest := pem.Decode(content[0]); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		n++
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d of client_ca: %w", n, err)
		}
		pool.AddCert(cert)
	}
	if n == 0 {
		return nil, errors.New("it holds no certificate in PEM, and client_ca wants those of the authorities of clients")
	}
	return pool, nil
}
