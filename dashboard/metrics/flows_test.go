package metrics

import (
	"reflect"
	"testing"
	"time"

	"weir/dashboard"
	"weir/internal/backend"
	"weir/internal/events"
)

func TestTraffic(t *testing.T) {
	m := New(Deps{Registry: backend.NewRegistry(nil), Events: events.NewLog(1)})
	for _, tt := range []struct {
		listener, pool, connector, outcome, by string
		class                                  int
	}{
		{"inbound", "internet", "a", "delivered", "connector", 2},
		{"inbound", "internet", "b", "deferred", "connector", 4},
		{"inbound", "internet", "", "deferred", "weir", 4},
		{"inbound", "fax", "c", "delivered", "connector", 2},
		{"fax", "fax", "c", "aborted", "", 0},
	} {
		m.Meter().Transaction(tt.listener, tt.pool, tt.connector, tt.outcome, tt.by, tt.class, &[backend.Stages]time.Duration{}, 0)
	}
	want := dashboard.Traffic{Deferred: 1, Routes: []dashboard.RouteTraffic{
		{Listener: "fax", Pool: "fax", Transactions: 1},
		{Listener: "inbound", Pool: "fax", Transactions: 1},
		{Listener: "inbound", Pool: "internet", Transactions: 3},
	}}
	if got := m.Traffic(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}
