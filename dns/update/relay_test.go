package update

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	mdns "github.com/miekg/dns"
)

// relay stands between weir and a primary and may spoil what the primary answers.
type relay struct {
	addr string
	to   string

	mu    sync.Mutex
	spoil func(opcode int, answer []byte) []byte // nil: nothing is spoilt; it returns nil to cut the connection
}

// startRelay begins one before a primary.
func startRelay(t *testing.T, to string) *relay {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{addr: ln.Addr().String(), to: to}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			running.Go(func() { r.carry(c) })
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		running.Wait()
	})
	return r
}

func (r *relay) set(spoil func(opcode int, answer []byte) []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spoil = spoil
}

// carry passes one connection's messages on until either side ends.
func (r *relay) carry(c net.Conn) {
	defer c.Close()
	up, err := net.Dial("tcp", r.to)
	if err != nil {
		return
	}
	defer up.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(up, c)
		_ = up.Close()
	}()
	for {
		answer, err := readMessage(up)
		if err != nil {
			break
		}
		r.mu.Lock()
		if r.spoil != nil {
			answer = r.spoil(int(answer[2]>>3&15), answer)
		}
		r.mu.Unlock()
		if answer == nil {
			break
		}
		_, _ = c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
	}
	_ = c.Close()
	<-done
}

func readMessage(r io.Reader) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	m := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(r, m)
	return m, err
}

// unsign takes the signature off an answer.
func unsign(answer []byte) []byte {
	m := new(mdns.Msg)
	if m.Unpack(answer) != nil {
		return nil
	}
	m.Extra = nil
	out, _ := m.Pack()
	return out
}

// fake is a name server made of one function.
func fake(t *testing.T, answer func(w mdns.ResponseWriter, q *mdns.Msg)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan struct{})
	s := &mdns.Server{
		Listener: ln, Handler: mdns.HandlerFunc(answer), ReadTimeout: time.Minute,
		NotifyStartedFunc: func() { close(started) },
		MsgAcceptFunc:     func(mdns.Header) mdns.MsgAcceptAction { return mdns.MsgAccept },
		TsigSecret:        map[string]string{weirKey.Name: weirKey.Secret},
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.ActivateAndServe()
	}()
	<-started
	t.Cleanup(func() {
		_ = s.Shutdown()
		<-ended
	})
	return ln.Addr().String()
}
