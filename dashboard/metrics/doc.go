// Package metrics belongs to the dashboard's room: it shows what weir knows in
// the format that Prometheus reads.
//
// Most of it is read when somebody asks: states, eligibility, connections and
// sessions come from the registry's snapshot, the connectors' own counters and
// the few interfaces of [Deps], so there is no second copy of them that could
// differ. Three things cannot be read later, and are counted as they happen:
// transactions, by the [Meter] that app's recorder calls on the data path, which
// also knows since when weir itself defers messages of a pool, see spell;
// transitions, from the event log, which [Metrics.Run] follows; and reloads.
//
// Label values are names from the config and from discovery, and fixed words.
// Series of a connector or pool that is forgotten go with it. The package keeps
// its own registry and changes nothing.
package metrics
