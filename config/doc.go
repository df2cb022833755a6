// Package config turns a YAML file into what each room is told. It owns the
// names of the file's keys, their defaults and their limits; the rooms get
// plain structs and need not check them again. It never reads the environment,
// never dials, binds or resolves, and never changes anything. Of the files that
// the config names it reads those of tokens, of keys and certificates, of foreign
// records, of lists of backends and of patterns of domains, and looks at the
// permissions of others.
//
// A file passes through in four steps:
//
//  1. the YAML becomes a syntax tree, of which every node knows its line
//     (yaml.go); anchors, aliases and merge keys are resolved here;
//  2. tables of keys (schema.go) are laid over the tree: each key has a rule,
//     which checks the value and stores it in a draft that holds the defaults
//     (draft.go) already;
//  3. the draft is checked for what no single value shows: names used twice,
//     a listener's pool that does not exist, addresses that overlap
//     (check_listeners.go), certificates that are broken (check_edge.go), routes
//     that lead nowhere (check_routes.go), values of a pool that contradict each
//     other (contradictions.go, check_peer.go);
//  4. the draft becomes a [Config] (draft.go).
//
// The way back is the same tables: a [Config] becomes a draft again, and each
// rule shows its value ([Render], [Diff]).
//
// Nothing stops at the first mistake: every [Problem] is kept, with its line,
// the path of the key, what is wrong and what to write instead.
package config
