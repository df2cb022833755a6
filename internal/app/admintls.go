package app

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"

	"weir/config"
)

// secureAdmin puts HTTPS on the admin address, where the config has a certificate.
func (a *App) secureAdmin(cfg config.Admin) error {
	if cfg.Cert == "" || a.sockets.admin == nil {
		return nil
	}
	pair := &certificate{cert: cfg.Cert, key: cfg.Key, tell: func(err error) {
		a.log.error("admin").Str("why", err.Error()+"; the certificate that was read before stays in use").Send()
	}}
	if err := pair.read(pair.stamps()); err != nil {
		return err
	}
	a.sockets.admin = tls.NewListener(a.sockets.admin, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: pair.get})
	return nil
}

// lookEvery is how often a certificate's files are looked at, at the most.
const lookEvery = time.Second

// certificate is one that is read again when its files have changed, as they do
// when it is renewed. It is looked at when somebody connects.
type certificate struct {
	cert, key string
	tell      func(error)

	mu     sync.Mutex
	pair   *tls.Certificate
	seen   [2]stamp
	looked time.Time
}

// stamp tells a file's content from an earlier one.
type stamp struct {
	at   time.Time
	size int64
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.looked) >= lookEvery {
		c.looked = now
		if seen := c.stamps(); seen != c.seen {
			if err := c.read(seen); err != nil {
				c.tell(err)
			}
		}
	}
	return c.pair, nil
}

// read reads the pair. Files that are wrong are not read again until they change.
func (c *certificate) read(seen [2]stamp) error {
	c.seen = seen
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return fmt.Errorf("reading the certificate of the admin address: %w", err)
	}
	c.pair = &pair
	return nil
}

func (c *certificate) stamps() (seen [2]stamp) {
	for i, path := range [...]string{c.cert, c.key} {
		if info, err := os.Stat(path); err == nil {
			seen[i] = stamp{info.ModTime(), info.Size()}
		}
	}
	return seen
}
