package health

import (
	"time"

	"weir/internal/backend"
)

// suspicion watches what the probes of one pool say about its deep stages, in
// order to doubt the probe rather than the connectors: where over a third of a
// pool, and at least two, begin to fail there at about the same time, what they
// have in common is likelier to be broken than each of them, and that is the
// probe's own sender or recipient. It is pure.
type suspicion struct {
	interval time.Duration // of probes
	seen     [backend.Stages]map[string]sighting
	failing  [backend.Stages]int // those of seen that fail: nearly always none, and then there is nothing to count
	doubted  [backend.Stages]bool
}

// sighting is what the last probe of one connector found at a stage.
type sighting struct {
	failed  bool
	changed time.Time // since when, as far as it failed
}

// deep reports whether a probe can fail at the stage for a reason of its own.
func deep(s backend.Stage) bool {
	return s == backend.StageMail || s == backend.StageRcpt || s == backend.StageData || s == backend.StageFinalDot
}

// told takes in what a probe found at a deep stage. A connector that fails in
// its first probe has changed too: it was not known to fail before.
func (s *suspicion) told(now time.Time, backend string, stage backend.Stage, failed bool) {
	if !deep(stage) {
		return
	}
	if s.seen[stage] == nil {
		s.seen[stage] = map[string]sighting{}
	}
	last := s.seen[stage][backend]
	switch {
	case failed && !last.failed:
		last.changed = now
		s.failing[stage]++
	case !failed && last.failed:
		s.failing[stage]--
	}
	last.failed = failed
	s.seen[stage][backend] = last
}

// forget drops a connector: it is gone, or a probe no longer comes so far.
func (s *suspicion) forget(backend string) {
	for stage := range s.seen {
		if s.seen[stage][backend].failed {
			s.failing[stage]--
		}
		delete(s.seen[stage], backend)
	}
}

// suspect reports whether the probe is doubted at the stage, in a pool of that
// many connectors. The doubt begins with changes within two intervals, and lasts
// while as many connectors go on to fail: only those that pass again can tell
// that the probe is sound.
func (s *suspicion) suspect(now time.Time, stage backend.Stage, pool int) bool {
	if s.doubted[stage] || !many(s.failing[stage], pool) {
		s.doubted[stage] = many(s.failing[stage], pool)
		return s.doubted[stage]
	}
	fresh := 0
	for _, last := range s.seen[stage] {
		if last.failed && now.Sub(last.changed) <= 2*s.interval {
			fresh++
		}
	}
	s.doubted[stage] = many(fresh, pool)
	return s.doubted[stage]
}

// many is over a third of a pool, and more than one.
func many(n, pool int) bool { return n >= 2 && 3*n > pool }
