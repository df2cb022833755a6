package balancer_test

import (
	"bufio"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"weir/balancer"
	"weir/internal/backend"
)

// strayRecorder has the connector say something unasked while a session is between two
// transactions, and waits until that was said.
type strayRecorder struct {
	*witness
	once        sync.Once
	speak, said chan struct{}
}

// Transaction implements [balancer.Recorder].
func (r *strayRecorder) Transaction(rec *balancer.Record) {
	r.once.Do(func() {
		r.speak <- struct{}{}
		<-r.said
	})
	r.witness.Transaction(rec)
}

// P27: what a connector has said unasked before its connection is used again is not taken
// as the answer to the next MAIL, also where the next transaction is here already.
func TestStrayReplyOnKeptConnection(t *testing.T) {
	b := newBench(t)
	ln := loopback(t)
	r := &strayRecorder{witness: b.witness, speak: make(chan struct{}), said: make(chan struct{})}
	var wg sync.WaitGroup
	serveEach(ln, &wg, func(nc *net.TCPConn) { r.serve(nc) })
	b.startOnFibers(r)
	t.Cleanup(func() {
		b.stop() // which ends what it serves
		_ = ln.Close()
		wg.Wait()
	})
	b.registry.SetMembers("internet", []backend.Spec{{Pool: "internet", Name: "stray", Address: ln.Addr().String(), Weight: 100}})
	b.registry.SetHealth(b.member("stray"), backend.HealthFact{
		Health: backend.HealthUp, Reason: "set by the test", Capabilities: backend.Capabilities{Known: true, Ext: backend.ExtPipelining},
	})
	s := b.dial().hello()
	s.ask("MAIL FROM:<from@client.test>\r\n", "250 *")
	s.ask("RCPT TO:<to@mx.test>\r\n", "250 *")
	s.ask("DATA\r\n", "354 *")
	s.ask("Subject: x\r\n\r\nx\r\n.\r\nMAIL FROM:<from@client.test>\r\nRCPT TO:<nobody@mx.test>\r\n", "250 *")
	s.ask("", "250 *")
	s.ask("", "550 *")
}

func (r *strayRecorder) serve(nc net.Conn) {
	say := func(text string) { _, _ = io.WriteString(nc, text+"\r\n") }
	in := bufio.NewReader(nc)
	say("220 stray ESMTP")
	for content := false; ; {
		line, err := in.ReadString('\n')
		switch verb := strings.ToUpper(line); {
		case err != nil:
			return
		case content:
			if line == ".\r\n" {
				content = false
				say("250 2.0.0 taken")
				<-r.speak
				say("250 2.0.0 once more")
				close(r.said)
			}
		case strings.HasPrefix(verb, "EHLO"):
			say("250-stray\r\n250 PIPELINING")
		case strings.HasPrefix(verb, "DATA"):
			content = true
			say("354 go on")
		case strings.Contains(verb, "NOBODY"):
			say("550 5.1.1 no such user")
		case strings.HasPrefix(verb, "QUIT"):
			say("221 bye")
			return
		default:
			say("250 2.1.0 fine")
		}
	}
}
