package discovery

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"weir/internal/disk"
)

// retryWrite is when a file is tried again that could not be written.
const retryWrite = time.Minute

// keeper keeps the last good sets on disk. Writing, which may take as long as a
// disk likes, has a goroutine of its own; a set that changes meanwhile is written
// once, as it is in the end.
type keeper struct {
	dir  string // empty: nothing is kept
	fail func(feed string, err error)
	wake chan struct{} // capacity 1

	mu      sync.Mutex
	pending map[string]keepJob // by file
	written map[string][]byte  // what the files contain
	told    bool               // that it cannot be written; once is enough
}

type keepJob struct {
	feed, key string
	set       Set
}

func newKeeper(dir string, fail func(feed string, err error)) *keeper {
	return &keeper{
		dir: dir, fail: fail, wake: make(chan struct{}, 1),
		pending: map[string]keepJob{}, written: map[string][]byte{},
	}
}

// load returns what was kept of a feed and a pool; nil: nothing that can be
// used. A file of another form is set aside, and said.
func (k *keeper) load(feed, key, pool string) *keptSet {
	if k.dir == "" {
		return nil
	}
	path := filepath.Join(k.dir, fileOf(feed, pool))
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		k.fail(feed, fmt.Errorf("reading the last good set of pool %q: %w", pool, err))
		return nil
	}
	kept, err := decodeSet(data)
	if err != nil {
		k.fail(feed, fmt.Errorf("reading the last good set of pool %q: %w", pool, setAside(path, err)))
		return nil
	}
	if kept.Feed != feed || kept.Pool != pool || kept.Key != hashed(key) {
		return nil // it was another source then
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.written[path] = data
	return kept
}

// setAside renames a file that cannot be used, and returns why with where it is.
func setAside(path string, why error) error {
	aside := path + ".bad"
	if errors.Is(why, errNewer) {
		aside = path + ".newer"
	}
	if err := os.Rename(path, aside); err != nil {
		return fmt.Errorf("%s %w; setting it aside: %w", path, why, err)
	}
	return fmt.Errorf("%s %w; it is %s now", path, why, filepath.Base(aside))
}

// put has a set written soon. It does not block.
func (k *keeper) put(feed, key string, set Set) {
	if k.dir == "" {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pending[filepath.Join(k.dir, fileOf(feed, set.Pool))] = keepJob{feed, key, set}
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// run writes what is put until done is closed, and what is left then.
func (k *keeper) run(done <-chan struct{}) {
	for {
		var again <-chan time.Time
		if !k.flush() {
			again = time.After(retryWrite)
		}
		select {
		case <-k.wake:
		case <-again:
		case <-done:
			k.flush()
			return
		}
	}
}

// flush writes what is pending, and reports whether all of it is on disk now.
func (k *keeper) flush() (all bool) {
	k.mu.Lock()
	jobs := k.pending
	k.pending = map[string]keepJob{}
	k.mu.Unlock()
	all = true
	for path, job := range jobs {
		if err := k.write(path, job); err != nil {
			all = false
			k.putBack(path, job, err)
		}
	}
	return all
}

func (k *keeper) write(path string, job keepJob) error {
	data, err := encodeSet(job.feed, job.key, job.set)
	if err != nil {
		return fmt.Errorf("encoding it: %w", err)
	}
	k.mu.Lock()
	known := bytes.Equal(k.written[path], data)
	k.mu.Unlock()
	if known {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return fmt.Errorf("making the directory: %w", err)
	}
	if err := disk.Replace(path, data); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.written[path], k.told = data, false
	return nil
}

// putBack has a set tried again later that could not be written, unless there is
// a newer one by then.
func (k *keeper) putBack(path string, job keepJob, err error) {
	k.mu.Lock()
	if _, newer := k.pending[path]; !newer {
		k.pending[path] = job
	}
	told := k.told
	k.told = true
	k.mu.Unlock()
	if !told {
		k.fail(job.feed, fmt.Errorf("keeping the last good set of pool %q for the next start: %w", job.set.Pool, err))
	}
}
