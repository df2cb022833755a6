// Package discovery finds out which connectors there are.
//
// It owns the sources (the config file's list today; files, DNS and Consul
// later), each of which tells a full set of a pool's connectors whenever that
// changes; the merge of several sources of one pool; and the [Manager] that
// writes the merged sets into the registry, as the only writer of membership.
//
// A set passes through it so: a [Source] sends a [Set] → the manager puts it in
// the place of that source's last one for the pool → [Merge] joins the sources
// by address → [backend.Registry.SetMembers], when anything has changed.
//
// It never judges whether a connector is well (a source's own word such as
// "maintenance" is passed on as a fact), never dials one and knows nothing of
// traffic. A source that fails takes nothing away: its last set stands.
package discovery
