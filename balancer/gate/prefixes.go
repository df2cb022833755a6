package gate

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
)

// prefixes finds the longest prefix that holds an address. Its cost goes with the
// different lengths that occur, not with the number of prefixes.
type prefixes[V any] struct {
	byLength [families][]sameLength[V] // the longest first
}

// sameLength is all prefixes of one length, in order. A search in a few is faster
// than a map.
type sameLength[V any] struct {
	bits     int
	prefixes []octets
	values   []V
}

// octets are an address as a number, of which the first bit is the highest.
type octets struct{ high, low uint64 }

// The families of addresses.
const (
	ipv6 = iota
	ipv4
	families
)

// number returns an address's family and octets.
func number(addr netip.Addr) (family int, o octets) {
	if addr.Is4() {
		b := addr.As4()
		return ipv4, octets{high: uint64(binary.BigEndian.Uint32(b[:])) << 32}
	}
	b := addr.As16()
	return ipv6, octets{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// masked keeps the first bits only.
func (o octets) masked(bits int) octets {
	if bits <= 64 {
		return octets{high: o.high &^ (^uint64(0) >> bits)}
	}
	return octets{o.high, o.low &^ (^uint64(0) >> (bits - 64))}
}

func (o octets) less(p octets) bool {
	return o.high < p.high || o.high == p.high && o.low < p.low
}

// add takes a prefix in; it replaces the same one.
func (s *prefixes[V]) add(p netip.Prefix, v V) {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	if !p.IsValid() {
		return
	}
	family, o := number(p.Addr())
	all := &s.byLength[family]
	at, found := slices.BinarySearchFunc(*all, p.Bits(), func(l sameLength[V], bits int) int { return cmp.Compare(bits, l.bits) })
	if !found {
		*all = slices.Insert(*all, at, sameLength[V]{bits: p.Bits()})
	}
	l := &(*all)[at]
	o = o.masked(p.Bits())
	i, found := l.search(o)
	if !found {
		l.prefixes = slices.Insert(l.prefixes, i, o)
		l.values = slices.Insert(l.values, i, v)
	}
	l.values[i] = v
}

func (l *sameLength[V]) search(o octets) (int, bool) {
	low, high := 0, len(l.prefixes)
	for low < high {
		if middle := (low + high) / 2; l.prefixes[middle].less(o) {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low, low < len(l.prefixes) && l.prefixes[low] == o
}

// longest looks up an address that is not mapped.
func (s *prefixes[V]) longest(addr netip.Addr) (v V, found bool) {
	family, o := number(addr)
	all := s.byLength[family]
	for i := range all {
		if at, found := all[i].search(o.masked(all[i].bits)); found {
			return all[i].values[at], true
		}
	}
	return v, false
}

// key names a client or a network: among those of its family, by what is first in
// its octets.
type key struct {
	family int
	bits   uint64
}

// keys returns the client and the network that an address belongs to.
func keys(addr netip.Addr) (client, network key) {
	family, o := number(addr)
	if family == ipv4 {
		return key{ipv4, o.high}, key{ipv4, o.masked(24).high}
	}
	return key{ipv6, o.high}, key{ipv6, o.high}
}

// table is a map by key. That of plain numbers is the faster one.
type table[V any] [families]map[uint64]V

func newTable[V any]() table[V] { return table[V]{{}, {}} }

func (t *table[V]) get(k key) V    { return t[k.family][k.bits] }
func (t *table[V]) set(k key, v V) { t[k.family][k.bits] = v }
func (t *table[V]) drop(k key)     { delete(t[k.family], k.bits) }
