package smtp

// InPlace is what became of octets that were mended where they lie.
type InPlace struct {
	Kept int    // octets at the front that go on
	Used int    // octets consumed, without the gap
	More []byte // what goes on behind Kept, where that was not kept for want of room
	End  bool   // the message ends behind what was consumed
}

// InPlace is [Scanner.Next] for all of p behind its first gap octets: what goes on is
// moved to the front of p, which costs nothing where it lies there already. Gap is
// best the number of octets that are held back ([Scanner.Held]): then nothing of a
// message without bare CRs and LFs has to move, however it is split. It stops early at
// the end of the message, and where what goes on would take the place of octets that
// are not consumed yet: More is not empty then.
func (s *Scanner) InPlace(p []byte, gap int) InPlace { return inPlace(p, gap, s.Next) }

// InPlace is as of [Scanner], without an end.
func (z *Normalizer) InPlace(p []byte, gap int) InPlace {
	return inPlace(p, gap, func(src []byte) ([]byte, int, bool) {
		out, n := z.Next(src)
		return out, n, false
	})
}

func inPlace(p []byte, gap int, next func(src []byte) (out []byte, n int, end bool)) (m InPlace) {
	for from := gap; from < len(p) && !m.End; from = gap + m.Used {
		var out []byte
		var n int
		out, n, m.End = next(p[from:])
		m.Used += n
		if len(out) == 0 {
			continue
		}
		if m.Kept+len(out) > gap+m.Used {
			m.More = out
			return m
		}
		if &out[0] != &p[m.Kept] {
			copy(p[m.Kept:], out)
		}
		m.Kept += len(out)
	}
	return m
}
