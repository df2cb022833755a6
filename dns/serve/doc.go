// Package serve is the embedded authoritative DNS server: a hidden or public
// primary of the zones that weir keeps, without another program beside it.
//
// A change passes through it so: the publisher's [Zone.Write] → checked against
// the entry in the [Store] (epoch, owners) → entry and serial swapped in one go →
// compiled into an immutable picture → every socket answers from it, and
// secondaries get a NOTIFY and fetch it by AXFR. Replicas that did not write see
// the entry change in the store and compile the same picture with the same serial.
//
// A question passes through it so: datagram or frame → parsed without copying;
// what is not a well-formed question gets no answer → the bucket of its network →
// the zone's picture, whose records stand packed → reply in one buffer.
//
// It never recurses, never takes UPDATE, never signs (DNSSEC is a signer's job,
// with this as its hidden primary), and never says that a name does not exist
// because weir has not written it yet: that is SERVFAIL, which delays mail, and
// not NXDOMAIN, which bounces it.
package serve
