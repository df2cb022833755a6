// Package webhook tells somebody outside what changed: it posts the transitions of
// the event log, as JSON, to a URL.
//
// Its queue is bounded and stands behind the event log, which never waits for it:
// whoever appends an event is not held up by a receiver that is slow or dead. What
// does not get through is tried again with growing pauses; when too much waits, the
// oldest events are dropped, and how many they were is told in the next post and to
// [Config.Tell]. Order is kept: there is one post at a time.
//
// The package decides nothing and knows no state: it only carries events on.
package webhook
