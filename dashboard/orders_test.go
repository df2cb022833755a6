package dashboard

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"weir/internal/backend"
	"weir/internal/events"
)

// controller is a [Controller] of functions.
type controller struct {
	order   func(context.Context, backend.ID, Order) (OrderAnswer, error)
	look    func(backend.ID) OrderAnswer
	standby func(bool, string) error
}

func (c *controller) Order(ctx context.Context, id backend.ID, o Order) (OrderAnswer, error) {
	return c.order(ctx, id, o)
}
func (c *controller) Look(id backend.ID) OrderAnswer   { return c.look(id) }
func (c *controller) Standby(on bool, by string) error { return c.standby(on, by) }

// ordered is a server that does what it is told, unless the reason says why not.
func ordered() (s *Server, did *string) {
	s, _ = newServer()
	s.SetAccess(Access{Anonymous: RoleOperate})
	did = new(string)
	answer := func(id backend.ID) OrderAnswer {
		return OrderAnswer{ID: id.String(), State: "drain", Replicas: []ReplicaShare{{Name: "a", Self: true, Seen: true, State: "drain"}}, Safe: true}
	}
	s.deps.Controller = &controller{
		order: func(_ context.Context, id backend.ID, o Order) (OrderAnswer, error) {
			switch o.Reason {
			case "empties":
				return OrderAnswer{}, fmt.Errorf("%w: it is the last one", ErrEmpties)
			case "conflict":
				return OrderAnswer{}, fmt.Errorf("%w: Consul says so", ErrConflict)
			case "held":
				return OrderAnswer{ID: id.String(), State: "drain"}, fmt.Errorf("%w; still in maintenance", ErrHeld)
			case "unshared":
				return OrderAnswer{ID: id.String(), State: "drain"}, fmt.Errorf("%w: b was not told", ErrNotShared)
			case "unknown":
				return OrderAnswer{}, fmt.Errorf("looking for %s: %w", id, ErrUnknown)
			case "late":
				return OrderAnswer{}, context.DeadlineExceeded
			case "broken":
				return OrderAnswer{}, errors.New("disk full")
			}
			*did = fmt.Sprintf("%s %s by %s because %q force %v for %v", o.Verb, id, o.By, o.Reason, o.Force, o.For)
			return answer(id), nil
		},
		look: answer,
		standby: func(on bool, by string) error {
			if by != "anonymous" {
				return errors.New("by " + by)
			}
			s.SetStandby(on)
			return nil
		},
	}
	return s, did
}

func TestOrders(t *testing.T) {
	const (
		drained = `{"id":"internet/mx-a","state":"drain","inflight":0,"safe":true,"replicas":[{"name":"a","self":true,"seen":true,"state":"drain","inflight":0}]}`
		badBody = `{"error":"the body must be nothing, or like {\"reason\": \"new disk\", \"for\": \"2h\"}: `
		badFor  = `{"error":"for wants a duration such as 2h or 30m, above 0 and at most a year"}`
		plain   = ` internet/mx-a by anonymous because "" force false for 0s`
		on      = "/v1/backends/internet/mx-a/"
	)
	for _, tt := range []struct {
		method, path, body string
		code               int
		want, did          string
	}{
		{"POST", on + "drain", "", 200, drained, "drain" + plain},
		{"POST", on + "undrain", "{}", 200, drained, "undrain" + plain},
		{"POST", on + "disable", "", 200, drained, "disable" + plain},
		{"POST", on + "enable", " \n", 200, drained, "enable" + plain},
		{"POST", "/v1/backends/mx-a/drain", "", 200, drained, "drain" + plain},
		{"POST", "/v1/backends/internet/mx%2Da/drain", "", 200, drained, "drain" + plain},
		{"POST", on + "drain", `{"reason":"new disk","force":true,"for":"2h30m"}`, 200, drained, `drain internet/mx-a by anonymous because "new disk" force true for 2h30m0s`},
		{"POST", on + "drain", `{"reason":"empties"}`, 409, `{"error":"refused: it is the last one"}`, ""},
		{"POST", on + "undrain", `{"reason":"conflict"}`, 409, `{"error":"not possible now: Consul says so"}`, ""},
		{"POST", on + "undrain", `{"reason":"held"}`, 409, `{"id":"internet/mx-a","state":"drain","inflight":0,"safe":false,"replicas":[],"error":"weir's own flag is lifted; still in maintenance"}`, ""},
		{"POST", on + "drain", `{"reason":"unshared"}`, 502, `{"id":"internet/mx-a","state":"drain","inflight":0,"safe":false,"replicas":[],"error":"not shared: b was not told"}`, ""},
		{"POST", on + "undrain", `{"reason":"unknown"}`, 404, `{"error":"looking for internet/mx-a: no such connector"}`, ""},
		{"POST", on + "drain", `{"reason":"late"}`, 504, `{"error":"context deadline exceeded"}`, ""},
		{"POST", on + "drain", `{"reason":"broken"}`, 500, `{"error":"disk full"}`, ""},
		{"POST", on + "drain", `{"for":"0s"}`, 400, badFor, ""},
		{"POST", on + "drain", `{"for":"-2h"}`, 400, badFor, ""},
		{"POST", on + "drain", `{"for":"2 hours"}`, 400, badFor, ""},
		{"POST", on + "drain", `{"for":"100000h"}`, 400, badFor, ""},
		{"POST", on + "undrain", `{"for":"2h"}`, 400, `{"error":"for goes with drain and disable, which it ends: undrain ends nothing by itself"}`, ""},
		{"POST", on + "drain", `{"reason":"` + strings.Repeat("x", MaxReason+1) + `"}`, 400, `{"error":"the reason is too long: a sentence is enough"}`, ""},
		{"POST", on + "drain", `{"why":"x"}`, 400, badBody, ""},
		{"POST", on + "drain", `{"force":"yes"}`, 400, badBody, ""},
		{"POST", on + "drain", `{} {}`, 400, badBody, ""},
		{"POST", on + "drain", `{} x`, 400, badBody, ""},
		{"POST", on + "drain", `reboot`, 400, badBody, ""},
		{"POST", on + "drain", `{"reason":"` + strings.Repeat("x", maxBody) + `"}`, 413, `{"error":"the body has more than 4 KiB: it must be nothing, or as short as {`, ""},
		{"POST", "/v1/backends/internet/mx-c/drain", "", 404, `{"error":"no connector \"internet/mx-c\"; there are internet/mx-a, internet/mx-b, fax/fax-a"}`, ""},
		{"POST", on + "reboot", "", 404, `{"error":"no such path: ` + on + `reboot"}`, ""},
		{"PUT", on + "drain", "", 405, `{"error":"PUT is not possible here, only POST"}`, ""},
		{"GET", on + "drain", "", 405, `{"error":"GET is not possible here, only POST"}`, ""},
		{"GET", "/v1/backends/internet/mx-a", "", 200, drained, ""},
		{"GET", "/v1/backends/mx-a", "", 200, drained, ""},
		{"GET", "/v1/backends/mx-c", "", 404, `{"error":"no connector \"mx-c\"; there are internet/mx-a`, ""},
		{"GET", on + "stage", "", 404, `{"error":"no such path: ` + on + `stage"}`, ""},
		{"POST", on + "probe", "", 501, `{"error":"probe is not possible here: this weir was started without it"}`, ""},
	} {
		s, did := ordered()
		w := tell(s, tt.method, tt.path, tt.body)
		if w.Code != tt.code || !strings.HasPrefix(w.Body.String(), tt.want) || *did != tt.did {
			t.Errorf("%s %s %.60s: got %d %s, did %q; want %d %s, %q", tt.method, tt.path, tt.body, w.Code, w.Body, *did, tt.code, tt.want, tt.did)
		}
	}
}

// A connector that has left discovery may be waited for, and its flag lifted, but
// it takes no other orders.
func TestDepartedConnector(t *testing.T) {
	s, did := ordered()
	s.deps.Events.Append(events.OfBackend(backend.ID{Pool: "internet", Name: "mx-z"}, "", "drain", "", "alice"))
	for request, want := range map[string]int{
		"GET /v1/backends/internet/mx-z":          200,
		"POST /v1/backends/internet/mx-z/undrain": 200,
		"POST /v1/backends/internet/mx-z/enable":  200,
		"POST /v1/backends/internet/mx-z/drain":   404,
		"POST /v1/backends/internet/mx-z/disable": 404,
		"POST /v1/backends/mx-z/undrain":          404,
		"GET /v1/backends/mx-z":                   404,
		"GET /v1/backends/fax/mx-z":               404,
	} {
		*did = ""
		method, path, _ := strings.Cut(request, " ")
		w := ask(s, method, path)
		if w.Code != want || want == 404 && *did != "" {
			t.Errorf("%s: %d %s, did %q", request, w.Code, w.Body, *did)
		}
		if want == 200 && !strings.HasPrefix(w.Body.String(), `{"id":"internet/mx-z",`) {
			t.Errorf("%s: %s", request, w.Body)
		}
	}
}

func TestOrdersWithoutAController(t *testing.T) {
	s, _ := newServer()
	s.SetAccess(Access{Anonymous: RoleOperate})
	for _, request := range []string{"POST /v1/backends/mx-a/drain", "GET /v1/backends/mx-a", "POST /v1/standby", "POST /v1/reload", "GET /v1/config"} {
		method, path, _ := strings.Cut(request, " ")
		if w := ask(s, method, path); w.Code != 501 || !strings.Contains(w.Body.String(), "this weir") {
			t.Errorf("%s: %d %s", request, w.Code, w.Body)
		}
	}
}

// An order is carried out wholly: a client that goes does not end it half-way.
func TestOrderOutlivesItsClient(t *testing.T) {
	s, _ := ordered()
	r := localRequest("POST", "/v1/backends/mx-a/drain", "")
	ctx, cancel := context.WithCancel(t.Context())
	s.deps.Controller.(*controller).order = func(ctx context.Context, _ backend.ID, _ Order) (OrderAnswer, error) {
		cancel()
		_, bounded := ctx.Deadline()
		if !bounded {
			t.Error("the order has no bound")
		}
		return OrderAnswer{}, ctx.Err()
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r.WithContext(ctx))
	if w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestStandby(t *testing.T) {
	s, _ := ordered()
	s.SetReady(true)
	for _, tt := range []struct {
		body, answer string
		ready        int
	}{
		{"", `{"standby":true}`, 503},
		{`{"off":true}`, `{"standby":false}`, 200},
		{`{"off":false}`, `{"standby":true}`, 503},
	} {
		if w := tell(s, "POST", "/v1/standby", tt.body); w.Code != 200 || strings.TrimSpace(w.Body.String()) != tt.answer {
			t.Errorf("%s: %d %s", tt.body, w.Code, w.Body)
		}
		if w := ask(s, "GET", "/readyz"); w.Code != tt.ready {
			t.Errorf("after %s: %d %s", tt.body, w.Code, w.Body)
		}
	}
	const want = `"ready":false,"standby":true,"verdict":"not ready: in standby; `
	if got := ask(s, "GET", "/v1/status").Body.String(); !strings.Contains(got, want) {
		t.Errorf("the status lacks %s: %s", want, got)
	}
	if w := tell(s, "POST", "/v1/standby", "off"); w.Code != 400 {
		t.Errorf("a body that is none: %d", w.Code)
	}
	s.deps.Controller.(*controller).standby = func(bool, string) error { return fmt.Errorf("%w: no", ErrConflict) }
	if w := tell(s, "POST", "/v1/standby", ""); w.Code != 409 {
		t.Errorf("a refusal: %d", w.Code)
	}
}

type reloader struct {
	reload func(bool, string) ([]string, error)
	config func(bool) (string, error)
}

func (r reloader) Reload(previous bool, by string) ([]string, error) { return r.reload(previous, by) }
func (r reloader) Config(diff bool) (string, error)                  { return r.config(diff) }

func TestReload(t *testing.T) {
	s, _ := newServer()
	s.SetAccess(Access{Anonymous: RoleOperate})
	s.deps.Reloader = reloader{reload: func(previous bool, by string) ([]string, error) {
		if by != "anonymous" {
			return nil, errors.New("by " + by)
		}
		if previous {
			return nil, errors.New("weir.yaml:3: one <mistake>\nweir.yaml:9: another")
		}
		return []string{"pool fax: new"}, nil
	}}
	for _, tt := range []struct {
		body string
		code int
		want string
	}{
		{"", 200, `{"changes":["pool fax: new"]}`},
		{"{}", 200, `{"changes":["pool fax: new"]}`},
		{`{"previous":true}`, 400, `{"changes":[],"error":"weir.yaml:3: one <mistake>\nweir.yaml:9: another"}`},
		{`{"file":"/etc/passwd"}`, 400, `{"error":"the body must be nothing, or like {\"previous\": true}: reading JSON: json: unknown field \"file\""}`},
	} {
		if w := tell(s, "POST", "/v1/reload", tt.body); w.Code != tt.code || strings.TrimSpace(w.Body.String()) != tt.want {
			t.Errorf("%s: %d %s", tt.body, w.Code, w.Body)
		}
	}
	if w := ask(s, "GET", "/v1/reload"); w.Code != 405 || w.Header().Get("Allow") != "POST" {
		t.Errorf("GET: %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
}

func TestConfig(t *testing.T) {
	s, _ := newServer()
	s.deps.Reloader = reloader{config: func(diff bool) (string, error) { return fmt.Sprintf("diff: %v\n", diff), nil }}
	for path, want := range map[string]string{
		"/v1/config": "diff: false\n", "/v1/config?diff=1": "diff: true\n", "/v1/config?diff=0": "diff: false\n",
	} {
		w := ask(s, "GET", path)
		if w.Code != 200 || w.Body.String() != want || w.Header().Get("Content-Type") != "application/yaml" {
			t.Errorf("%s: %d %s %v", path, w.Code, w.Body, w.Header())
		}
	}
	if w := ask(s, "GET", "/v1/config?diff=yes"); w.Code != 400 {
		t.Errorf("diff=yes: %d", w.Code)
	}
	s.deps.Reloader = reloader{config: func(bool) (string, error) { return "", errors.New("gone") }}
	if w := ask(s, "GET", "/v1/config"); w.Code != 500 {
		t.Errorf("an error: %d", w.Code)
	}
}

// A flag whose connector no source knows can be lifted, though after a restart no
// event tells of that connector.
func TestLiftingTheFlagOfAnAbsentConnector(t *testing.T) {
	s, did := ordered()
	s.deps.Cluster = shared{flags: Flags{Absent: []AbsentFlag{{ID: "internet/old"}}}}
	if w := tell(s, "POST", "/v1/backends/internet/old/undrain", ""); w.Code != 200 || !strings.HasPrefix(*did, "undrain internet/old") {
		t.Errorf("undrain: %d %s, did %q", w.Code, w.Body, *did)
	}
	if w := tell(s, "GET", "/v1/backends/internet/old", ""); w.Code != 200 {
		t.Errorf("look: %d %s", w.Code, w.Body)
	}
	for _, path := range []string{"/v1/backends/internet/old/drain", "/v1/backends/internet/older/undrain"} {
		if w := tell(s, "POST", path, ""); w.Code != 404 {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}
