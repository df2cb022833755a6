package cluster

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"weir/internal/backend"
	"weir/internal/disk"
)

// fileVersion is the state file's format. A weir that meets a higher one sets the
// file aside and begins without.
const fileVersion = 1

// stateFile is the mirror of the flags on disk, DIR/flags.json. It is always
// replaced as a whole, and its sum tells a damaged one from a whole one.
type stateFile struct{ dir string } // empty: there is none

// stored is the file's content.
type stored struct {
	Version int             `json:"version"`
	Sum     string          `json:"sum"` // SHA-256 of Flags as they stand here, in hex
	Flags   json.RawMessage `json:"flags"`
}

// storedFlag is one entry of stored.Flags, by "pool/name".
type storedFlag struct {
	flag
	Unshared bool `json:"unshared,omitempty"`
}

func (f stateFile) path() string { return filepath.Join(f.dir, "flags.json") }

// read returns the flags on disk. A file that is damaged or of a newer version is
// set aside, which err tells in words, and there are no flags then.
func (f stateFile) read() (map[backend.ID]entry, error) {
	if f.dir == "" {
		return nil, nil
	}
	data, err := os.ReadFile(f.path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the drain flags: %w: starting without them", err)
	}
	flags, version, err := parseState(data)
	if err == nil {
		return flags, nil
	}
	aside := f.path() + ".broken"
	if version > fileVersion {
		aside = fmt.Sprintf("%s.v%d", f.path(), version)
	}
	if moved := os.Rename(f.path(), aside); moved != nil {
		return nil, fmt.Errorf("%w: starting without them; setting the file aside: %w", err, moved)
	}
	return nil, fmt.Errorf("%w: starting without them; the file is set aside as %s", err, aside)
}

// parseState reads the file's content, of which it trusts nothing that the sum
// does not vouch for.
func parseState(data []byte) (flags map[backend.ID]entry, version int, err error) {
	var file stored
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, 0, fmt.Errorf("reading the drain flags: the file is damaged: %w", err)
	}
	if file.Version > fileVersion {
		return nil, file.Version, fmt.Errorf("reading the drain flags: a newer weir wrote them (format %d, this one knows %d)", file.Version, fileVersion)
	}
	if file.Version != fileVersion || file.Sum != sumOf(file.Flags) {
		return nil, file.Version, errors.New("reading the drain flags: the file is damaged: its sum is not that of its content")
	}
	var entries map[string]storedFlag
	if err := json.Unmarshal(file.Flags, &entries); err != nil {
		return nil, file.Version, fmt.Errorf("reading the drain flags: %w", err)
	}
	flags = map[backend.ID]entry{}
	for key, e := range entries {
		if id, ok := parseID(key); ok {
			flags[id] = entry{flag: e.flag, unshared: e.Unshared}
		}
	}
	return flags, file.Version, nil
}

// write replaces the file.
func (f stateFile) write(flags map[backend.ID]entry) error {
	if f.dir == "" {
		return nil
	}
	entries := map[string]storedFlag{}
	for id, e := range flags {
		entries[id.String()] = storedFlag{e.flag, e.unshared}
	}
	text, err := json.Marshal(entries)
	if err != nil {
		return fmt.Errorf("writing the drain flags: %w", err)
	}
	data, err := json.Marshal(stored{Version: fileVersion, Sum: sumOf(text), Flags: text})
	if err != nil {
		return fmt.Errorf("writing the drain flags: %w", err)
	}
	if err := disk.Replace(f.path(), append(data, '\n')); err != nil {
		return fmt.Errorf("writing the drain flags: %w: they are in force, but a restart would forget them", err)
	}
	return nil
}

func sumOf(text []byte) string {
	sum := sha256.Sum256(bytes.TrimSpace(text))
	return hex.EncodeToString(sum[:])
}
