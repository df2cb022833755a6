package smtp

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"maps"
	"slices"
	"testing"
)

// loop is a connection on which the same octets arrive again and again.
type loop struct {
	octets []byte
	at     int
}

func (l *loop) Read(p []byte) (int, error) {
	if l.at == len(l.octets) {
		l.at = 0
	}
	n := copy(p, l.octets[l.at:])
	l.at += n
	return n, nil
}

// discard scans a block that holds no end of data, as the relay would.
func (s *Scanner) discard(block []byte) (octets int) {
	for len(block) > 0 {
		out, n, _ := s.Next(block)
		octets += len(out)
		block = block[n:]
	}
	return octets
}

func BenchmarkParseCommand(b *testing.B) {
	line := []byte("RCPT TO:<someone@example.org>")
	b.ReportAllocs()
	for b.Loop() {
		if cmd, ok := ParseCommand(line); !ok || cmd.Verb != VerbRcpt {
			b.Fatal(cmd, ok)
		}
	}
}

func BenchmarkParseMail(b *testing.B) {
	arg := []byte("FROM:<bounces+4242@lists.example.org> SIZE=48213 BODY=8BITMIME")
	b.ReportAllocs()
	for b.Loop() {
		if m, err := ParseMail(arg, plainOffer); err != nil || m.Size == 0 {
			b.Fatal(m, err)
		}
	}
}

func BenchmarkParseRcpt(b *testing.B) {
	arg := []byte("TO:<someone@example.org>")
	b.ReportAllocs()
	for b.Loop() {
		if r, err := ParseRcpt(arg, plainOffer); err != nil || r.To == "" {
			b.Fatal(r, err)
		}
	}
}

func BenchmarkReadCommand(b *testing.B) {
	r := NewReader(&loop{octets: []byte("NOOP\r\n")}, new(Buffers))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.ReadCommand(2048); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadReply(b *testing.B) {
	for _, bench := range []struct{ name, octets string }{
		{"one line", "250 2.0.0 Ok: queued as 4XyZ1234abcd\r\n"},
		{"EHLO", "250-mx.example.org\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-8BITMIME\r\n250 CHUNKING\r\n"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			r := NewReader(&loop{octets: []byte(bench.octets)}, new(Buffers))
			var reply Reply
			b.ReportAllocs()
			for b.Loop() {
				if err := r.ReadReply(&reply); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkReplyAppend(b *testing.B) {
	reply := NewReply(250, EnhancedCode{2, 1, 5}, "Recipient ok")
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		out = reply.Append(out[:0], true)
	}
}

// blocks are 64 KiB of content of several kinds. The last two are what an
// attacker sends: they must cost about the same per octet however long they are.
func blocks() map[string][]byte {
	fill := func(lines ...string) []byte {
		block := make([]byte, 0, LargeBuffer+1024)
		for i := 0; len(block) < LargeBuffer; i++ {
			block = append(block, lines[i%len(lines)]...)
		}
		return block[:LargeBuffer]
	}
	return map[string][]byte{
		"base64": fill("TG9yZW0gaXBzdW0gZG9sb3Igc2l0IGFtZXQsIGNvbnNlY3RldHVyIGFkaXBpc2NpbmcgZWxpdC4g\r\n"),
		"text": fill("Dear colleagues,\r\n", "\r\n", "the minutes of the last meeting are below; please say so when\r\n",
			"something was forgotten, or when it was\r\n", "not what you meant.\r\n", "\r\n", "  -- the chair\r\n"),
		"long lines": fill(string(bytes.Repeat([]byte("<td>x</td>"), 99)) + "\r\n"),
		"dot lines":  fill("..\r\n", "..a line with a dot\r\n", "and one without\r\n"),
		"bare LF":    fill("a line of a script that knows no better\n"),
		"bare CR":    fill("\rx"),
		"CRLFs":      fill("\r\n"),
	}
}

// eachBlock measures what is done with each kind of block, always in the same order.
func eachBlock(b *testing.B, measure func(b *testing.B, block []byte)) {
	all := blocks()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(all[name])))
			b.ReportAllocs()
			measure(b, all[name])
		})
	}
}

func BenchmarkScanner(b *testing.B) {
	eachBlock(b, func(b *testing.B, block []byte) {
		var s Scanner
		for b.Loop() {
			s.discard(block)
		}
	})
}

func BenchmarkNormalizer(b *testing.B) {
	eachBlock(b, func(b *testing.B, block []byte) {
		var z Normalizer
		for b.Loop() {
			for rest := block; len(rest) > 0; {
				_, n := z.Next(rest)
				rest = rest[n:]
			}
		}
	})
}

func BenchmarkStuffer(b *testing.B) {
	eachBlock(b, func(b *testing.B, block []byte) {
		var s Stuffer
		for b.Loop() {
			for rest := block; len(rest) > 0; {
				_, n := s.Next(rest)
				rest = rest[n:]
			}
		}
	})
}

func BenchmarkHeaders(b *testing.B) {
	message := []byte("Received: from a.example.org (a.example.org [192.0.2.1])\r\n\tby b.example.org with ESMTPS id 4XyZ\r\n" +
		"\tfor <someone@example.org>; Mon, 2 Jan 2006 15:04:05 +0000 (UTC)\r\n" +
		"From: <a@example.org>\r\nTo: <someone@example.org>\r\nSubject: minutes\r\n" +
		"Message-ID: <20060102150405.4242@example.org>\r\nMIME-Version: 1.0\r\n\r\n")
	message = append(message, bytes.Repeat([]byte("body\r\n"), 1000)...)
	var h Headers
	b.SetBytes(int64(len(message)))
	b.ReportAllocs()
	for b.Loop() {
		h.Reset("weir-0123456789abcdef")
		h.Write(message)
	}
}

// A look at a connection before each transaction and each terminator.
func BenchmarkLook(b *testing.B) {
	for _, over := range []bool{false, true} {
		b.Run(fmt.Sprintf("tls=%t", over), func(b *testing.B) {
			var r *Reader
			if over {
				p := newTLSPair(b, tls.VersionTLS13, false)
				p.handshake(b)
				r = NewReader(p.ours, new(Buffers))
			} else {
				ours, _ := socketPair(b)
				r = NewReader(ours, new(Buffers))
			}
			b.ReportAllocs()
			for b.Loop() {
				if r.Look() != Quiet {
					b.Fatal("not quiet")
				}
			}
		})
	}
}
