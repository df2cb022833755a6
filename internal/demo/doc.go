// Package demo is weir shown at work: `weir demo`.
//
// It is a room of its own because it is neither wiring nor command line: it
// needs connectors, senders and a ledger of messages, which no other part of
// weir has a use for, and it stands on app as any user of weir does, with a
// config file that goes through the same checks.
//
// A message passes through it so: a [sender] makes it, with a number in its
// header, and hands it to weir on a long connection → weir chooses a connector →
// the connector, a go-smtp server that misbehaves by the [schedule], notes the
// number in the [ledger]. At the end the ledger says whether each message that
// weir accepted was found exactly once. A [reporter] is the only one that
// writes to the terminal.
//
// It never touches the machine beyond loopback, writes no file, and is no place
// to learn from about speed: go-smtp servers in the same process do half of the
// work.
package demo
