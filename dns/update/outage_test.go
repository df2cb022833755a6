package update

import (
	"context"
	"errors"
	"testing"
	"time"

	mdns "github.com/miekg/dns"

	"weir/dns"
)

func TestServerDown(t *testing.T) {
	onEach(t, func(t *testing.T, p *primary) {
		target, a := published(t, p)
		p.kill()
		wantErr(t, target.Write(t.Context(), within(1, a)), nil, "connecting to "+p.addr, "port 53")
		_, err := target.Read(t.Context(), names(a))
		wantErr(t, err, nil, "connecting to "+p.addr)
		p.start()
		if state := mustRead(t, target, a.Name); len(state.Sets) != 1 || state.Epoch != 1 {
			t.Errorf("after the restart: %+v", state)
		}
		mustWrite(t, target, within(1, a))
	})
}

func TestNextServer(t *testing.T) {
	t.Parallel()
	p := startPrimary(t, "bind")
	down := freeAddr(t)
	target := targetAt(weirKey, down, p.addr)
	a := set(mx, mdns.TypeA, 60, "192.0.2.1")
	mustWrite(t, target, claim(0, a))
	if target.current != 1 {
		t.Error("the server that answered is not asked first")
	}
	p.kill()
	_, err := target.Read(t.Context(), names(a))
	wantErr(t, err, nil, down, p.addr)
}

func TestFrozenServer(t *testing.T) {
	t.Parallel()
	p := startPrimary(t, "bind")
	target, a := published(t, p)
	relay := startRelay(t, p.addr)
	target.servers, target.patience = []string{relay.addr}, 2*time.Second
	// It hangs with the update in its socket: the answer to the reading before was the last.
	seen := 0
	relay.set(func(_ int, answer []byte) []byte {
		if seen++; seen == 4 { // SOA, epoch, set, owner
			p.freeze()
		}
		return answer
	})
	defer p.thaw()
	late := a
	late.Records = []string{"192.0.2.66"}
	wantErr(t, target.Write(t.Context(), within(1, late)), dns.ErrUnknownOutcome, "within 2s")
	relay.set(nil)
	p.thaw()
	// It comes to itself, and applies the late one before or after this, but not over it.
	target = targetOf(target, p.addr)
	target.patience = 30 * time.Second
	var err error
	for range 20 {
		if err = target.Write(t.Context(), within(1, a)); err == nil {
			break
		}
		t.Logf("after the thaw: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if state := mustRead(t, target, a.Name); len(state.Sets) != 1 || len(state.Sets[0].Records) != 2 {
		t.Errorf("after the recovery: %+v", state)
	}
}

// targetOf is the same writer with other servers.
func targetOf(t *Target, servers ...string) *Target {
	same := *t
	same.servers, same.current = servers, 0
	return &same
}

func TestAnswerLost(t *testing.T) {
	onEach(t, func(t *testing.T, p *primary) {
		target, a := published(t, p)
		relay := startRelay(t, p.addr)
		for name, spoil := range map[string]func([]byte) []byte{
			"cut":      func([]byte) []byte { return nil },
			"unsigned": unsign,
			"changed":  func(answer []byte) []byte { answer[3] ^= 0x10; return answer },
			"garbage":  func(answer []byte) []byte { return append(answer[:2:2], 0xff, 0xff) },
		} {
			t.Run(name, func(t *testing.T) {
				through := targetOf(target, relay.addr)
				relay.set(func(opcode int, answer []byte) []byte {
					if opcode == mdns.OpcodeUpdate {
						return spoil(answer)
					}
					return answer
				})
				// Applied, and read back.
				a.TTL++
				mustWrite(t, through, within(1, a))
				// Applied, and nothing can be read back.
				relay.set(fromUpdate(spoil))
				a.TTL++
				if err := through.Write(t.Context(), within(1, a)); !errors.Is(err, dns.ErrUnknownOutcome) {
					t.Errorf("with nothing to be read: %v", err)
				}
				mustWrite(t, target, within(1, a))
				// Applied, and read back from another server.
				relay.set(fromUpdate(spoil))
				a.TTL++
				both := targetOf(target, relay.addr, p.addr)
				mustWrite(t, both, within(1, a))
				if both.current != 1 {
					t.Error("the server that answers is not asked first")
				}
			})
		}
	})
}

// A change that was acknowledged, and then cannot be read back.
func TestReadingBackFails(t *testing.T) {
	onEach(t, func(t *testing.T, p *primary) {
		target, a := published(t, p)
		relay := startRelay(t, p.addr)
		updated := false
		relay.set(func(opcode int, answer []byte) []byte {
			if opcode == mdns.OpcodeUpdate {
				updated = true
			} else if updated {
				return unsign(answer)
			}
			return answer
		})
		a.TTL++
		wantErr(t, targetOf(target, relay.addr).Write(t.Context(), within(1, a)), dns.ErrUnknownOutcome, "reading back", "without a signature")
		if state := mustRead(t, target, a.Name); len(state.Sets) != 1 || state.Sets[0].TTL != a.TTL {
			t.Errorf("the zone says %+v", state)
		}
		mustWrite(t, target, within(1, a))
	})
}

// fromUpdate spoils the answer to an update and all that come after it.
func fromUpdate(spoil func([]byte) []byte) func(int, []byte) []byte {
	updated := false
	return func(opcode int, answer []byte) []byte {
		if updated = updated || opcode == mdns.OpcodeUpdate; updated {
			return spoil(answer)
		}
		return answer
	}
}

func TestCancelled(t *testing.T) {
	addr := fake(t, func(mdns.ResponseWriter, *mdns.Msg) {})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	_, err := targetAt(weirKey, addr, addr).Read(ctx, nil)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Read = %v, want that it was cancelled", err)
	}
}
