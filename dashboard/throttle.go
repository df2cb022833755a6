package dashboard

import (
	"sync"
	"time"
)

// Bounds of wrong tokens: a person mistypes a few times, a script that was given
// the wrong file tries every second, and both may go on soon after; a token that
// can be guessed at this speed is not one.
const (
	failuresAtOnce = 10
	failureEvery   = time.Second // gives one back
	maxSources     = 1024
	retryAfter     = "1" // failureEvery in seconds, as a header
)

// throttle counts failures by source, in bounded memory: when too many sources
// are known, the further ones share a count.
type throttle struct {
	mu      sync.Mutex
	sources map[string]time.Time // when the last of its failures is forgiven
}

// others is the source that those share for which there is no room.
const others = ""

// allowed reports whether the source may try.
func (t *throttle) allowed(source string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	until, known := t.sources[source]
	if !known && len(t.sources) >= maxSources {
		until = t.sources[others]
	}
	return until.Sub(now) <= (failuresAtOnce-1)*failureEvery
}

// failed notes a failure.
func (t *throttle) failed(source string, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sources == nil {
		t.sources = map[string]time.Time{}
	}
	if _, known := t.sources[source]; !known && len(t.sources) >= maxSources {
		t.forgive(now)
		if len(t.sources) >= maxSources {
			source = others
		}
	}
	until := t.sources[source]
	if until.Before(now) {
		until = now
	}
	t.sources[source] = until.Add(failureEvery)
}

// forgive forgets the sources all of whose failures are forgiven.
func (t *throttle) forgive(now time.Time) {
	for source, until := range t.sources {
		if !until.After(now) {
			delete(t.sources, source)
		}
	}
}
