package balancer_test

import "testing"

// Sender and connector of these tests allocate nothing between two messages, so that
// what is counted, in the whole process, is weir's.

// mostAllocs is what a transaction may allocate in steady state: its id, the addresses
// of its sender and of its recipient, and the connector's name for the message. A new
// connection every hundred messages is less than one more.
const mostAllocs = 5

func TestAllocsOfATransaction(t *testing.T) {
	countable(t)
	for name, shape := range map[string]struct {
		lines     int
		pipelined bool
	}{
		"one command at a time": {lines: 53},
		"pipelined":             {lines: 53, pipelined: true},
		"large":                 {lines: 780, pipelined: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := dialSender(t, startForBench(t, newBench(t)))
			body := benchBody(shape.lines)
			n := testing.AllocsPerRun(500, func() { s.message(body, shape.pipelined) })
			t.Logf("%v allocations a transaction", n)
			if n > mostAllocs {
				t.Errorf("%v allocations a transaction, want at most %d", n, mostAllocs)
			}
			s.leave()
		})
	}
}

// A command outside of any transaction costs no allocation, whoever says it how often.
func TestAllocsOfACommand(t *testing.T) {
	countable(t)
	w := newBench(t)
	w.listener().Limits.Errors = 0
	s := dialSender(t, startForBench(t, w))
	for _, command := range []string{"NOOP\r\n", "RSET\r\n", "HELP\r\n", "VRFY <b@mx.test>\r\n", "EXPN list\r\n"} {
		if n := testing.AllocsPerRun(200, func() { s.ask(1, command) }); n > 0 {
			t.Errorf("%q: %v allocations, want none", command, n)
		}
	}
	s.leave()
}

// countable skips where allocations are not weir's alone.
func countable(t *testing.T) {
	t.Helper()
	if raceDetector() {
		t.Skip("the race detector allocates, and has pools forget")
	}
}

func (s *sender) leave() {
	s.ask(1, quit)
	_ = s.nc.Close()
}
