package policies

import (
	"encoding/binary"
	"math/bits"
	"strings"
)

// The constants of splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom
// number generators). They must never change: replicas of different versions of
// weir have to agree on what maglev makes of them.
const (
	golden = 0x9e3779b97f4a7c15
	mixA   = 0xbf58476d1ce4e5b9
	mixB   = 0x94d049bb133111eb
)

// mix spreads a number over all 64 bits.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= mixA
	x ^= x >> 27
	x *= mixB
	return x ^ x>>31
}

// number returns the i-th of a sequence of random numbers. It is a hash, so the
// sequence is known before it is used, and equal for equal seeds.
func number(seed, i uint64) uint64 { return mix(seed + (i+1)*golden) }

// below turns a random number into one of 0 … n-1.
func below(random uint64, n int) int {
	high, _ := bits.Mul64(random, uint64(n))
	return int(high)
}

// hashText hashes a text eight octets at a time. With fold, ASCII capitals count
// as small letters.
func hashText(seed uint64, s string, fold bool) uint64 {
	h := mix(seed ^ uint64(len(s)))
	var word [8]byte
	for len(s) > 0 {
		clear(word[:])
		n := copy(word[:], s)
		s = s[n:]
		for i := range n {
			if c := word[i]; fold && 'A' <= c && c <= 'Z' {
				word[i] = c + 'a' - 'A'
			}
		}
		h = mix(h+golden) ^ binary.LittleEndian.Uint64(word[:])
	}
	return mix(h + golden)
}

// hash returns a transaction's key; ok is false where it has none. Equal keys
// have equal hashes in every replica that uses the same seed.
func (k Key) hash(seed uint64, r *Request) (hash uint64, ok bool) {
	switch k {
	case KeyClient, KeyNetwork:
		if !r.Client.IsValid() {
			return 0, false
		}
		addr := r.Client.As16() // 10.0.0.1 and ::ffff:10.0.0.1 are the same here
		high, low := binary.BigEndian.Uint64(addr[:8]), binary.BigEndian.Uint64(addr[8:])
		switch {
		case k == KeyClient:
		case r.Client.Unmap().Is4():
			low &^= 0xff
		default:
			low = 0
		}
		return mix(mix(seed^high+golden) ^ low), true
	case KeySender:
		return senderHash(seed, r), r.From != "" || r.Rcpt != ""
	default:
		return 0, false
	}
}

// senderHash takes the domain in any case, as DNS does, and the local part as it
// is (RFC 5321 section 2.4). Bounces have no sender: they go by their recipient,
// who was the sender once. Else all of them would go to one connector.
func senderHash(seed uint64, r *Request) uint64 {
	address := r.From
	if address == "" {
		address, seed = r.Rcpt, seed+golden
	}
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return hashText(seed, address, false)
	}
	return hashText(hashText(seed, address[:at], false), address[at+1:], true)
}
