package integration

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestRouteCommand: `weir route` explains the running weir, by its exit code too, and changes nothing: the connector it
// names is the one that the next message meets.
func TestRouteCommand(t *testing.T) {
	t.Parallel()
	r := newRouted(t, []string{
		"{match: [one.example, uno.example], to: [{pool: internet, cost: 10}, {pool: fax, cost: 50}]}",
		"{match: [two.example], to: fax}",
	}, map[string]int{"fax": 3})
	said := r.mustCtl("route", "--from", "alice@example.org", "--to", "bob@one.example")
	for _, want := range []string{"bob@one.example", "internet/c0", "fax/fax-0", "one.example", "inbound"} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q:\n%s", want, said)
		}
	}
	r.refused([]string{"route", "--to", "bob@nowhere.example"}, "550 5.7.1")
	for _, wrong := range [][]string{{"route"}, {"route", "--to", "bob"}, {"route", "--to", "b@c", "--size", "big"}, {"route", "--to", "b@c", "--listener", "nowhere"}} {
		if got := r.ctl(wrong...); got.code != 2 || got.stdout != "" {
			t.Errorf("weir %v: exit %d, want 2: %s%s", wrong, got.code, got.stdout, got.stderr)
		}
	}

	c := r.dial()
	for range 6 {
		var e explained
		if err := json.Unmarshal([]byte(r.mustCtl("route", "-o", "json", "--to", "bob@two.example")), &e); err != nil {
			t.Fatal(err)
		}
		m := newMessage("foretold", filler(300))
		m.to = []string{m.id + "@two.example"}
		if got := r.lands(c, m).Name(); e.Backend != "fax/"+got {
			t.Errorf("it says %s, and the next message goes to %s", e.Backend, got)
		}
	}
}

// TestRouteCommand_SeveralRecipients: those that can share a transaction are told together.
func TestRouteCommand_SeveralRecipients(t *testing.T) {
	t.Parallel()
	r := newRouted(t, []string{"{match: [one.example], to: internet}", "{match: [uno.example], to: internet}", "{match: [two.example], to: fax}"}, map[string]int{"fax": 1})
	out := r.mustCtl("route", "-o", "json", "--to", "a@one.example", "--to", "b@two.example", "--to", "c@uno.example")
	decoder := json.NewDecoder(strings.NewReader(out))
	var together []string
	for decoder.More() {
		var e explained
		if err := decoder.Decode(&e); err != nil {
			t.Fatalf("%v in %q", err, out)
		}
		together = append(together, strings.Join(e.To, " "))
	}
	if strings.Join(together, "; ") != "a@one.example c@uno.example; b@two.example" {
		t.Errorf("it puts together %q", together)
	}
}

// TestRouteCommand_SaysWhyNot: each connector that is out is told with its reason.
func TestRouteCommand_SaysWhyNot(t *testing.T) {
	t.Parallel()
	f := newFlock(t, 3, opts{policy: "least-load", keys: []string{"", "", "cost: 10"}, pool: []string{"affinity: client"}})
	f.mustCtl("drain", "c0", "--reason", "new disks")
	f.visit("127.0.4.9", "", 1)
	e := f.explain("to", "bob@test.example", "client", "127.0.4.9")
	if e.Route != "" || len(e.Pools) != 1 || e.Backend != poolName+"/c1" || e.Pools[0].Policy != "least-load" || e.Pools[0].Affinity != "client" {
		t.Fatalf("got %+v", e)
	}
	for _, c := range e.Pools[0].Candidates {
		in := c.ID != poolName+"/c0"
		if c.In != in || c.Why == "" || !in && !strings.Contains(c.Why, "new disks") {
			t.Errorf("%s: in %v, because %q", c.ID, c.In, c.Why)
		}
	}
	if len(e.Pools[0].Candidates) != 3 {
		t.Errorf("got %+v", e.Pools[0].Candidates)
	}
	code, text, err := f.get("/v1/route?from=a@b")
	if err != nil || code != 400 || !strings.Contains(string(text), "to is missing") {
		t.Errorf("without a recipient: %d, %s, %v", code, text, err)
	}
}
