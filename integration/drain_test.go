package integration

import (
	"encoding/json"
	"strings"
	"syscall"
	"testing"

	"weir/internal/faulty"
)

// orderAnswer is what the admin server says of an order.
type orderAnswer struct {
	State    string `json:"state"`
	Inflight int    `json:"inflight"`
	Safe     bool   `json:"safe"`
	Warning  string `json:"warning"`
	Error    string `json:"error"`
}

// order gives an order through the admin server.
func (w *weir) order(name, verb string, body map[string]any) (code int, answer orderAnswer) {
	w.t.Helper()
	code, text, err := w.post("/v1/backends/"+poolName+"/"+name+"/"+verb, body)
	if err != nil {
		w.t.Fatalf("%s of %s: %v", verb, name, err)
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		w.t.Fatalf("the answer to %s of %s: %v: %s", verb, name, err, text)
	}
	return code, answer
}

// TestDrain_MovesMailAndKeepsSenders: a drained connector gets no new mail, the senders keep their connections, and
// undrain brings it back.
func TestDrain_MovesMailAndKeepsSenders(t *testing.T) {
	t.Parallel()
	f := newFlock(t, 3, opts{})
	k := f.load("drained")
	said := f.mustCtl("drain", "c0", "--wait", "--reason", "new disks")
	if !strings.Contains(said, "safe to reboot") || !strings.Contains(said, poolName+"/c0") {
		t.Errorf("drain --wait said %q", said)
	}
	if b := f.status().backend(poolName, "c0"); b.State != "drain" || !strings.Contains(b.Reason, "new disks") {
		t.Errorf("c0 is %s, %q", b.State, b.Reason)
	}
	f.getsNone("c0", k)
	f.mustCtl("undrain", "c0")
	f.waitState(poolName, "c0", "up", "recovering")
	f.getsMail("c0")
	f.finishLoad(k)
}

// TestDrain_LetsWhatRunsEnd: mail in flight on the drained connector is finished there, and --wait waits for it.
func TestDrain_LetsWhatRunsEnd(t *testing.T) {
	t.Parallel()
	f := newFlock(t, 2, opts{})
	m := f.message("inflight", 4000)
	c, holder := f.begin(m)
	first, rest := halves(m)
	f.write(c, first)
	f.refused([]string{"drain", holder.Name(), "--wait", "--timeout", "1s"}, holder.Name())
	if b := f.status().backend(poolName, holder.Name()); b.State != "drain" || b.Inflight != 1 {
		t.Errorf("after the time-out it is %s with %d in flight, want drain with 1", b.State, b.Inflight)
	}
	if rep := f.finish(c, rest); rep.code != 250 {
		t.Errorf("the message in flight: %s", rep)
	}
	f.mustCtl("drain", holder.Name(), "--wait", "--timeout", "30s")
	n := f.message("next", 300)
	if rep := f.deliverOn(c, n); rep.code != 250 {
		t.Errorf("the next message of the same connection: %s", rep)
	}
	if got, at := f.stored(n); got != 1 || at == holder {
		t.Errorf("the next message is stored %d times, at %s; the drained one is %s", got, at.Name(), holder.Name())
	}
}

// TestDrain_LastIsRefused: a pool is not emptied unless --force says so; then senders get 451 and none is disconnected.
func TestDrain_LastIsRefused(t *testing.T) {
	t.Parallel()
	f := newFlock(t, 2, opts{})
	c := f.dial()
	if code, answer := f.order("c0", "drain", nil); code != 200 || !strings.Contains(answer.Warning, "1") {
		t.Errorf("drain of the first: %d, %+v; want 200 with a warning that one is left", code, answer)
	}
	if code, _ := f.order("c1", "drain", nil); code != 409 {
		t.Errorf("drain of the last: %d, want 409", code)
	}
	f.refused([]string{"drain", "c1"}, "c1", "--force")
	f.refused([]string{"disable", "c1", "--yes"}, "c1")
	if b := f.status().backend(poolName, "c1"); b.State != "up" {
		t.Errorf("c1 is %s after the refusals, want up", b.State)
	}
	f.mustCtl("drain", "c1", "--force")
	f.own(f.deliverOn(c, f.message("nobody", 300)), "451 4.3.2")
	f.expect(c, 250, "RSET")
	f.mustCtl("undrain", "c0", "c1")
	f.waitEligible(poolName, 2)
	if rep := f.deliverOn(c, f.message("again", 300)); rep.code != 250 {
		t.Errorf("after undrain: %s", rep)
	}
}

// TestDrain_ForAndHost: --for ends by itself, --host finds all connectors of a machine.
func TestDrain_ForAndHost(t *testing.T) {
	t.Parallel()
	f := newFlock(t, 2, opts{})
	f.mustCtl("drain", "c0", "--for", "5s")
	if b := f.status().backend(poolName, "c0"); b.State != "drain" || !strings.Contains(b.Reason, "until") {
		t.Errorf("c0 is %s, %q, want drain until a time", b.State, b.Reason)
	}
	f.waitState(poolName, "c0", "up", "recovering")
	f.refused([]string{"drain", "--host", "192.0.2.99"}, "192.0.2.99")
	f.mustCtl("drain", "--host", "127.0.0.1", "--force")
	if n := f.status().eligible(poolName); n != 0 {
		t.Errorf("%d are eligible after a drain of the one host, want 0", n)
	}
}

// TestDrain_NamesThatAreNone: unknown names get a suggestion, ambiguous ones the choice, and nothing is done.
func TestDrain_NamesThatAreNone(t *testing.T) {
	t.Parallel()
	second := "  other:\n    tls: {mode: off}\n    backends: [{address: \"127.0.0.1:9\", name: c0}]\n"
	c, err := faulty.New(faulty.Options{Behaviour: faulty.Honest()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	w := startWeir(t, basicConfig(opts{backends: []string{c.Addr(), freeAddr(t)}})+second)
	w.refused([]string{"drain", "c00"}, "c00", "c0")
	w.refused([]string{"drain", "c0"}, "c0", poolName+"/c0", "other/c0")
	w.refused([]string{"drain", poolName + "/x9", poolName + "/c1"}, "x9")
	if code, _, _ := w.post("/v1/backends/"+poolName+"/c7/drain", nil); code != 404 {
		t.Errorf("drain of an unknown connector: %d, want 404", code)
	}
	for _, b := range w.status().Pools[0].Backends {
		if b.State == "drain" {
			t.Errorf("%s is drained by an order that was refused", b.Name)
		}
	}
	if r := w.ctl("drain"); r.code != 2 {
		t.Errorf("drain of nothing: exit %d, want 2", r.code)
	}
}

// TestDrain_SurvivesRestartAndChurn: the flag outlives kill -9, and a connector that leaves Consul and comes back.
func TestDrain_SurvivesRestartAndChurn(t *testing.T) {
	t.Parallel()
	s := newSite(t, 3, siteOptions{})
	s.mustCtl("drain", "c0", "--reason", "stays")
	s.kill9()
	s.weir = s.again()
	s.waitEligible(poolName, 2)
	s.waitState(poolName, "c0", "drain")
	s.consul.deregister("c0")
	s.waitNames("c1", "c2")
	s.consul.place(s.named("c0"))
	s.waitNames("c0", "c1", "c2")
	if b := s.status().backend(poolName, "c0"); b.State != "drain" || !strings.Contains(b.Reason, "stays") {
		t.Errorf("after it came back c0 is %s, %q, want drain", b.State, b.Reason)
	}
	s.mustCtl("undrain", "c0")
	s.waitState(poolName, "c0", "up", "recovering")
	s.kill9()
	s.weir = s.again()
	s.waitEligible(poolName, 3)
}

// TestUndrain_UnderMaintenance: what Consul began only Consul ends; the command says how, and on which node.
func TestUndrain_UnderMaintenance(t *testing.T) {
	t.Parallel()
	s := newSite(t, 2, siteOptions{})
	s.consul.maintenance("c0", "new disks")
	s.waitState(poolName, "c0", "drain")
	s.refused([]string{"undrain", "c0"}, "consul maint -disable -service=c0", "c"+port(s.consul.http))
	s.consul.maintenance("c0", "")
	s.waitState(poolName, "c0", "up", "recovering")
}

// TestDisable_MovesAndCuts: what can still be moved is moved, what cannot is cut, at once.
func TestDisable_MovesAndCuts(t *testing.T) {
	t.Parallel()
	f := newFlock(t, 2, opts{pool: []string{"replay_buffer: 16KiB"}})
	small := f.message("moved", 4000)
	moved, holder := f.begin(small)
	first, rest := halves(small)
	f.write(moved, first)
	f.refused([]string{"disable", holder.Name()}, "--yes")
	f.mustCtl("disable", holder.Name(), "--yes", "--reason", "on fire")
	if rep := f.finish(moved, rest); rep.code != 250 {
		t.Errorf("a message that could be moved: %s", rep)
	}
	if n, at := f.stored(small); n != 1 || at == holder {
		t.Errorf("it is stored %d times, at %s; %s is disabled", n, at.Name(), holder.Name())
	}
	if b := f.status().backend(poolName, holder.Name()); b.State != "disabled" {
		t.Errorf("%s is %s, want disabled", holder.Name(), b.State)
	}
	f.mustCtl("enable", holder.Name())
	f.waitEligible(poolName, 2)

	large := f.message("cut", 64<<10)
	cut, holder := f.begin(large)
	first, rest = halves(large)
	f.write(cut, first)
	eventually(t, ceiling, func() bool { return f.status().backend(poolName, holder.Name()).Inflight == 1 }, "the message is not in flight")
	f.mustCtl("disable", holder.Name(), "--yes")
	f.own(f.finish(cut, rest), "451 4.4.2")
	f.expect(cut, 250, "NOOP")
}

// TestStandby: the replica fails its readiness and keeps serving.
func TestStandby(t *testing.T) {
	t.Parallel()
	f := newFlock(t, 2, opts{})
	k := f.load("standby")
	f.mustCtl("standby")
	if code, _, err := f.get("/readyz"); err != nil || code != 503 {
		t.Errorf("/readyz in standby: %d, %v, want 503", code, err)
	}
	if !f.status().Standby {
		t.Error("the status does not say standby")
	}
	k.flows(20)
	f.mustCtl("standby", "--off")
	f.waitReady(ceiling)
	f.finishLoad(k)
}

// TestDrain_NobodyThere: commands say that weir is not reachable, and where they looked.
func TestDrain_NobodyThere(t *testing.T) {
	t.Parallel()
	f := newFlock(t, 1, opts{})
	f.signal(syscall.SIGTERM)
	f.waitExit(stopCeiling)
	f.weir.refused([]string{"drain", "c0"}, f.admin)
	if r := f.ctl("status", "--check"); r.code != 3 {
		t.Errorf("status --check: exit %d, want 3: %s", r.code, r.stdout+r.stderr)
	}
}
