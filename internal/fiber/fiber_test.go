package fiber_test

import (
	"context"
	"io"
	"net"
	"net/netip"
	"testing"

	"weir/internal/fiber"
)

// serve has fibers echo what comes to a listener.
func serve(t *testing.T, g *fiber.Group) netip.AddrPort {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := g.Listen(ln)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	err = g.Go(func(f *fiber.Fiber) {
		l.Carry(f)
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			c := nc.(*fiber.Conn)
			if err := g.Go(func(f *fiber.Fiber) {
				c.Carry(f)
				defer c.Close()
				_, _ = io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c})
			}); err != nil {
				t.Error(err)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return l.Addr().(*net.TCPAddr).AddrPort()
}

func TestEcho(t *testing.T) {
	g := new(fiber.Group)
	t.Cleanup(g.Close)
	to := serve(t, g)
	c, err := g.Dial(context.Background(), nil, to)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	var b [5]byte
	if _, err := io.ReadFull(c, b[:]); err != nil || string(b[:]) != "hello" {
		t.Fatalf("%q, %v", b, err)
	}
}
