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
	if err != nil {
		err = fmt.Errorf("keeping this replica's name: %w: it has another name at the next start", err)
	}
	return host + "-" + suffix, err
}

func replicaSuffix(dir string) (string, error) {
	var random [2]byte
	rand.Read(random[:]) // never fails
	fresh := hex.EncodeToString(random[:])
	if dir == "" {
		return fresh, nil
	}
	path := filepath.Join(dir, "replica")
	text, err := os.ReadFile(path)
	if kept := strings.TrimSpace(string(text)); err == nil && suffixForm.MatchString(kept) {
		return kept, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fresh, err
	}
	return fresh, writeWhole(path, []byte(fresh+"\n"))
}

// keyRune keeps what names may hold everywhere in weir.
func keyRune(r rune) rune {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', strings.ContainsRune("._-", r):
		return r
	}
	return '-'
}
