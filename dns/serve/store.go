package serve

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"weir/internal/disk"
)

// Store keeps the entry of one zone: content and serial in one value (JSON), so
// that all who share it serve the same. It is used by several goroutines at once.
type Store interface {
	// Load returns the entry and its version; no entry yet: nil and 0.
	Load(ctx context.Context) (data []byte, version uint64, err error)
	// Swap replaces the entry if it still has that version (0: if there is none),
	// and otherwise returns false. After an error either may hold.
	Swap(ctx context.Context, data []byte, version uint64) (ok bool, err error)
}

// Watcher is a Store that knows when its entry changes; others are asked every
// few seconds.
type Watcher interface {
	// Changed gets a value, or is closed, when the entry may have changed. It is
	// called anew for each wait.
	Changed() <-chan struct{}
}

// FileStore keeps an entry in a file, for a weir without replicas. The file is
// replaced as a whole: a crash or a kill leaves the old one or the new one. Two
// processes (an upgrade) may use it at the same time.
type FileStore struct{ path string }

// NewFileStore returns the store of a zone in a folder that exists, such as
// state_dir.
func NewFileStore(dir, zone string) FileStore {
	name := bytes.Map(func(r rune) rune {
		if r == '/' || r == 0 {
			return '-'
		}
		return r
	}, []byte(zone))
	return FileStore{filepath.Join(dir, "zone-"+string(name)+"json")} // zone ends in a dot
}

// stored is the file's content.
type stored struct {
	Version uint64          `json:"version"`
	Sum     string          `json:"sum"` // SHA-256 of Entry as it stands here, in hex
	Entry   json.RawMessage `json:"entry"`
}

// Load returns the entry on disk. A damaged file is set aside, which the error
// tells; the next Load finds none, and the zone is written anew.
func (f FileStore) Load(context.Context) (data []byte, version uint64, err error) {
	text, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("reading the zone: %w", err)
	}
	var s stored
	if err := json.Unmarshal(text, &s); err != nil || s.Version == 0 || s.Sum != sumOf(s.Entry) {
		aside := f.path + ".broken"
		if err := os.Rename(f.path, aside); err != nil {
			return nil, 0, fmt.Errorf("reading the zone: %s is damaged; setting it aside: %w", f.path, err)
		}
		return nil, 0, fmt.Errorf("reading the zone: %s is damaged: it is set aside as %s, and weir writes the zone anew from what it knows", f.path, aside)
	}
	return s.Entry, s.Version, nil
}

// Swap replaces the entry on disk.
func (f FileStore) Swap(ctx context.Context, data []byte, version uint64) (ok bool, err error) {
	lock, err := os.OpenFile(f.path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return false, fmt.Errorf("writing the zone: %w", err)
	}
	defer func() { _ = lock.Close() }() // which lets go of the lock
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return false, fmt.Errorf("writing the zone: locking %s: %w", lock.Name(), err)
	}
	_, have, err := f.Load(ctx)
	if err != nil || have != version {
		return false, err
	}
	text, err := json.Marshal(stored{Version: version + 1, Sum: sumOf(data), Entry: data})
	if err != nil {
		return false, fmt.Errorf("writing the zone: %w", err)
	}
	if err := disk.Replace(f.path, append(text, '\n')); err != nil {
		return false, fmt.Errorf("writing the zone: %w", err)
	}
	return true, nil
}

func sumOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
