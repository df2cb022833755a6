// Package history remembers the last transactions, to answer "where is my mail of
// 10:32?". A transaction comes in by [Ring.Add] when it has ended and goes when
// the ring is full: of too many, or of too much text. [Ring.Find] answers from what
// is left, the newest first.
//
// The ring stands on the data path, so adding packs a transaction, under the lock, right
// to where it stays, which takes a fraction of a microsecond; a search works on its own
// list of what was packed, which never changes, and so holds up nobody. What is kept of
// an address is what the caller gives: where the log masks addresses, so is the ring.
//
// The package keeps nothing on disk and decides nothing. It knows no other room.
package history
