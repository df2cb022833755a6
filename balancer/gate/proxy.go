package gate

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/pires/go-proxyproto"
)

// The bounds of a header, by the specification of the PROXY protocol, sections 2.1
// and 2.2. What is behind the addresses in v2 may hold a client's certificate.
const (
	maxV1     = 107
	prefixV2  = 16
	maxV2     = prefixV2 + 4096
	firstRead = 12 // both versions' headers are longer
	signV1    = "PROXY "
	proxiedV2 = 0x21 // version and command
	localV2   = 0x20
)

// Proxied is for whom a proxy speaks. The strings are the proxy's word, made
// printable; empty: it did not say.
type Proxied struct {
	Version int  // 1 or 2
	Local   bool // the proxy speaks for itself, as its probes do (v2 LOCAL)

	// Not valid where the proxy speaks for itself: then the addresses of the connection
	// stand. Nor for a client of which it does not know the address: see [Proxied.Unknown].
	Client, Server netip.AddrPort

	Authority string // the name that the client asked for (SNI)
	ALPN      string
	UniqueID  string
	TLS       string // version, such as TLSv1.3
	Cipher    string
	CN        string // of the client's certificate
	Verified  bool   // the client gave a certificate, and the proxy has verified it
}

// Unknown reports whether there is a client of which the proxy does not say the address
// (v1 UNKNOWN, v2 UNSPEC, a socket in the file system). It may be anybody, so nothing
// that the proxy itself is trusted with is for it.
func (p *Proxied) Unknown() bool { return !p.Local && !p.Client.IsValid() }

// ReadProxy reads the header that a trusted peer has to send before anything else,
// within patience. It takes exactly the header from the connection: what is behind
// it is left there, so the connection goes on as it is, a *net.TCPConn too. The read
// deadline is gone afterwards.
//
// An error is a [*ProxyError]. The connection is to be closed then without a word, as
// the specification demands.
func ReadProxy(nc net.Conn, patience time.Duration) (Proxied, error) {
	if err := nc.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return Proxied{}, &ProxyError{ProxyLost, err}
	}
	raw, err := readHeader(nc)
	if err != nil {
		return Proxied{}, err
	}
	if err := nc.SetReadDeadline(time.Time{}); err != nil {
		return Proxied{}, &ProxyError{ProxyLost, err}
	}
	return parseProxy(raw)
}

// LooksLikeProxy reports whether what somebody sends begins as a PROXY header does.
// From a network that is not trusted it is no more than a command without sense.
func LooksLikeProxy(b []byte) bool {
	return bytes.HasPrefix(b, []byte(signV1)) || bytes.HasPrefix(b, proxyproto.SIGV2)
}

// readHeader reads a header's octets and not one more.
func readHeader(r io.Reader) ([]byte, error) {
	raw := make([]byte, 0, 256)
	for len(raw) < firstRead {
		var err error
		if raw, err = readSome(r, raw, firstRead-len(raw)); err != nil {
			return nil, err
		}
		if !bytes.HasPrefix(proxyproto.SIGV2, raw) && !bytes.HasPrefix(raw, []byte(signV1)[:min(len(raw), len(signV1))]) {
			return nil, &ProxyError{ProxyMissing, fmt.Errorf("it began with %q", raw)}
		}
	}
	if raw[0] == 'P' {
		return readV1(r, raw)
	}
	return readV2(r, raw)
}

// readSome appends at least one octet and at most n.
func readSome(r io.Reader, raw []byte, n int) ([]byte, error) {
	was := len(raw)
	raw = append(raw, make([]byte, n)...)
	got, err := r.Read(raw[was:])
	if got > 0 {
		err = nil // it will come again
	} else if err == nil {
		err = io.ErrNoProgress
	}
	if err != nil {
		return nil, broken(err, was)
	}
	return raw[:was+got], nil
}

// broken says what an error of the connection means after so many octets.
func broken(err error, got int) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &ProxyError{ProxySlow, fmt.Errorf("%d octets came", got)}
	case got == 0 && errors.Is(err, io.EOF):
		return &ProxyError{ProxyMissing, errors.New("the peer closed the connection at once")}
	}
	return &ProxyError{ProxyLost, err}
}

// readV1 reads to the end of the line.
func readV1(r io.Reader, raw []byte) ([]byte, error) {
	for {
		if bytes.IndexByte(raw, '\n') >= 0 {
			return raw, nil
		}
		if len(raw) >= maxV1 {
			return nil, &ProxyError{ProxyMalformed, fmt.Errorf("its line is longer than %d octets", maxV1)}
		}
		var err error
		if raw, err = readSome(r, raw, min(lacksV1(raw), maxV1-len(raw))); err != nil {
			return nil, err
		}
	}
}

// lacksV1 is how many octets a line of v1 lacks at the least: so many can be read at
// once, without touching what is behind the line.
func lacksV1(raw []byte) int {
	if raw[len(raw)-1] == '\r' {
		return 1
	}
	if !bytes.HasPrefix(raw, []byte("PROXY TCP")) {
		return 2
	}
	fields := 5 - bytes.Count(raw, []byte(" ")) // behind the one that has begun
	lacks := 2*max(fields, 0) + 2
	if raw[len(raw)-1] == ' ' {
		lacks++
	}
	return lacks
}

// readV2 reads as much as the header says that it has.
func readV2(r io.Reader, raw []byte) ([]byte, error) {
	raw, err := readUpTo(r, raw, prefixV2)
	if err != nil {
		return nil, err
	}
	whole := prefixV2 + int(binary.BigEndian.Uint16(raw[14:]))
	if whole > maxV2 {
		return nil, &ProxyError{ProxyMalformed, fmt.Errorf("it claims to have %d octets, more than %d", whole, maxV2)}
	}
	return readUpTo(r, raw, whole)
}

func readUpTo(r io.Reader, raw []byte, whole int) (_ []byte, err error) {
	for len(raw) < whole {
		if raw, err = readSome(r, raw, whole-len(raw)); err != nil {
			return nil, err
		}
	}
	return raw, nil
}

// parseProxy reads a whole header.
func parseProxy(raw []byte) (Proxied, error) {
	whole, unknown := raw, false
	if len(raw) > prefixV2-1 && raw[0] != 'P' && raw[12] == proxiedV2 && raw[13] == 0 {
		// Who the client is the proxy cannot say: may be accepted, which the library
		// does for LOCAL only.
		raw, unknown = bytes.Clone(raw), true
		raw[12] = localV2
	}
	header, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(raw), maxV2))
	if err != nil {
		return Proxied{}, &ProxyError{ProxyMalformed, words(err)}
	}
	p := Proxied{Version: int(header.Version), Local: header.Command.IsLocal() && header.Version == 2 && !unknown}
	if p.Local || header.Command.IsLocal() && header.Version == 1 {
		return p, nil // whatever else it holds is to be skipped
	}
	if header.Version == 2 {
		if err := p.more(header, whole); err != nil {
			return Proxied{}, err
		}
	}
	switch {
	case unknown || header.TransportProtocol == proxyproto.UnixStream:
		return p, nil
	case header.TransportProtocol.IsDatagram():
		return Proxied{}, &ProxyError{ProxyMalformed, errors.New("it speaks of datagrams, and this is a stream")}
	}
	client, server, ok := header.TCPAddrs()
	if !ok {
		return Proxied{}, &ProxyError{ProxyMalformed, errors.New("it has no addresses")}
	}
	p.Client, p.Server = unmapped(client), unmapped(server)
	return p, nil
}

// words leaves the library's name out of its errors.
func words(err error) error {
	return errors.New(strings.ReplaceAll(err.Error(), "proxyproto: ", ""))
}

func unmapped(a *net.TCPAddr) netip.AddrPort {
	ap := a.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port())
}
