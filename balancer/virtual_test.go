package balancer_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"weir/balancer"
	"weir/internal/backend"
	"weir/internal/connector"
)

// virtual is a balancer on pipes, for tests in which hours pass in no time: all
// that waits there waits within a synctest bubble.
type virtual struct {
	t       *testing.T
	cfg     balancer.Config
	witness *witness
	fakes   map[string]*fake
	once    sync.Once
	tls     map[string]*tls.Config
	places  int           // at each connector; 0: no limit
	late    chan net.Conn // connections after Close
	server  *balancer.Server
	accept  chan net.Conn
	closed  chan struct{}
	quit    chan struct{}
}

// fake is a connector on a pipe. It is mute at the given commands, and reads
// content no faster than one block a pause.
type fake struct {
	mute  string // the verbs that it does not answer; "banner"; "." for the end of data
	tardy string // the verb behind which it leaves the next command lying for a pause, and answers it after another; empty: none
	pause time.Duration
	quit  chan struct{} // closed at the test's end

	mu  sync.Mutex
	got time.Time // when it was last sent something
	dot time.Time // when it was sent the terminator
}

// hearing notes when something was sent; a pipe's write ends when it is read.
type hearing struct {
	net.Conn
	f *fake
}

func (h hearing) Read(p []byte) (int, error) {
	n, err := h.Conn.Read(p)
	h.f.mu.Lock()
	h.f.got = time.Now()
	h.f.mu.Unlock()
	return n, err
}

func (f *fake) ended() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dot
}

// heardSince reports whether it was sent anything after t.
func (f *fake) heardSince(t time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.got.After(t)
}

func (f *fake) serve(nc net.Conn) {
	defer nc.Close()
	in := bufio.NewReaderSize(hearing{nc, f}, 4096)
	say := func(verb, reply string) {
		if !strings.Contains(f.mute, verb) {
			_, _ = io.WriteString(nc, reply+"\r\n")
		}
	}
	say("banner", "220 fake")
	for verb := ""; ; {
		f.tarry(verb)
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		f.tarry(verb)
		verb, _, _ = strings.Cut(strings.TrimSpace(line), " ")
		switch verb {
		case "DATA":
			say(verb, "354 go on")
			if !strings.Contains(f.mute, verb) && !f.content(in) {
				return
			}
			say(".", "250 2.0.0 taken")
		default:
			say(verb, "250 fake")
		}
	}
}

func (f *fake) content(in *bufio.Reader) bool {
	for last := 0; ; {
		line, err := in.ReadString('\n')
		if err != nil {
			return false
		}
		if line == ".\r\n" {
			f.mu.Lock()
			f.dot = f.got
			f.mu.Unlock()
			return true
		}
		if last += len(line); f.pause > 0 && last >= in.Size() {
			last = 0
			f.rest()
		}
	}
}

// tarry rests where it has answered the command behind which it does so.
func (f *fake) tarry(verb string) {
	if f.tardy != "" && verb == f.tardy {
		f.rest()
	}
}

func (f *fake) rest() {
	select {
	case <-time.After(f.pause):
	case <-f.quit:
	}
}

func newVirtual(t *testing.T) *virtual {
	v := &virtual{
		t: t, cfg: baseConfig(), witness: &witness{}, fakes: map[string]*fake{},
		accept: make(chan net.Conn), closed: make(chan struct{}), quit: make(chan struct{}), late: make(chan net.Conn),
	}
	for i := range v.cfg.Pools[0].Timeouts {
		v.cfg.Pools[0].Timeouts[i] = 10 * time.Minute // the totals are what counts
	}
	for _, name := range []string{"a", "b", "c", "d"} {
		v.fakes[name] = &fake{quit: v.quit}
	}
	return v
}

// Accept, Close and Addr make it a listener.
func (v *virtual) Accept() (net.Conn, error) {
	select {
	case nc := <-v.accept:
		return nc, nil
	case <-v.closed:
	}
	if nc := <-v.late; nc != nil {
		return nc, nil
	}
	return nil, net.ErrClosed
}

func (v *virtual) Close() error {
	v.once.Do(func() { close(v.closed) })
	return nil
}

func (v *virtual) Addr() net.Addr { return &net.TCPAddr{} }

func (v *virtual) dial(_ context.Context, _, address string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	go v.fakes[strings.TrimSuffix(address, ":25")].serve(theirs)
	return ours, nil
}

func (v *virtual) start() {
	registry := backend.NewRegistry([]backend.PoolConfig{{Name: "internet", MaxConnections: v.places}})
	var specs []backend.Spec
	for name := range v.fakes {
		specs = append(specs, backend.Spec{Pool: "internet", Name: name, Address: name + ":25", Weight: 100})
	}
	registry.SetMembers("internet", specs)
	registry.SetStarted()
	server, err := balancer.New(v.cfg, balancer.Deps{
		Registry: registry, Observer: v.witness, Recorder: v.witness,
		Materials: balancer.Materials{Dialers: map[string]connector.Dialer{"internet": {
			Hostname: "mx.test", Timeouts: connector.Timeouts(v.cfg.Pools[0].Timeouts), DialContext: v.dial,
		}}, TLS: v.tls},
	})
	if err != nil {
		v.t.Fatal(err)
	}
	v.server = server
	ctx, cancel := context.WithCancel(context.Background())
	go func() { _ = server.Serve(ctx, "inbound", v) }()
	go func() { _ = server.Run(ctx) }()
	v.t.Cleanup(func() {
		close(v.quit)
		close(v.late)
		_ = server.Shutdown(ctx)
		cancel()
		synctest.Wait()
	})
}

// sender connects over a pipe.
func (v *virtual) sender() *talker {
	ours, theirs := net.Pipe()
	v.accept <- theirs
	v.t.Cleanup(func() { _ = ours.Close() }) // before the balancer stops
	return newTalker(v.t, ours)
}
