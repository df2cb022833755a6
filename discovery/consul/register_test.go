package consul

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/hashicorp/consul/api"
)

// transport is a client's whole world as a func.
type transport func(*http.Request) (*http.Response, error)

// RoundTrip implements [http.RoundTripper].
func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func clientOf(t *testing.T, f transport) *api.Client {
	t.Helper()
	c, err := api.NewClient(&api.Config{Address: "127.0.0.1:8500", HttpClient: &http.Client{Transport: f}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRegister(t *testing.T) {
	var asked *http.Request
	var told api.AgentServiceRegistration
	client := clientOf(t, func(r *http.Request) (*http.Response, error) {
		asked = r
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		return respond(r, http.StatusOK, "", nil), json.Unmarshal(body, &told)
	})
	err := Register(t.Context(), client, Registration{Service: "connector-internet", Address: "[2001:db8::1]:25", Name: "mx-a", Cost: 10})
	if err != nil {
		t.Fatal(err)
	}
	if asked.Method != http.MethodPut || asked.URL.Path != "/v1/agent/service/register" || asked.URL.Query().Get("replace-existing-checks") != "true" {
		t.Errorf("asked %s %s", asked.Method, asked.URL)
	}
	if told.ID != "weir-connector-internet-mx-a" || told.Name != "connector-internet" || told.Address != "2001:db8::1" || told.Port != 25 ||
		told.Weights.Passing != 100 || told.Meta[metaName] != "mx-a" || told.Meta[metaCost] != "10" {
		t.Errorf("told %+v", told)
	}
	c := told.Check
	if c.TCP != "[2001:db8::1]:25" || c.Interval != "5s" || c.Timeout != "3s" || c.DeregisterCriticalServiceAfter != "" {
		t.Errorf("check %+v", c)
	}
	if err := Register(t.Context(), client, Registration{Service: "mx", Address: "[::1]:25", Weight: 7}); err != nil {
		t.Fatal(err)
	}
	if told.Meta[metaName] != "::1:25" || told.ID != "weir-mx-::1:25" || told.Weights.Passing != 7 {
		t.Errorf("without a name: %+v", told)
	}
}

func TestRegisterRefusesNonsense(t *testing.T) {
	good := Registration{Service: "mx", Address: "10.0.0.1:25"}
	cases := map[string]struct {
		change func(*Registration)
		want   string
	}{
		"no service":   {func(r *Registration) { r.Service = "" }, "no service is named"},
		"odd service":  {func(r *Registration) { r.Service = "a/b" }, `"a/b" is not a service's name`},
		"host name":    {func(r *Registration) { r.Address = "mx:25" }, "give IP:port"},
		"no port":      {func(r *Registration) { r.Address = "10.0.0.1" }, "give IP:port"},
		"nowhere":      {func(r *Registration) { r.Address = "0.0.0.0:25" }, "cannot be dialled"},
		"weight":       {func(r *Registration) { r.Weight = 1001 }, "not within 1 … 1000"},
		"cost":         {func(r *Registration) { r.Cost = -1 }, "lowest tier is 0"},
		"name":         {func(r *Registration) { r.Name = "mx a" }, `such as "mx-a"`},
		"name of ages": {func(r *Registration) { r.Name = strings.Repeat("x", 65) }, "up to 64"},
	}
	for name, c := range cases {
		r := good
		c.change(&r)
		err := Register(t.Context(), clientOf(t, nil), r) // asking would panic
		if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), "that can be dialled", "cannot be dialled"), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

const registered = `{
	"weir-mx-a":{"ID":"weir-mx-a","Service":"mx","Address":"10.0.0.1","Port":25,"Meta":{"weir_name":"a"}},
	"by-file":{"ID":"by-file","Service":"mx","Address":"10.0.0.2","Port":25},
	"twice":{"ID":"twice","Service":"mx","Address":"10.0.0.2","Port":25},
	"weir-fax-a":{"ID":"weir-fax-a","Service":"fax","Address":"10.0.0.1","Port":26,"Meta":{"weir_name":"a"}},
	"nobody":null}`

func TestDeregister(t *testing.T) {
	cases := map[string]struct{ service, which, gone, want string }{
		"by name":     {"mx", "a", "weir-mx-a", ""},
		"by ID":       {"mx", "by-file", "by-file", ""},
		"by address":  {"fax", "10.0.0.1:26", "weir-fax-a", ""},
		"not here":    {"mx", "b", "", "this agent does not have it; of service \"mx\" it has a, by-file, twice;"},
		"no service":  {"notes", "a", "", `this agent has no connector of service "notes": run this on the machine`},
		"two of them": {"mx", "10.0.0.2:25", "", "say which by its ID, by-file or twice"},
	}
	for name, c := range cases {
		gone := ""
		client := clientOf(t, func(r *http.Request) (*http.Response, error) {
			if id, ok := strings.CutPrefix(r.URL.Path, "/v1/agent/service/deregister/"); ok {
				gone = id
				return respond(r, http.StatusOK, "", nil), nil
			}
			return respond(r, http.StatusOK, registered, nil), nil
		})
		err := Deregister(t.Context(), client, c.service, c.which)
		if gone != c.gone || (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %q went, %v", name, gone, err)
		}
	}
}

func TestWritingFails(t *testing.T) {
	r := Registration{Service: "mx", Address: "10.0.0.1:25", Name: "a"}
	denied := clientOf(t, func(r *http.Request) (*http.Response, error) {
		return respond(r, http.StatusForbidden, "Permission denied: token lacks 'service:write'", nil), nil
	})
	if err := Register(t.Context(), denied, r); err == nil || err.Error() != `registering a: the token may not register service "mx": it needs service:write` {
		t.Errorf("got %v", err)
	}
	refused := clientOf(t, func(*http.Request) (*http.Response, error) { return nil, syscall.ECONNREFUSED })
	err := Deregister(t.Context(), refused, "mx", "a")
	if !errors.Is(err, syscall.ECONNREFUSED) || !strings.Contains(err.Error(), "nothing listens at 127.0.0.1:8500: start") {
		t.Errorf("got %v", err)
	}
}

func TestWritingToFrozenAgentEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		frozen := clientOf(t, func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, context.Cause(r.Context())
		})
		err := Register(t.Context(), frozen, Registration{Service: "mx", Address: "10.0.0.1:25"})
		if !errors.Is(err, errSilent) || !strings.Contains(err.Error(), "does not answer") {
			t.Errorf("got %v", err)
		}
	})
}
