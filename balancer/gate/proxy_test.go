package gate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/pires/go-proxyproto"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// v2 makes a header: version and command, family, all that is behind the length.
func v2(command, family byte, rest ...byte) []byte {
	b := append(slices.Clone(proxyproto.SIGV2), command, family)
	b = binary.BigEndian.AppendUint16(b, uint16(len(rest)))
	return append(b, rest...)
}

var (
	from4 = []byte{192, 0, 2, 7, 198, 51, 100, 1, 0x30, 0x39, 0, 25}
	from6 = slices.Concat(
		netip.MustParseAddr("2001:db8::7").AsSlice(), netip.MustParseAddr("::ffff:198.51.100.1").AsSlice(), []byte{0x30, 0x39, 0, 25})
)

func tlv(kind proxyproto.PP2Type, value string) []byte {
	return append([]byte{byte(kind), byte(len(value) >> 8), byte(len(value))}, value...)
}

// summed puts a checksum into a header over IPv4 whose first TLV is one.
func summed(b []byte) []byte {
	at := prefixV2 + len(from4) + 3
	binary.BigEndian.PutUint32(b[at:], crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	return b
}

func ap(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func headers() map[string]struct {
	raw  []byte
	want Proxied
} {
	tls := tlv(proxyproto.PP2_TYPE_SSL, "\x07\x00\x00\x00\x00"+
		string(tlv(proxyproto.PP2_SUBTYPE_SSL_VERSION, "TLSv1.3"))+
		string(tlv(proxyproto.PP2_SUBTYPE_SSL_CIPHER, "TLS_AES_128_GCM_SHA256"))+
		string(tlv(proxyproto.PP2_SUBTYPE_SSL_CN, "mta.example.com")))
	plain := slices.Clone(tls)
	plain[3] &^= 1 // PP2_CLIENT_SSL
	said := slices.Concat(from4, tlv(proxyproto.PP2_TYPE_ALPN, "smtp"), tlv(proxyproto.PP2_TYPE_AUTHORITY, "mx\r\n\x00.example"),
		tlv(proxyproto.PP2_TYPE_NOOP, "padding"), tlv(proxyproto.PP2_TYPE_UNIQUE_ID, "a1"), tls)
	client, server := ap("192.0.2.7:12345"), ap("198.51.100.1:25")
	return map[string]struct {
		raw  []byte
		want Proxied
	}{
		"v1 TCP4":           {[]byte("PROXY TCP4 192.0.2.7 198.51.100.1 12345 25\r\n"), Proxied{Version: 1, Client: client, Server: server}},
		"v1 shortest":       {[]byte("PROXY TCP4 1.1.1.1 2.2.2.2 0 1\r\n"), Proxied{Version: 1, Client: ap("1.1.1.1:0"), Server: ap("2.2.2.2:1")}},
		"v1 TCP6":           {[]byte("PROXY TCP6 2001:db8::7 ::1 12345 25\r\n"), Proxied{Version: 1, Client: ap("[2001:db8::7]:12345"), Server: ap("[::1]:25")}},
		"v1 TCP6 shortest":  {[]byte("PROXY TCP6 :: :: 0 0\r\n"), Proxied{Version: 1, Client: ap("[::]:0"), Server: ap("[::]:0")}},
		"v1 TCP6 mapped":    {[]byte("PROXY TCP6 ::ffff:192.0.2.7 ::ffff:198.51.100.1 12345 25\r\n"), Proxied{Version: 1, Client: client, Server: server}},
		"v1 UNKNOWN":        {[]byte("PROXY UNKNOWN\r\n"), Proxied{Version: 1}},
		"v1 UNKNOWN longer": {[]byte("PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n"), Proxied{Version: 1}},
		"v1 longest":        {[]byte("PROXY UNKNOWN " + strings.Repeat("f", 91) + "\r\n"), Proxied{Version: 1}},
		"v2 TCP4":           {v2(0x21, 0x11, from4...), Proxied{Version: 2, Client: client, Server: server}},
		"v2 TCP6":           {v2(0x21, 0x21, from6...), Proxied{Version: 2, Client: ap("[2001:db8::7]:12345"), Server: server}},
		"v2 LOCAL":          {v2(0x20, 0), Proxied{Version: 2, Local: true}},
		"v2 LOCAL padded":   {v2(0x20, 0x11, 1, 2, 3), Proxied{Version: 2, Local: true}},
		"v2 LOCAL rubbish":  {v2(0x20, 0x11, slices.Concat(from4, []byte{0x20, 9, 9})...), Proxied{Version: 2, Local: true}},
		"v2 unknown":        {v2(0x21, 0, tlv(proxyproto.PP2_TYPE_UNIQUE_ID, "a1")...), Proxied{Version: 2, UniqueID: "a1"}},
		"v2 socket file":    {v2(0x21, 0x31, make([]byte, 216)...), Proxied{Version: 2}},
		"v2 checksum":       {summed(v2(0x21, 0x11, slices.Concat(from4, tlv(proxyproto.PP2_TYPE_CRC32C, "\x00\x00\x00\x00"))...)), Proxied{Version: 2, Client: client, Server: server}},
		"v2 all is said": {v2(0x21, 0x11, said...), Proxied{
			Version: 2, Client: client, Server: server, ALPN: "smtp", Authority: `mx\r\n\x00.example`, UniqueID: "a1",
			TLS: "TLSv1.3", Cipher: "TLS_AES_128_GCM_SHA256", CN: "mta.example.com", Verified: true,
		}},
		"v2 no TLS": {v2(0x21, 0x11, slices.Concat(from4, plain)...), Proxied{Version: 2, Client: client, Server: server}},
		"v2 large":  {v2(0x21, 0x11, slices.Concat(from4, tlv(proxyproto.PP2_TYPE_NOOP, strings.Repeat("x", 4000)))...), Proxied{Version: 2, Client: client, Server: server}},
	}
}

// pair is a connection over loopback.
func pair(t *testing.T) (near, far net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if far, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if near, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}

func TestProxyHeaderIsReadAndNothingBehindIt(t *testing.T) {
	const behind = "EHLO client.example\r\n"
	for name, tt := range headers() {
		t.Run(name, func(t *testing.T) {
			near, far := pair(t)
			if _, err := far.Write(append(slices.Clone(tt.raw), behind...)); err != nil {
				t.Fatal(err)
			}
			got, err := ReadProxy(near, time.Minute)
			if err != nil || got != tt.want {
				t.Fatalf("%+v, %v\nwant %+v", got, err, tt.want)
			}
			if unknown := !strings.Contains(name, "LOCAL") && !tt.want.Client.IsValid(); got.Unknown() != unknown {
				t.Errorf("unknown: %v, want %v", got.Unknown(), unknown)
			}
			rest := make([]byte, len(behind))
			if _, err := io.ReadFull(near, rest); err != nil || string(rest) != behind {
				t.Errorf("behind it: %q, %v", rest, err)
			}
			if !LooksLikeProxy(tt.raw) {
				t.Error("does not look like one")
			}
		})
		t.Run(name+" octet by octet", func(t *testing.T) {
			raw, err := readHeader(iotest.OneByteReader(bytes.NewReader(tt.raw)))
			if err != nil || !bytes.Equal(raw, tt.raw) {
				t.Errorf("%q, %v", raw, err)
			}
		})
	}
}

func TestProxyHeaderFaults(t *testing.T) {
	wrong := summed(v2(0x21, 0x11, slices.Concat(from4, tlv(proxyproto.PP2_TYPE_CRC32C, "\x00\x00\x00\x00"))...))
	wrong[17]++
	tests := []struct {
		name, sent string
		want       ProxyFault
	}{
		{"nothing", "", ProxyMissing},
		{"a command", "EHLO client.example\r\n", ProxyMissing},
		{"a short command", "QUIT\r\n", ProxyMissing},
		{"another word", "PROXYTCP4 1.1.1.1 2.2.2.2 1 2\r\n", ProxyMissing},
		{"TLS", "\x16\x03\x01\x02\x00\x01", ProxyMissing},
		{"cut in the signature", "\r\n\r\n\x00\r\nQU", ProxyLost},
		{"cut in the line", "PROXY TCP4 1.1.1.1 2.2", ProxyLost},
		{"cut in v2", string(v2(0x21, 0x11, from4...)[:20]), ProxyLost},
		{"bare LF", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n", ProxyMalformed},
		{"two spaces", "PROXY TCP4  1.1.1.1 2.2.2.2 1 2\r\n", ProxyMalformed},
		{"too few fields", "PROXY TCP4 1.1.1.1\r\nEHLO", ProxyMalformed},
		{"family", "PROXY TCP4 ::1 ::1 1 2\r\n", ProxyMalformed},
		{"port", "PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n", ProxyMalformed},
		{"UDP4", "PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n", ProxyMalformed},
		{"too long", "PROXY UNKNOWN " + strings.Repeat("f", 92) + "\r\n", ProxyMalformed},
		{"version 3", string(v2(0x31, 0x11, from4...)), ProxyMalformed},
		{"command 2", string(v2(0x22, 0x11, from4...)), ProxyMalformed},
		{"datagrams", string(v2(0x21, 0x12, from4...)), ProxyMalformed},
		{"addresses cut off", string(v2(0x21, 0x21, from4...)), ProxyMalformed},
		{"broken TLV", string(v2(0x21, 0x11, append(slices.Clone(from4), 1, 0, 9)...)), ProxyMalformed},
		{"broken TLS TLV", string(v2(0x21, 0x11, slices.Concat(from4, tlv(proxyproto.PP2_TYPE_SSL, "\x01"))...)), ProxyMalformed},
		{"wrong checksum", string(wrong), ProxyMalformed},
		{"short checksum", string(v2(0x21, 0x11, slices.Concat(from4, tlv(proxyproto.PP2_TYPE_CRC32C, "\x00"))...)), ProxyMalformed},
		{"endless", string(v2(0x21, 0x11, make([]byte, 4097)...)), ProxyMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			near, far := pair(t)
			if _, err := far.Write([]byte(tt.sent)); err != nil {
				t.Fatal(err)
			}
			if tt.want != ProxyMalformed {
				far.Close()
			}
			got, err := ReadProxy(near, time.Minute)
			var fault *ProxyError
			if !errors.As(err, &fault) || fault.Fault != tt.want || got != (Proxied{}) {
				t.Fatalf("%+v, %v; want %s", got, err, tt.want)
			}
			if s := err.Error(); errors.Unwrap(err) == nil || strings.Contains(s, "proxyproto") || strings.ContainsAny(s, "\r\n") {
				t.Errorf("not for a log: %q", s)
			}
		})
	}
}

func TestProxyHeaderTooSlow(t *testing.T) {
	for _, sent := range []string{"", "PROXY TCP4 1.1.1.1 ", "\r\n\r\n\x00\r\n"} {
		synctest.Test(t, func(t *testing.T) {
			near, far := net.Pipe()
			defer near.Close()
			defer far.Close()
			go func() {
				for i := range len(sent) {
					time.Sleep(100 * time.Millisecond)
					if _, err := far.Write([]byte(sent[i : i+1])); err != nil {
						return
					}
				}
			}()
			_, err := ReadProxy(near, 5*time.Second)
			var fault *ProxyError
			if !errors.As(err, &fault) || fault.Fault != ProxySlow {
				t.Errorf("after %q: %v", sent, err)
			}
		})
	}
}

func TestCommandsDoNotLookLikeProxy(t *testing.T) {
	for _, s := range []string{"", "PROX", "PROXYING", "EHLO PROXY ", "\r\n\r\n"} {
		if LooksLikeProxy([]byte(s)) {
			t.Errorf("%q looks like one", s)
		}
	}
}

func FuzzReadProxy(f *testing.F) {
	for _, tt := range headers() {
		f.Add(tt.raw)
		f.Add(append(slices.Clone(tt.raw), "EHLO x\r\n"...))
	}
	f.Add([]byte("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n"))
	f.Add([]byte("EHLO x\r\n"))
	f.Fuzz(func(t *testing.T, sent []byte) {
		r := bytes.NewReader(sent)
		raw, err := readHeader(r)
		var p Proxied
		if err == nil {
			p, err = parseProxy(raw)
		}
		var fault *ProxyError
		if err != nil {
			if !errors.As(err, &fault) || err.Error() == "" {
				t.Fatalf("%v is no ProxyError", err)
			}
			return
		}
		if len(raw) > maxV2 || len(sent)-r.Len() != len(raw) {
			t.Fatalf("%d octets were taken, %d are the header", len(sent)-r.Len(), len(raw))
		}
		if p.Version == 1 && (bytes.IndexByte(raw, '\n') != len(raw)-1 || len(raw) > maxV1) {
			t.Fatalf("%q goes past its line", raw)
		}
		if p.Version == 2 && len(raw) != prefixV2+int(binary.BigEndian.Uint16(raw[14:])) {
			t.Fatalf("%q has another length than it says", raw)
		}
		for _, s := range []string{p.ALPN, p.Authority, p.CN, p.Cipher, p.TLS, p.UniqueID} {
			if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Fatalf("%q is not for a log", s)
			}
		}
		if p.Client.IsValid() != p.Server.IsValid() || p.Client.Addr().Is4In6() || p.Local && p.Client.IsValid() {
			t.Fatalf("%+v", p)
		}
	})
}
