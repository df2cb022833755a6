package sink

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// simplest is what endOfData must find, of the content in one piece.
func simplest(content []byte) int {
	at := bytes.Index(append([]byte("\r\n"), content...), []byte(terminator))
	if at < 0 {
		return -1
	}
	return at + len(terminator) - 2
}

// inBlocks is what endOfData finds in blocks of the given sizes, again and again.
func inBlocks(content []byte, sizes []byte) int {
	var e endOfData
	e.reset()
	for seen, i := 0, 0; seen < len(content); i++ {
		size := len(content)
		if len(sizes) > 0 {
			size = 1 + int(sizes[i%len(sizes)])
		}
		b := content[seen:min(seen+size, len(content))]
		if at := e.find(b); at >= 0 {
			return seen + at
		}
		seen += len(b)
	}
	return -1
}

func TestEndOfDataIsFoundOnce(t *testing.T) {
	for content, want := range map[string]int{
		".\r\n":                            3,
		"\r\n.\r\n":                        5,
		"a\r\n.\r\nQUIT\r\n":               6,
		"a\r\n..\r\n.\r\n":                 10,
		"a\r\n.b\r\n":                      -1,
		"a\n.\r\n":                         -1, // P19: only CRLF.CRLF ends it
		"a\r\n.\n":                         -1,
		"a\r.\r\n":                         -1,
		"a.\r\n.\r\nMAIL FROM:<>\r\n.\r\n": 7,
		"\r\n\r\n..\r\n.\r\r\n\r\n.\r\n.\r\n.\r\n": 17,
	} {
		for size := range 8 {
			if got := inBlocks([]byte(content), []byte{byte(size)}); got != want {
				t.Errorf("%q in blocks of %d: %d, want %d", content, size+1, got, want)
			}
		}
	}
}

func TestEndOfDataAnyBlocks(t *testing.T) {
	octets := rapid.SliceOfN(rapid.SampledFrom([]byte("\r\n.a")), 0, 60)
	rapid.Check(t, func(t *rapid.T) {
		content, sizes := octets.Draw(t, "content"), rapid.SliceOfN(rapid.ByteMax(9), 1, 8).Draw(t, "sizes")
		if got, want := inBlocks(content, sizes), simplest(content); got != want {
			t.Fatalf("%q in blocks of 1+%v: %d, want %d", content, sizes, got, want)
		}
	})
}

func FuzzEndOfData(f *testing.F) {
	f.Add([]byte("Subject: x\r\n\r\nbody\r\n.\r\nMAIL"), []byte{3})
	f.Add([]byte("\r\n.\r"), []byte{0})
	f.Add([]byte(".\r\n"), []byte{})
	f.Fuzz(func(t *testing.T, content, sizes []byte) {
		if got, want := inBlocks(content, sizes), simplest(content); got != want {
			t.Errorf("%q in blocks of 1+%v: %d, want %d", content, sizes, got, want)
		}
	})
}
