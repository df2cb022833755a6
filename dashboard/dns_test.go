package dashboard

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// zones is a [DNS] of functions.
type zones struct {
	dns     func() []DNSStatus
	freeze  func(zone, reason, by string) error
	thaw    func(zone, by string) error
	release func(zone, by string) error
}

func (z *zones) DNS() []DNSStatus { return z.dns() }
func (z *zones) Freeze(_ context.Context, zone, reason, by string) error {
	return z.freeze(zone, reason, by)
}
func (z *zones) Thaw(_ context.Context, zone, by string) error    { return z.thaw(zone, by) }
func (z *zones) Release(_ context.Context, zone, by string) error { return z.release(zone, by) }

// twoZones are one that waits for something, and one that is frozen and in trouble.
func twoZones(now time.Time) *zones {
	until := now.Add(time.Minute)
	return &zones{dns: func() []DNSStatus {
		return []DNSStatus{
			{
				Zone: "example.com", Mode: "update", Leader: true, Epoch: 7, Serial: 2026112201, LastWrite: &now, LagSeconds: 1.23456789,
				Writes: map[string]int64{"written": 3},
				Sets: []DNSSet{
					{Name: "mx-pool.example.com.", Type: "A", Published: []string{"192.0.2.1", "192.0.2.2"}, Desired: []string{"192.0.2.1", "192.0.2.2"}, Held: []DNSHold{{Record: "192.0.2.2", Why: "is <down>, for less than hold_down", Until: &until}}},
					{Name: "example.com.", Type: "MX"},
				},
			},
			{Zone: "example.net", Mode: "serve", DryRun: true, Frozen: &DNSFreeze{Since: now, By: "alice", Reason: "it moves"}, LastError: "the key is refused"},
		}
	}}
}

func TestOrdersAboutZones(t *testing.T) {
	did := ""
	z := twoZones(time.Now())
	z.freeze = func(zone, reason, by string) error {
		did = "freeze " + zone + " because " + reason + " by " + by
		return nil
	}
	z.thaw = func(zone, by string) error {
		did = "thaw " + zone + " by " + by
		return errors.New("disk full")
	}
	z.release = func(zone, by string) error {
		did = "release " + zone + " by " + by
		return fmt.Errorf("%w: another replica leads", ErrConflict)
	}
	s, _ := newServer()
	s.SetAccess(Access{Anonymous: RoleOperate})
	s.deps.DNS = z
	for _, tt := range []struct {
		method, path, body string
		code               int
		want, did          string
	}{
		{"POST", "/v1/dns/example.com/freeze", `{"reason":"it moves"}`, 200, `{"zone":"example.com","mode":"update",`, "freeze example.com because it moves by anonymous"},
		{"POST", "/v1/dns/Example.COM./freeze", "", 200, `{"zone":"example.com"`, "freeze example.com because  by anonymous"},
		{"POST", "/v1/dns/example%2Ecom/thaw", "{}", 500, `{"error":"disk full"}`, "thaw example.com by anonymous"},
		{"POST", "/v1/dns/example.net/release", "", 409, `{"error":"not possible now: another replica leads"}`, "release example.net by anonymous"},
		{"POST", "/v1/dns/example.org/freeze", "", 404, `{"error":"no such zone: example.org"}`, ""},
		{"POST", "/v1/dns/example.com/melt", "", 404, `{"error":"no such path: /v1/dns/example.com/melt"}`, ""},
		{"POST", "/v1/dns/example.com", "", 404, `{"error":"no such path`, ""},
		{"GET", "/v1/dns/example.com/freeze", "", 405, `{"error":"GET is not possible here, only POST"}`, ""},
		{"POST", "/v1/dns/example.com/freeze", `{"because":"x"}`, 400, `{"error":"the body must be nothing, or like {\"reason\": \"the primary moves\"}: `, ""},
		{"POST", "/v1/dns/example.com/freeze", `{"reason":"` + strings.Repeat("x", MaxReason+1) + `"}`, 400, `{"error":"the reason is too long`, ""},
	} {
		did = ""
		w := tell(s, tt.method, tt.path, tt.body)
		if w.Code != tt.code || !strings.HasPrefix(w.Body.String(), tt.want) || did != tt.did {
			t.Errorf("%s %s %s: answered %d %s and did %q, want %d %s and %q", tt.method, tt.path, tt.body, w.Code, w.Body, did, tt.code, tt.want, tt.did)
		}
	}
}

func TestOrdersAboutZonesNeedTheirRole(t *testing.T) {
	s, _ := newServer()
	s.deps.DNS = twoZones(time.Now())
	for role, code := range map[Role]int{RoleRead: 403, RoleNone: 401} {
		s.SetAccess(Access{Anonymous: role})
		if w := tell(s, "POST", "/v1/dns/example.com/freeze", ""); w.Code != code {
			t.Errorf("with role %v: answered %d %s, want %d", role, w.Code, w.Body, code)
		}
	}
}

func TestNoZones(t *testing.T) {
	s, _ := newServer()
	s.SetAccess(Access{Anonymous: RoleOperate})
	if w := tell(s, "POST", "/v1/dns/example.com/freeze", ""); w.Code != 404 {
		t.Errorf("answered %d %s", w.Code, w.Body)
	}
	if got := s.status().DNS; got == nil || len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

func TestZonesThatNeedAPerson(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	soon, past := now.Add(time.Second), now.Add(-time.Hour)
	for _, tt := range []struct {
		name string
		zone DNSStatus
		want []string
	}{
		{"all is well", DNSStatus{LagSeconds: 30, Sets: []DNSSet{{Held: []DNSHold{{Why: "waits", Until: &soon}, {Why: "at the floor"}}}}}, nil},
		{"frozen", DNSStatus{Frozen: &DNSFreeze{Since: past, By: "alice", Reason: "it moves"}, LagSeconds: 3600}, []string{
			"zone z is frozen since 2026-11-22T11:00:00Z by alice: nothing is written (it moves)",
		}},
		{"released", DNSStatus{Frozen: &DNSFreeze{Since: past, Released: true}}, []string{"zone z is released since 2026-11-22T11:00:00Z: nothing is written"}},
		{"an error", DNSStatus{LastError: "the key is refused"}, []string{"zone z: the key is refused"}},
		{"late", DNSStatus{LagSeconds: 180, LastError: "the key is refused"}, []string{"zone z has not been what it should be for 3m0s (the key is refused)"}},
		{"a dry run", DNSStatus{LagSeconds: 180, DryRun: true}, nil},
		{"held too long", DNSStatus{Sets: []DNSSet{{Name: "mx.z.", Type: "A", Held: []DNSHold{{Record: "192.0.2.1", Why: "was down", Until: &past}, {Until: &past}}}}}, []string{
			"zone z: 192.0.2.1 of mx.z. A is held since 2026-11-22T11:00:00Z, when that should have ended (was down)",
			"zone z: the set of mx.z. A is held since 2026-11-22T11:00:00Z, when that should have ended",
		}},
	} {
		tt.zone.Zone = "z"
		f := facts{now: now, zones: []DNSStatus{tt.zone}}
		if got := f.zoneWords(); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}
