// Package backend is the spine of weir: the names and facts that every other
// room shares. It owns the identity of a connector ([ID], [Spec]), the live
// record of one ([Backend]) and the [Registry] that publishes what is known of
// all of them as immutable snapshots.
//
// Each fact has one owner, and the registry keeps them apart:
//
//   - membership and source status are written by discovery ([Registry.SetMembers]),
//   - health with its reason and the capabilities by health ([Registry.SetHealth]),
//   - the administrative flag by the operator ([Registry.SetAdmin]),
//   - counters by the data path ([Backend.Acquire], [Backend.Traffic]).
//
// What follows from them ([State], eligibility) is derived in one place and
// never stored by anybody else. Readers take a [Snapshot], which costs no lock;
// whoever wants to follow subscribes and re-reads the whole state when woken,
// so a slow reader can neither block the data path nor act on something stale.
//
// The package never dials, logs or decides where mail goes. It uses the
// standard library only and imports no other room.
package backend
