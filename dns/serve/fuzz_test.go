package serve

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"testing"

	"github.com/miekg/dns"
)

// FuzzPacket throws packets at a server: it never crashes, never answers what is
// not a well-formed question, and its replies are right in form and size.
func FuzzPacket(f *testing.F) {
	cfg := withFile(f, testConfig(), zoneFile)
	cfg.Serve.Key = testKey()
	z := newZone(f, cfg, newMemory())
	publish(f, z, addresses("mx.mail.test.", 60, "192.0.2.1", "192.0.2.2"))
	z.note = func(string) {}
	s := NewServer(z)
	for _, m := range fuzzSeeds() {
		packed, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packed)
		f.Add(packed[:len(packed)-3])
		f.Add(append(bytes.Clone(packed), 0))
	}
	signed := question("mx.mail.test.", dns.TypeA)
	signed.SetTsig("lb-key.", dns.HmacSHA256, 300, 1)
	packed, _, err := dns.TsigGenerate(signed, testSecret, "", false)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packed)
	from := netip.MustParseAddrPort("127.0.0.1:5353")
	f.Fuzz(func(t *testing.T, in []byte) {
		var q query
		before := bytes.Clone(in)
		out := s.packet(&q, in, make([]byte, 0, ednsUDP), from, 1)
		if !bytes.Equal(in, before) {
			t.Fatal("the question was written to")
		}
		checkReply(t, in, out)
		feedStream(t, z, in)
	})
}

func fuzzSeeds() []*dns.Msg {
	var list []*dns.Msg
	for _, name := range []string{"mx.mail.test.", "alias.mail.test.", "x.wild.mail.test.", "a.child.mail.test.", "no.mail.test.", "MAIL.test.", "."} {
		for _, kind := range []uint16{dns.TypeA, dns.TypeANY, dns.TypeSOA, dns.TypeAXFR, dns.TypeIXFR} {
			m := question(name, kind)
			list = append(list, m)
			m = m.Copy()
			m.SetEdns0(4096, true)
			list = append(list, m)
		}
	}
	ixfr := new(dns.Msg)
	ixfr.SetIxfr(testZone, 1, "ns.", "mbox.")
	update := new(dns.Msg)
	update.SetUpdate(testZone)
	update.RemoveName([]dns.RR{text("mx.mail.test.", "x")})
	return append(list, ixfr, update)
}

// checkReply holds a reply against the packet that provoked it.
func checkReply(t *testing.T, in, out []byte) {
	t.Helper()
	if out == nil {
		return
	}
	if len(in) < headerLen || in[2]&0x80 != 0 || in[4] != 0 || in[5] != 1 {
		t.Fatalf("an answer to %x, which is no question", in)
	}
	if !bytes.Equal(in[:2], out[:2]) || out[2]&0x80 == 0 || in[2]&0x78 != out[2]&0x78 || out[3]&0x80 != 0 {
		t.Fatalf("%x is no reply to %x", out[:4], in[:4])
	}
	var reply, asked dns.Msg
	if err := reply.Unpack(out); err != nil {
		t.Fatalf("the reply %x: %v", out, err)
	}
	limit := plainUDP
	if err := asked.Unpack(in); err == nil {
		if len(asked.Question) != 1 || asked.Question[0] != reply.Question[0] {
			t.Fatalf("asked %v, answered %v", asked.Question, reply.Question)
		}
		if opt := asked.IsEdns0(); opt != nil {
			limit = min(max(int(opt.UDPSize()), plainUDP), ednsUDP)
		}
	} else {
		limit = ednsUDP
	}
	// Of two OPTs, either may be the one that is believed.
	if len(out) > limit && (reply.Rcode != dns.RcodeFormatError || len(out) > ednsUDP) {
		t.Fatalf("%d octets where %d are allowed", len(out), limit)
	}
}

// feedStream sends the packet as a transfer's question: it must not crash there either.
func feedStream(t *testing.T, z *Zone, in []byte) {
	t.Helper()
	var q query
	if !q.parse(in) || q.kind != dns.TypeAXFR && q.kind != dns.TypeIXFR {
		return
	}
	near, far := net.Pipe()
	defer func() { _ = far.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		_, _ = readFrame(far, nil)
		_ = far.Close()
	}()
	_ = z.transfer(&q, near, netip.MustParseAddr("192.0.2.1"))
	_ = near.Close()
	<-ctx.Done()
}
