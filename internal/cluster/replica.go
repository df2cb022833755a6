package cluster

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"weir/internal/disk"
)

var suffixForm = regexp.MustCompile(`^[0-9a-f]{4}$`)

// replicaName returns HOSTNAME-xxxx. The four digits are made once and kept in
// dir, so that a replica that starts again is the same one; without dir, or when
// they cannot be kept (err), they are new at each start.
func replicaName(dir, hostname string) (name string, err error) {
	host := strings.Map(keyRune, hostname)
	if host == "" {
		host = "weir"
	}
	suffix, err := replicaSuffix(dir)
	return host + "-" + suffix, notKept(err)
}

func notKept(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("keeping this replica's name: %w: it has another name at the next start", err)
}

func replicaSuffix(dir string) (string, error) {
	if dir == "" {
		return freshSuffix(), nil
	}
	text, err := os.ReadFile(suffixPath(dir))
	if kept := strings.TrimSpace(string(text)); err == nil && suffixForm.MatchString(kept) {
		return kept, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return freshSuffix(), err
	}
	fresh := freshSuffix()
	return fresh, keepSuffix(dir, fresh)
}

func freshSuffix() string {
	var random [2]byte
	rand.Read(random[:]) // never fails
	return hex.EncodeToString(random[:])
}

func suffixPath(dir string) string { return filepath.Join(dir, "replica") }

func keepSuffix(dir, suffix string) error {
	if dir == "" {
		return nil
	}
	return disk.Replace(suffixPath(dir), []byte(suffix+"\n"))
}

// rename gives this replica a fresh name, and keeps that, because another one goes
// by the present name.
func (c *Cluster) rename() {
	old := c.Name()
	host, suffix := old[:len(old)-len(freshSuffix())], freshSuffix()
	for host+suffix == old {
		suffix = freshSuffix()
	}
	c.mu.Lock()
	c.name = host + suffix
	c.mu.Unlock()
	c.troubled(fmt.Errorf("another weir uses the name %s: is its state_dir a copy? This one is called %s from now on", old, host+suffix))
	if err := notKept(keepSuffix(c.cfg.Dir, suffix)); err != nil {
		c.troubled(err)
	}
	wake(c.roll)
}

// keyRune keeps what names may hold everywhere in weir.
func keyRune(r rune) rune {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', strings.ContainsRune("._-", r):
		return r
	}
	return '-'
}
