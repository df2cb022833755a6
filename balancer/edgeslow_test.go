package balancer_test

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/balancer"
)

// TestSlowSenders: an octet a second keeps nobody in for longer than silence would,
// wherever weir waits for something whole; for a PROXY header that is less.
func TestSlowSenders(t *testing.T) {
	const patience = 90 * time.Second
	for _, row := range []struct {
		name   string
		setup  func(*virtual)
		before string // sent at once
		most   time.Duration
		reason string
	}{
		{"first command", func(*virtual) {}, "", patience, "timeout"},
		{"later command", func(*virtual) {}, "HELO client.test\r\n", patience, "timeout"},
		{"PROXY header", func(v *virtual) {
			v.cfg.Listeners[0].Proxy = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
		}, "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x08\x00", 10 * time.Second, "reading the PROXY header: it was not there in time*"},
		{"handshake", func(v *virtual) {
			k, err := edgeKit()
			if err != nil {
				v.t.Fatal(err)
			}
			v.cfg.Listeners[0].TLS, v.tls = balancer.TLSImplicit, map[string]*tls.Config{"inbound": k.server}
		}, "\x16\x03\x01\x08\x00", patience, "TLS handshake failed: not over in time"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if _, err := edgeKit(); err != nil { // outside of the bubble: it is kept
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				v := newVirtual(t)
				v.cfg.Listeners[0].Timeouts.Command, v.cfg.Listeners[0].Timeouts.Greeting = patience, patience
				row.setup(v)
				v.start()
				s := v.senderFrom("192.0.2.1")
				go func() { _, _ = io.Copy(io.Discard, s.nc) }()
				began := time.Now()
				var err error
				if row.before != "" {
					_, err = io.WriteString(s.nc, row.before)
				}
				for err == nil {
					time.Sleep(time.Second)
					_, err = io.WriteString(s.nc, "x")
				}
				if took := time.Since(began); took < row.most || took > row.most+2*time.Second {
					t.Errorf("cut off after %v, want %v", took, row.most)
				}
				synctest.Wait()
				v.witness.mu.Lock()
				defer v.witness.mu.Unlock()
				if len(v.witness.sessions) != 1 {
					t.Fatalf("%d sessions were recorded", len(v.witness.sessions))
				}
				if err := like(v.witness.sessions[0].Reason, row.reason); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A proxy that has ended the client's TLS says so: that is TLS for who asks for it, and
// nothing is to be begun again.
func TestProxyHeaderTLS(t *testing.T) {
	b := newBench(t, "a")
	b.sealed(balancer.TLSRequired)
	b.listener().Proxy = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	b.start(0)
	s := b.dial()
	if _, err := s.nc.Write(proxyV2("192.0.2.1:4711", "198.51.100.1:465",
		tlv(0x02, "mx.example"), tlv(0x05, "conn-7"),
		tlv(0x20, "\x07\x00\x00\x00\x00"+tlv(0x21, "TLSv1.3")+tlv(0x22, "alice")+tlv(0x23, "TLS_AES_128_GCM_SHA256")),
	)); err != nil {
		t.Fatal(err)
	}
	s.ask("", "220 *")
	s.ask("EHLO client.test\r\n", "250-mx.test")
	for line := "250-"; strings.HasPrefix(line, "250-"); {
		if line = s.say(""); strings.Contains(line, "STARTTLS") {
			t.Error("STARTTLS is offered under TLS")
		}
	}
	s.ask("STARTTLS\r\n", "503 5.5.1 TLS is active already*")
	s.ask("MAIL FROM:<from@client.test>\r\n", "250 *")
	s.ask("RSET\r\n", "250 *")
	r := b.witness.transaction(t, 1)
	if r.Client.String() != "192.0.2.1:4711" || r.TLS != "TLSv1.3 TLS_AES_128_GCM_SHA256 CN=alice" {
		t.Errorf("recorded as %s with TLS %q", r.Client, r.TLS)
	}
	if err := like(r.Proxy, "127.0.0.1:* v2 authority=mx.example id=conn-7"); err != nil {
		t.Error(err)
	}
}

// tlv is a further value of a PROXY v2 header (section 2.2).
func tlv(kind byte, value string) string {
	return string(append([]byte{kind}, binary.BigEndian.AppendUint16(nil, uint16(len(value)))...)) + value
}

func proxyV2(client, server string, tlvs ...string) []byte {
	from, to := netip.MustParseAddrPort(client), netip.MustParseAddrPort(server)
	var body bytes.Buffer
	body.Write(from.Addr().AsSlice())
	body.Write(to.Addr().AsSlice())
	_ = binary.Write(&body, binary.BigEndian, []uint16{from.Port(), to.Port()})
	body.WriteString(strings.Join(tlvs, ""))
	head := binary.BigEndian.AppendUint16([]byte("\r\n\r\n\x00\r\nQUIT\n\x21\x11"), uint16(body.Len()))
	return append(head, body.Bytes()...)
}

// senderFrom connects over a pipe as from an address.
func (v *virtual) senderFrom(ip string) *talker {
	ours, theirs := net.Pipe()
	v.accept <- addressed{theirs, &net.TCPAddr{IP: net.ParseIP(ip), Port: 4711}}
	v.t.Cleanup(func() { _ = ours.Close() })
	return newTalker(v.t, ours)
}
