package load

import (
	"testing"

	"weir/integration/bench/poll"

	"golang.org/x/sys/unix"
)

// heard is what a connection makes of a server's octets in blocks of some size.
func heard(t *testing.T, input []byte, size int) (codes [600]uint64, said bool) {
	t.Helper()
	p, err := poll.New()
	if err != nil {
		t.Fatal(err)
	}
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer poll.CloseFD(ends[1])
	o := Options{Conns: 1, Each: 2, Size: MinSize, Pipeline: true, Messages: 2}
	f := &fleet{o: o, script: newScript(&o), poll: p, conns: make([]*conn, ends[0]+1), all: []conn{{fd: ends[0], left: 2}}, open: 1, opening: 1}
	defer f.close()
	c := &f.all[0]
	f.conns[c.fd] = c
	for len(input) > 0 && c.stage != shut {
		n := min(size, len(input))
		if err := f.replies(c, input[:n]); err != nil {
			return f.codes, true
		}
		input = input[n:]
	}
	return f.codes, false
}

// FuzzReplies: what is heard does not depend on how the octets were cut, and nothing that a server says is a crash.
func FuzzReplies(f *testing.F) {
	f.Add([]byte("220 x\r\n250-x\r\n250 PIPELINING\r\n250 a\r\n250 b\r\n354 c\r\n250 d\r\n250 a\r\n250 b\r\n354 c\r\n250 d\r\n221 z\r\n"), byte(1))
	f.Add([]byte("220-x\r\n220 \r\n250-PIPELINING\n250 \n421 4.3.2 no\r\n"), byte(2))
	f.Add([]byte("\n\n999 x\r\n"), byte(0))
	f.Fuzz(func(t *testing.T, input []byte, size byte) {
		if len(input) > maxReply {
			return // a line without an end is refused when it is seen to be too long, which does depend on the cut
		}
		whole, refused := heard(t, input, len(input)+1)
		cut, alsoRefused := heard(t, input, 1+int(size))
		if whole != cut || refused != alsoRefused {
			t.Errorf("in one block refused %t, in blocks of %d %t, or other replies", refused, 1+int(size), alsoRefused)
		}
	})
}
