package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"weir/discovery"
	"weir/internal/backend"
)

const (
	// poll is how often the file is looked at without a notice.
	poll = 10 * time.Second
	// settle is how long a notice waits for others: those who write a file do it in
	// several steps.
	settle = 100 * time.Millisecond
	// maxSize is far beyond any real list, in octets.
	maxSize = 4 << 20
)

// Source tells the connectors of one pool that a file lists. It implements
// [discovery.Source].
type Source struct {
	Path string
	Pool string
	// Parse reads the file's content; path is for the words of its errors.
	Parse func(path string, data []byte) ([]backend.Spec, error)
}

// Run tells the file's list now and after each change, until ctx is done.
func (s Source) Run(ctx context.Context, sets chan<- discovery.Set) error {
	w := watch{dir: filepath.Dir(s.Path)}
	defer w.close()
	clock := time.NewTicker(poll)
	defer clock.Stop()
	var last seen
	for {
		w.keep() // before reading: what changes from here on is noticed
		if err := s.tell(ctx, sets, &last); err != nil {
			return nil
		}
		if !w.wait(ctx, clock.C) {
			return nil
		}
	}
}

// seen is what was told last.
type seen struct {
	told bool
	data []byte // nil unless it was read and right
	why  string // what was wrong
}

// tell reads the file and tells what is new; its error is the context's.
func (s Source) tell(ctx context.Context, sets chan<- discovery.Set, last *seen) error {
	data, err := read(s.Path)
	if err == nil && last.told && last.why == "" && bytes.Equal(data, last.data) {
		return nil
	}
	set := discovery.Set{Pool: s.Pool}
	if err == nil {
		set.Specs, err = s.parse(data)
	}
	now := seen{told: true, data: data}
	if err != nil {
		now = seen{told: true, why: err.Error()}
		set = discovery.Set{Pool: s.Pool, Unheard: true, Doubt: now.why}
	}
	if last.told && err != nil && now.why == last.why {
		return nil
	}
	*last = now
	select {
	case sets <- set:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// parse reads the list. One without connectors is taken for a mistake, such as a
// template that found nothing to fill in.
func (s Source) parse(data []byte) ([]backend.Spec, error) {
	specs, err := s.Parse(s.Path, data)
	if err == nil && len(specs) == 0 {
		return nil, fmt.Errorf("%s lists no connectors; to take all of them out, drain them or remove the pool's key file", s.Path)
	}
	return specs, err
}

// read returns the file's content, but not of something that would block or
// never end.
func read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the list of connectors: %w", err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the list of connectors: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("reading the list of connectors: %w", err)
	}
	if len(data) > maxSize {
		return nil, fmt.Errorf("%s is larger than %d MiB", path, maxSize>>20)
	}
	return data, nil
}

// watch has the kernel's notices for a directory, where it can.
type watch struct {
	dir     string
	watcher *fsnotify.Watcher // nil: there are none
	inode   os.FileInfo       // the directory that is watched
}

// keep makes sure that the directory is watched which has that name now. Where
// that cannot be had, the clock has to do.
func (w *watch) keep() {
	now, err := os.Stat(w.dir)
	if err == nil && w.watcher != nil && os.SameFile(now, w.inode) {
		return
	}
	w.close()
	if err != nil {
		return
	}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return
	}
	w.watcher, w.inode = watcher, now
	if err := watcher.Add(w.dir); err != nil {
		w.close()
	}
}

func (w *watch) close() {
	if w.watcher != nil {
		_ = w.watcher.Close() // there is nothing to lose
	}
	w.watcher = nil
}

// wait returns when it is time to look at the file; false: when ctx is done.
func (w *watch) wait(ctx context.Context, clock <-chan time.Time) bool {
	var notices <-chan fsnotify.Event
	var troubles <-chan error
	if w.watcher != nil {
		notices, troubles = w.watcher.Events, w.watcher.Errors
	}
	var settled <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return false
		case <-clock:
			return true
		case <-settled:
			return true
		case n, ok := <-notices:
			if !ok {
				notices = nil
			}
			// Reading makes no notice, and neither should a backup's touching it.
			if ok && settled == nil && n.Op != fsnotify.Chmod {
				settled = time.After(settle)
			}
		case err := <-troubles: // notices were lost, perhaps
			if err == nil {
				troubles = nil
			}
			if err != nil && settled == nil {
				settled = time.After(settle)
			}
		}
	}
}
