package load_test

import (
	"context"
	"testing"
	"time"

	"weir/integration/bench/load"
	"weir/integration/bench/sink"
)

// TestGather: one message is all there is to send, and it is not sent before every connection is open; more of them than
// may be opened at once.
func TestGather(t *testing.T) {
	const conns = 300
	for _, gather := range []bool{false, true} {
		s := start(t, sink.Options{})
		r := run(t, load.Options{Addr: s.Addrs()[0], Conns: conns, Each: 1, Size: load.MinSize, Messages: 1, Gather: gather})
		if r.Acknowledged != 1 {
			t.Errorf("gather %t: %d messages", gather, r.Acknowledged)
		}
		if all := r.Connections == conns; all != gather {
			t.Errorf("gather %t: %d connections", gather, r.Connections)
		}
	}
}

// TestMark: the time that counts begins and ends once each, behind gathering and warm-up.
func TestMark(t *testing.T) {
	s := start(t, sink.Options{})
	var marks []uint64
	r := run(t, load.Options{
		Addr: s.Addrs()[0], Conns: 200, Each: 10, Size: load.MinSize, Gather: true, Warmup: 50 * time.Millisecond, Duration: 100 * time.Millisecond,
		Mark: func() { marks = append(marks, s.Counts().Connections) },
	})
	if len(marks) != 2 || marks[0] < 200 {
		t.Errorf("marks at %v connections, want two, and 200 before the first", marks)
	}
	if r.Acknowledged == 0 || r.Messages > r.Acknowledged {
		t.Errorf("%d messages in the time that counts, %d in all", r.Messages, r.Acknowledged)
	}
}

func TestGatherIsForFastSenders(t *testing.T) {
	s := start(t, sink.Options{})
	for _, o := range []load.Options{{Hold: true}, {Pace: 10, Messages: 1}} {
		o.Addr, o.Conns, o.Each, o.Size, o.Gather = s.Addrs()[0], 1, 1, load.MinSize, true
		if _, err := load.Run(t.Context(), o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}

// TestGatherMayEnd: an end while some connections are not open yet lets all of them say QUIT.
func TestGatherMayEnd(t *testing.T) {
	s := start(t, sink.Options{Delays: map[sink.Stage]time.Duration{sink.Banner: 20 * time.Millisecond}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for s.Counts().Connections < 200 && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	r, err := load.Run(ctx, load.Options{Addr: s.Addrs()[0], Conns: 300, Each: 1, Size: load.MinSize, Messages: 1, Gather: true})
	if err != nil {
		t.Fatal(err)
	}
	if r.Codes["221"] != r.Connections {
		t.Errorf("%d connections, %d of them said QUIT", r.Connections, r.Codes["221"])
	}
}
