package consul

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"weir/internal/backend"
)

// one returns the spec and the complaints of one instance, described in JSON.
func one(t *testing.T, node, service, checks string) (specs []backend.Spec, complaints []string) {
	t.Helper()
	var e entry
	text := fmt.Sprintf(`{"Node":%s,"Service":%s,"Checks":%s}`, node, service, checks)
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return specsOf([]entry{e}, "")
}

const plainNode = `{"Node":"n1","Address":"10.0.0.1"}`

func TestEntryToSpec(t *testing.T) {
	cases := map[string]struct {
		service, checks string
		want            backend.Spec
	}{
		"the least": {
			`{"ID":"mx","Service":"mx","Port":25}`, `null`,
			backend.Spec{Name: "n1", Address: "10.0.0.1:25", Weight: 100},
		},
		"all there is": {
			`{"ID":"x/1","Service":"mx","Address":"2001:db8::1","Port":2525,"Weights":{"Passing":7},
				"Meta":{"weir_name":"mx a","weir_cost":"20","weir_publish":"192.0.2.1"},"TaggedAddresses":{"probe":{"Address":"10.9.9.9","Port":26}}}`, `[]`,
			backend.Spec{
				Name: "mx-a", Address: "[2001:db8::1]:2525", Weight: 7, Cost: 20, Publish: netip.MustParseAddr("192.0.2.1"),
				Meta: map[string]string{"probe": "10.9.9.9:26"},
			},
		},
		"an ID, cleaned; a weight out of range; a mapped address": {
			`{"ID":"eu/mx 1","Service":"mx","Address":"::ffff:10.0.0.7","Port":25,"Weights":{"Passing":5000}}`, `[]`,
			backend.Spec{Name: "eu-mx-1", Address: "10.0.0.7:25", Weight: 1000},
		},
		"a warning stays": {
			`{"ID":"a","Service":"mx","Port":25}`, `[{"CheckID":"c","Status":"warning","Output":"load"}]`,
			backend.Spec{Name: "a", Address: "10.0.0.1:25", Weight: 100},
		},
		"critical, with a status nobody knows beside it": {
			`{"ID":"a","Service":"mx","Port":25}`, `[{"CheckID":"b","Status":"odd"},{"CheckID":"c","Name":"port 25","Status":"critical","Output":"\n dial: refused\tby it\nmore"}]`,
			backend.Spec{Name: "a", Address: "10.0.0.1:25", Weight: 100, Critical: "port 25: dial: refused by it"},
		},
		"critical, not run yet": {
			`{"ID":"a","Service":"mx","Port":25}`, `[{"CheckID":"c","Status":"critical"}]`,
			backend.Spec{Name: "a", Address: "10.0.0.1:25", Weight: 100, Critical: "c: has not passed yet"},
		},
		"maintenance of the service": {
			`{"ID":"a b","Service":"mx","Port":25}`, `[{"CheckID":"_service_maintenance:a b","Status":"critical","Notes":"kernel"}]`,
			backend.Spec{
				Name: "a-b", Address: "10.0.0.1:25", Weight: 100, Maintenance: "maintenance of service a b: kernel",
				Meta: map[string]string{"undrain": "on node n1: consul maint -disable -service='a b'"},
			},
		},
		"maintenance of both, and critical": {
			`{"ID":"a","Service":"mx","Port":25}`,
			`[{"CheckID":"x","Status":"critical","Output":"down"},{"CheckID":"_service_maintenance:a","Status":"critical","Notes":"disk"},
				{"CheckID":"_node_maintenance","Status":"critical","Notes":"Maintenance mode is enabled for this node, but no reason was provided."}]`,
			backend.Spec{
				Name: "a", Address: "10.0.0.1:25", Weight: 100, Critical: "x: down",
				Maintenance: "maintenance of node n1, without a reason given; maintenance of service a: disk",
				Meta:        map[string]string{"undrain": "on node n1: consul maint -disable && consul maint -disable -service=a"},
			},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			specs, complaints := one(t, plainNode, c.service, c.checks)
			if len(specs) != 1 || !reflect.DeepEqual(specs[0], c.want) || complaints != nil {
				t.Errorf("got  %+v %q\nwant %+v", specs, complaints, c.want)
			}
		})
	}
}

func TestMalformedEntries(t *testing.T) {
	cases := map[string]struct {
		service string
		kept    bool
		want    string
	}{
		"no port":        {`{"ID":"a"}`, false, `service "a" on node "n1": has no port (it says 0): register it with the port where SMTP is spoken; it is left out`},
		"huge port":      {`{"ID":"a","Port":70000}`, false, "has no port (it says 70000)"},
		"name":           {`{"ID":"a","Port":25,"Address":"mx.example.com"}`, false, `has the address "mx.example.com": register it with an IP address`},
		"nowhere":        {`{"ID":"a","Port":25,"Address":"0.0.0.0"}`, false, "which nobody can connect to"},
		"cost":           {`{"ID":"a","Port":25,"Meta":{"weir_cost":"cheap"}}`, true, `weir_cost "cheap" is not a whole number from 0 up; 0 is used`},
		"negative cost":  {`{"ID":"a","Port":25,"Meta":{"weir_cost":"-1"}}`, true, `weir_cost "-1"`},
		"enormous cost":  {`{"ID":"a","Port":25,"Meta":{"weir_cost":"99999999999999999999"}}`, true, "weir_cost"},
		"publish":        {`{"ID":"a","Port":25,"Meta":{"weir_publish":"mx"}}`, true, `weir_publish "mx" is not an IP address that DNS can show; it is ignored`},
		"probe's place":  {`{"ID":"a","Port":25,"TaggedAddresses":{"probe":{"Address":"mx"}}}`, true, `tagged address "probe": has the address "mx"`},
		"control bytes":  {`{"ID":"a","Port":25,"Meta":{"weir_cost":"\u001b[2J"}}`, true, `weir_cost "\x1b[2J"`},
		"zone, of a DNS": {`{"ID":"a","Port":25,"Meta":{"weir_publish":"fe80::1%eth0"}}`, true, "weir_publish"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			specs, complaints := one(t, plainNode, c.service, `[]`)
			if (len(specs) == 1) != c.kept || len(complaints) != 1 || !strings.Contains(complaints[0], c.want) {
				t.Errorf("got %+v %q", specs, complaints)
			}
		})
	}
}

// instance returns an entry with its own node and address.
func instance(node, address, id, name string) entry {
	var e entry
	e.Node.Node, e.Node.Address = node, address
	e.Service = service{ID: id, Service: "mx", Port: 25}
	if name != "" {
		e.Service.Meta = map[string]string{metaName: name}
	}
	return e
}

func TestBadEntriesSpoilNoOthers(t *testing.T) {
	entries := []entry{{}, instance("n1", "10.0.0.1", "a", "")}
	for i := range 9 {
		entries = append(entries, instance(fmt.Sprint("bad", i), "", fmt.Sprint("x", i), ""))
	}
	specs, complaints := specsOf(entries, "")
	if len(specs) != 1 || specs[0].Name != "a" {
		t.Errorf("specs %+v", specs)
	}
	if len(complaints) != maxComplaints+1 || complaints[maxComplaints] != "and 7 more mistakes in the registrations" {
		t.Errorf("complaints %q", complaints)
	}
}

func TestSharedNamesAreToldApart(t *testing.T) {
	for name, entries := range map[string][]entry{
		"by ID":   {instance("n1", "10.0.0.1", "smtp", ""), instance("n2", "10.0.0.2", "smtp", "")},
		"by Meta": {instance("n1", "10.0.0.1", "1", "smtp"), instance("n2", "10.0.0.2", "2", "smtp")},
	} {
		specs, complaints := specsOf(entries, "")
		if len(specs) != 2 || specs[0].Name != "n1-smtp" || specs[1].Name != "n2-smtp" {
			t.Errorf("%s: %+v", name, specs)
		}
		if len(complaints) != 1 || !strings.Contains(complaints[0], `several connectors are called "smtp"`) {
			t.Errorf("%s: %q", name, complaints)
		}
	}
	same := []entry{instance("n1", "10.0.0.1", "1", "smtp"), instance("n1", "10.0.0.1", "2", "smtp")}
	if specs, complaints := specsOf(same, ""); len(specs) != 1 || specs[0].Name != "smtp" || len(complaints) != 1 {
		t.Errorf("one address that is registered twice: %+v %q", specs, complaints)
	}
}

// critical and maintained return an entry with such a check.
func critical(e entry) entry {
	e.Checks = []check{{CheckID: "c", Name: "port", Status: "critical"}}
	return e
}

func maintained(e entry) entry {
	e.Checks = []check{{CheckID: "_service_maintenance:" + e.Service.ID, Status: "critical", Notes: "disk"}}
	return e
}

func created(e entry, index uint64) entry {
	e.Service.CreateIndex = index
	return e
}

// However often an address is registered, it is one connector, and the others
// take neither its name nor its place.
func TestDoublesAreOne(t *testing.T) {
	plain, named := instance("n2", "10.0.0.1", "z", ""), instance("n2", "10.0.0.1", "z", "mx-a")
	cases := map[string]struct {
		entries []entry
		want    backend.Spec
	}{
		"the lowest ID":             {[]entry{instance("n1", "10.0.0.1", "b", ""), instance("n2", "10.0.0.1", "a", "")}, backend.Spec{Name: "a"}},
		"the oldest":                {[]entry{created(instance("n1", "10.0.0.1", "b", ""), 7), created(instance("n2", "10.0.0.1", "a", ""), 9)}, backend.Spec{Name: "b"}},
		"one with a name":           {[]entry{instance("n1", "10.0.0.1", "a", ""), named}, backend.Spec{Name: "mx-a"}},
		"three of them":             {[]entry{instance("n1", "10.0.0.1", "c", ""), plain, instance("n3", "10.0.0.1", "b", "")}, backend.Spec{Name: "b"}},
		"the other one is critical": {[]entry{critical(instance("n1", "10.0.0.1", "a", "")), named}, backend.Spec{Name: "mx-a"}},
		"the kept one is critical":  {[]entry{instance("n1", "10.0.0.1", "a", ""), critical(named)}, backend.Spec{Name: "mx-a", Critical: "port: has not passed yet"}},
		"the other one is in maintenance": {[]entry{maintained(instance("n1", "10.0.0.1", "a", "")), named}, backend.Spec{
			Name: "mx-a", Maintenance: "maintenance of service a: disk",
			Meta: map[string]string{"undrain": "on node n1: consul maint -disable -service=a"},
		}},
		"both are": {[]entry{maintained(instance("n1", "10.0.0.1", "a", "")), maintained(named)}, backend.Spec{
			Name: "mx-a", Maintenance: "maintenance of service z: disk; maintenance of service a: disk",
			Meta: map[string]string{"undrain": "on node n2: consul maint -disable -service=z; on node n1: consul maint -disable -service=a"},
		}},
	}
	for name, c := range cases {
		for range 2 {
			specs, complaints := specsOf(append([]entry{instance("n0", "10.0.0.9", "x", "")}, c.entries...), "")
			c.want.Address, c.want.Weight = "10.0.0.1:25", backend.DefaultWeight
			if len(specs) != 2 || !reflect.DeepEqual(specs[1], c.want) {
				t.Errorf("%s: got %+v\nwant %+v", name, specs, c.want)
			}
			if len(complaints) != 1 || !strings.Contains(complaints[0], "registrations have the address 10.0.0.1:25 (service ") {
				t.Errorf("%s: %q", name, complaints)
			}
			slices.Reverse(c.entries)
		}
	}
}

func TestAnyEntryIsSafe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"10.0.0.1", "::1", "mx", "", "0"}))
		gen := rapid.Custom(func(t *rapid.T) entry {
			e := instance(text.Draw(t, "node"), text.Draw(t, "address"), text.Draw(t, "id"), text.Draw(t, "name"))
			e.Service.Port = rapid.IntRange(-1, 70000).Draw(t, "port")
			e.Service.Weights.Passing = rapid.Int().Draw(t, "weight")
			e.Service.Meta = map[string]string{metaName: text.Draw(t, "n"), metaCost: text.Draw(t, "c"), metaPublish: text.Draw(t, "p")}
			e.Checks = []check{{CheckID: text.Draw(t, "check"), Status: "critical", Output: text.Draw(t, "out"), Notes: text.Draw(t, "notes")}}
			return e
		})
		entries := rapid.SliceOfN(gen, 0, 8).Draw(t, "entries")
		specs, complaints := specsOf(entries, "")
		if len(specs) < len(entries) && len(complaints) == 0 {
			t.Fatal("an entry was dropped in silence")
		}
		for _, s := range specs {
			if _, err := netip.ParseAddrPort(s.Address); err != nil || s.Weight < 1 || s.Weight > maxWeight || s.Cost < 0 || s.Name != cleanName(s.Name) {
				t.Fatalf("bad spec %+v", s)
			}
			if strings.ContainsAny(s.Critical+s.Maintenance, "\n\r\x00") {
				t.Fatalf("words of more than a line: %q %q", s.Critical, s.Maintenance)
			}
		}
	})
}
