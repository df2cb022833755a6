package balancer_test

import (
	"io"
	"strings"
	"testing"
)

// TestLastWords: a sender hears the last reply although it has said more than weir has
// read, and although weir has no time to wait until it notices (P1).
func TestLastWords(t *testing.T) {
	b := newBench(t, "a")
	b.start(0)
	b.server.LetNobodyLinger()
	for range 20 {
		s := b.dial()
		s.ask("", "220 *")
		_, _ = io.WriteString(s.nc, "QUIT\r\n"+strings.Repeat("more than is read at once\r\n", 2000)) // it may be hung up on meanwhile
		s.ask("", "221 *")
		_ = s.nc.Close()
	}
}
