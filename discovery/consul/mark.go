package consul

import (
	"encoding/binary"
	"hash/maphash"
	"maps"
	"slices"

	"weir/discovery"
)

// mark tells sets apart by their content. Sets that were sent belong to the
// receiver, so none is kept to compare with. Equal marks of different sets are
// as good as impossible; the next change would be told in any case.
type mark uint64

// marker makes marks that can be compared with each other.
type marker struct{ hash maphash.Hash }

// of returns the mark of what a source says in a set. It is never 0.
func (m *marker) of(set *discovery.Set) mark {
	m.hash.Reset()
	m.texts(set.Doubt, set.Remark)
	m.number(boolean(set.Unheard))
	m.number(len(set.Specs))
	for i := range set.Specs {
		s := &set.Specs[i]
		m.texts(s.Name, s.Address, s.Maintenance, s.Critical)
		m.number(s.Weight)
		m.number(s.Cost)
		ip := s.Publish.As16()
		m.number(s.Publish.BitLen())
		_, _ = m.hash.Write(ip[:]) // never fails
		m.number(len(s.Meta))
		if len(s.Meta) > 0 {
			for _, key := range slices.Sorted(maps.Keys(s.Meta)) {
				m.texts(key, s.Meta[key])
			}
		}
	}
	return mark(max(m.hash.Sum64(), 1))
}

func (m *marker) texts(texts ...string) {
	for _, text := range texts {
		m.number(len(text))
		_, _ = m.hash.WriteString(text) // never fails
	}
}

func (m *marker) number(n int) {
	var bytes [8]byte
	binary.LittleEndian.PutUint64(bytes[:], uint64(n))
	_, _ = m.hash.Write(bytes[:]) // never fails
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}
