package certs

import (
	"context"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long after a first notice the files are read: a certificate and its
// key are written one after the other.
const settle = 500 * time.Millisecond

// watch has the kernel's notices for the directories of files, where it can. In
// directories rather than files, as those are replaced, and so are the links to them:
// certbot's live directory, or ..data in a mounted Kubernetes secret.
type watch struct {
	watcher *fsnotify.Watcher // nil: there are none
}

// watchFor watches for changes of these files. Where that cannot be had, the clock has
// to do.
func watchFor(files []string) watch {
	if len(files) == 0 {
		return watch{}
	}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return watch{}
	}
	for _, file := range files {
		_ = watcher.Add(filepath.Dir(file))
		if real, err := filepath.EvalSymlinks(file); err == nil {
			_ = watcher.Add(filepath.Dir(real)) // where it is one and the same, nothing happens
		}
	}
	return watch{watcher}
}

// wait returns when it is time to look at the files, after pause at the latest; false:
// when ctx is done. The watch is over then.
func (w watch) wait(ctx context.Context, pause time.Duration) bool {
	var notices <-chan fsnotify.Event
	var troubles <-chan error
	if w.watcher != nil {
		defer func() { _ = w.watcher.Close() }() // there is nothing to lose
		notices, troubles = w.watcher.Events, w.watcher.Errors
	}
	clock := time.NewTimer(pause)
	defer clock.Stop()
	var settled <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return false
		case <-clock.C:
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
		case err, ok := <-troubles: // notices were lost, perhaps
			if !ok {
				troubles = nil
			}
			if err != nil && settled == nil {
				settled = time.After(settle)
			}
		}
	}
}
