package health

import (
	"context"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/backend"
	"weir/internal/connector"
)

// A probe for which weir has no descriptor left is to be seen, and says nothing of the connector.
func TestProbesThatCannotBeMade(t *testing.T) {
	short := func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", syscall.EMFILE)}
	}
	prober := NewProber(Config{Probe: DepthEHLO, Timeout: time.Second}, connector.Dialer{DialContext: short})
	_, err := prober.Probe(t.Context(), backend.Spec{Address: "127.0.0.1:25"})
	if !connector.SaysNothing(err) {
		t.Fatalf("%v speaks against the connector", err)
	}
	synctest.Test(t, func(t *testing.T) {
		b := newBench("a")
		b.run(t)
		pass(2 * time.Second)
		b.prober.set("a", err)
		pass(time.Minute)
		want(t, "after many", b.member("a").State, backend.StateUp)
		want(t, "the probe's word", b.member("a").Probe().Error, "connect: dial tcp: socket: too many open files")
	})
}
