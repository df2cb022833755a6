// Package cluster holds what the replicas of weir share. It owns the operator's
// flags (drain and disable), this replica's identity, session and registration in
// Consul, the view of the connectors that it shows to the others, and the election
// of the one replica that may write DNS. There is no protocol of our own: Consul's
// key-value store under weir/CLUSTER/ is all that replicas have in common, and
// without Consul everything works on one node from a small state file.
//
// A flag's way: [Cluster.Order] reads what Consul knows, refuses what would leave
// a pool empty, writes the flag and the pool's guard in one transaction, and only
// then applies it to the registry and to the state file. The other replicas are
// woken by their blocking query on the prefix and do the last two steps. Absence
// of a key is never a command: what is missing is written again. Of two words on
// one connector the one with the newer time stands, on every replica alike.
//
// While Consul is away an order is carried out here, kept as unshared, and told
// with compare-and-set when Consul is back. Nothing in the data path waits for
// Consul, and nothing in it changes when Consul is lost.
//
// The package never judges a connector's health, never chooses one for mail and
// never writes DNS: it hands out leadership ([Cluster.Leading]), the votes of the
// replicas ([Cluster.Votes]) and a compare-and-set store to those who do. It
// imports the spine only.
package cluster
