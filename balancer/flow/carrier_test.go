package flow

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"

	"weir/internal/fiber"
)

// TestCarrierCarriesAll: of many flows at once, whatever goes in comes out, both ways
// and in pieces of all sizes, to sides that read slower than others write.
func TestCarrierCarriesAll(t *testing.T) {
	const flows, each = 8, 2 << 20
	c := newCarrier(t)
	var wg sync.WaitGroup
	for i := range flows {
		p := carry(t, c, Limits{Idle: ceiling})
		_ = p.connector.SetReadBuffer(32 << 10)
		_ = p.sender.SetWriteBuffer(32 << 10)
		var there, back, heardThere, heardBack []byte
		var ends sync.WaitGroup
		ends.Go(func() { there = babble(p.sender, uint64(2*i), each) })
		ends.Go(func() { back = babble(p.connector, uint64(2*i+1), each) })
		ends.Go(func() { heardThere = sum(p.connector) })
		ends.Go(func() { heardBack = sum(p.sender) })
		wg.Go(func() {
			ends.Wait()
			if !bytes.Equal(there, heardThere) || !bytes.Equal(back, heardBack) {
				t.Error("what was heard is not what was said")
			}
			if p.over(t); p.Moved(Front) != each || p.Moved(Back) != each {
				t.Errorf("%d and %d octets have moved", p.Moved(Front), p.Moved(Back))
			}
		})
	}
	wg.Wait()
}

// babble says so many random octets in pieces, closes its half and returns their sum.
func babble(nc *net.TCPConn, seed uint64, total int) []byte {
	random := rand.New(rand.NewPCG(seed, seed))
	said := sha256.New()
	piece := make([]byte, 200<<10)
	for total > 0 {
		n := min(total, 1+random.IntN(1<<(2+random.IntN(16))))
		for i := 0; i < n; i += 1 + n/64 {
			piece[i] = byte(random.Uint32())
		}
		said.Write(piece[:n])
		if _, err := nc.Write(piece[:n]); err != nil {
			return nil
		}
		total -= n
	}
	_ = nc.CloseWrite()
	return said.Sum(nil)
}

func sum(nc net.Conn) []byte {
	heard := sha256.New()
	if _, err := io.Copy(heard, nc); err != nil {
		return nil
	}
	return heard.Sum(nil)
}

// TestCarrierClose cuts what is carried and takes nothing in any more; nothing is left
// open.
func TestCarrierClose(t *testing.T) {
	before := descriptors(t)
	fibers := new(fiber.Group)
	defer fibers.Close()
	c := NewCarrier(fibers)
	p := carry(t, c, Limits{})
	say(t, p.sender, "x")
	hear(t, p.connector, "x")
	c.Close()
	if e := p.over(t); !errors.Is(e.Err, ErrCut) {
		t.Errorf("it ended by %+v", e)
	}
	p.Cut()
	ends(t, p.sender)
	ends(t, p.connector)
	sender, front := connected(t)
	connector, back := connected(t)
	if _, err := c.Start(front, back, Limits{}, func(*fiber.Fiber) {}); !errors.Is(err, errClosed) {
		t.Errorf("it was taken in, %v", err)
	}
	ends(t, sender)
	ends(t, connector)
	c.Close()
	fibers.Close()
	for _, nc := range []net.Conn{p.sender, p.connector, sender, connector} {
		_ = nc.Close()
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors were open before, %d are now", before, after)
	}
}

// TestCarrierComingAndGoing: flows may begin, end and be cut at any time, by many.
func TestCarrierComingAndGoing(t *testing.T) {
	c := newCarrier(t)
	var wg sync.WaitGroup
	for who := range 4 {
		wg.Go(func() {
			for i := range 50 {
				p := carry(t, c, Limits{Idle: ceiling})
				if i%3 == 0 {
					go p.Cut()
				}
				_, _ = p.sender.Write([]byte("QUIT\r\n"))
				if i%2 == who%2 {
					_ = p.connector.Close()
				} else {
					_ = p.sender.Close()
				}
				if i%5 == 0 {
					p.Cut()
				}
				_, _ = io.Copy(io.Discard, p.sender)
				_ = p.sender.Close()
				_ = p.connector.Close()
				p.over(t)
			}
		})
	}
	wg.Wait()
}

// TestCarrierWithoutDescriptors: what fails to start is closed.
func TestCarrierWithoutDescriptors(t *testing.T) {
	c := newCarrier(t)
	for _, at := range []Spot{Front, Back} {
		ours, theirs := net.Pipe()
		tcp, other := connected(t)
		sides := [2]net.Conn{Front: other, Back: other}
		sides[at] = theirs
		if _, err := c.Start(sides[Front], sides[Back], Limits{}, func(*fiber.Fiber) {}); err == nil {
			t.Error("a pipe is carried")
		}
		ends(t, ours)
		ends(t, tcp)
	}
	ours, theirs := connected(t)
	_, closed := connected(t)
	_ = closed.Close()
	if _, err := c.Start(theirs, closed, Limits{}, func(*fiber.Fiber) {}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a connection that is closed is carried, %v", err)
	}
	ends(t, ours)
}
