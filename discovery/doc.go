// Package discovery finds out which connectors there are.
//
// It owns the sources (the config file's list here; a watched file, DNS and
// Consul in the packages below), each of which tells a full set of a pool's
// connectors whenever that changes; the merge of several sources of one pool;
// the last good sets on disk; and the [Manager] that writes the merged sets into
// the registry, as the only writer of membership.
//
// A set passes through it so: a [Source] sends a [Set] → the manager judges it
// against that source's last good one and holds it back where it is suspiciously
// small → what may be applied takes the place of that source's last set, once a
// second at the most → [Merge] joins the sources of the pool by address →
// [backend.Registry.SetMembers], when anything has changed → the disk.
//
// It never judges whether a connector is well (a source's own word such as
// "maintenance" is passed on as a fact, and health's verdicts are only asked when
// an answer is held), never dials one and knows nothing of traffic. A source that
// fails takes nothing away: its last set stands.
package discovery
