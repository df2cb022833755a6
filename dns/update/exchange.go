package update

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	mdns "github.com/miekg/dns"

	"weir/dns"
)

const (
	// fudge is how far the clocks may be apart, in seconds (RFC 8945 section 10 recommends it).
	fudge = 300
	// ahead is how many questions are sent before an answer is awaited. BIND reads no
	// more than 23 of one connection.
	ahead = 16
)

// conn is a TCP connection to a primary. It signs by itself: the library's keeps the
// MAC of one request for the next, which then is refused, and does not know a key in
// an answer whose name came back in another case.
type conn struct {
	net.Conn
	server   string
	zone     string
	key      dns.Key
	patience time.Duration
	now      func() time.Time
	release  func() bool
}

// dial connects; the connection ends with ctx.
func (t *Target) dial(ctx context.Context, server string) (*conn, error) {
	d := net.Dialer{Timeout: t.patience}
	nc, err := d.DialContext(ctx, "tcp", server)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s by TCP: %w; the server has to run, and TCP port 53 to be open on the way", server, err)
	}
	return &conn{
		Conn: nc, server: server, zone: t.zone, key: t.key, patience: t.patience, now: t.now,
		release: context.AfterFunc(ctx, func() { _ = nc.Close() }),
	}, nil
}

// end closes the connection.
func (c *conn) end() {
	c.release()
	_ = c.Close()
}

// ask sends messages and returns an answer to each, in their order, every one of them
// signed by the key. An error means that not all have one: some of the messages may
// have been acted upon all the same.
func (c *conn) ask(ctx context.Context, msgs []*mdns.Msg) ([]*mdns.Msg, error) {
	if err := c.SetDeadline(time.Now().Add(c.patience)); err != nil {
		return nil, c.silent(ctx, err)
	}
	replies := make([]*mdns.Msg, len(msgs))
	for from := 0; from < len(msgs); from += ahead {
		to := min(from+ahead, len(msgs))
		if err := c.exchange(ctx, msgs[from:to], replies[from:to]); err != nil {
			return nil, err
		}
	}
	return replies, nil
}

// pending is a message that was sent.
type pending struct {
	at  int
	mac string
}

// exchange sends some messages at once; the answers may come in any order (RFC 7766
// section 7).
func (c *conn) exchange(ctx context.Context, msgs, replies []*mdns.Msg) error {
	sent := make(map[uint16]pending, len(msgs))
	var out []byte
	for i, m := range msgs {
		m = m.Copy() // signing changes it
		for m.Id = mdns.Id(); ; m.Id++ {
			if _, taken := sent[m.Id]; !taken {
				break
			}
		}
		m.SetTsig(c.key.Name, c.key.Algorithm, fudge, c.now().Unix())
		wire, mac, err := mdns.TsigGenerate(m, c.key.Secret, "", false)
		if err != nil {
			return fmt.Errorf("signing a message for %s with the key %s: %w", c.server, c.key.Name, err)
		}
		sent[m.Id] = pending{i, mac}
		out = append(binary.BigEndian.AppendUint16(out, uint16(len(wire))), wire...)
	}
	if _, err := c.Write(out); err != nil {
		return c.silent(ctx, err)
	}
	for len(sent) > 0 {
		wire, err := c.receive()
		if err != nil {
			return c.silent(ctx, err)
		}
		id := binary.BigEndian.Uint16(wire)
		p, ok := sent[id]
		if !ok {
			return fmt.Errorf("%s answered what was not asked", c.server)
		}
		delete(sent, id)
		if replies[p.at], err = c.open(wire, p.mac); err != nil {
			return err
		}
	}
	return nil
}

// receive reads one message as it stands on the wire.
func (c *conn) receive() ([]byte, error) {
	c.acknowledge()
	var size [2]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return nil, err
	}
	wire := make([]byte, binary.BigEndian.Uint16(size[:]))
	if len(wire) < 12 {
		return nil, errors.New("a message shorter than a header")
	}
	_, err := io.ReadFull(c, wire)
	return wire, err
}

// denial is a no that the server did not sign, as it often cannot: anybody could have
// sent it, so whether a change was made is read back all the same.
type denial struct {
	rcode int
	error
}

func (d *denial) Unwrap() error { return d.error }

// acknowledge makes the kernel acknowledge at once what comes next: a server that waits
// for that between two small answers, as BIND does, would lose 40 ms with each group.
// The kernel forgets it again, so it is said before each reading; not obeyed, it only
// costs that time.
func (c *conn) acknowledge() {
	tcp, ok := c.Conn.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1)
	})
}

// open unpacks an answer and believes it only with a good signature.
func (c *conn) open(wire []byte, mac string) (*mdns.Msg, error) {
	m := new(mdns.Msg)
	if err := m.Unpack(wire); err != nil {
		return nil, fmt.Errorf("reading the answer of %s: %w", c.server, err)
	}
	if !m.Response {
		return nil, fmt.Errorf("%s answered with a question", c.server)
	}
	tsig := m.IsTsig()
	switch {
	case tsig == nil && m.Rcode == mdns.RcodeSuccess:
		return nil, c.unsigned()
	case tsig == nil:
		return nil, &denial{rcode: m.Rcode, error: c.unsignedNo(m.Rcode)}
	case m.Rcode == mdns.RcodeNotAuth && tsig.Error != mdns.RcodeSuccess:
		return nil, &denial{rcode: m.Rcode, error: c.badKey(tsig)}
	}
	// The library does not verify a NOTAUTH. As one that was forged only delays a
	// change, and is read back like any other failure, it is taken as it comes.
	if err := mdns.TsigVerify(wire, c.key.Secret, mac, false); err != nil && !errors.Is(err, mdns.ErrAuth) {
		return nil, c.badSignature(err)
	}
	return m, nil
}

// silent explains a connection that gave no answer.
func (c *conn) silent(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("asking %s: %w", c.server, ctx.Err())
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%s took the connection and gave no answer within %s: look whether it hangs, and into its log", c.server, c.patience)
	}
	return fmt.Errorf("%s closed the connection instead of answering (%w): its log says why; it may have been restarted", c.server, err)
}
