package discovery

import (
	"net/netip"
	"reflect"
	"testing"

	"weir/internal/backend"
)

func TestMergeByAddress(t *testing.T) {
	shown := netip.MustParseAddr("192.0.2.1")
	got := Merge("p", []Set{
		{Source: "config", Specs: []backend.Spec{{Name: "b", Address: "10.0.0.2:25", Weight: 7, Meta: map[string]string{"mine": "1"}}, {Name: "a", Address: "10.0.0.1:25"}}},
		{Source: "consul", Specs: []backend.Spec{
			{Name: "x", Address: "10.0.0.2:25", Weight: 100, Maintenance: "kernel", Publish: shown, Meta: map[string]string{"mine": "2", "undrain": "so"}},
			{Name: "c", Address: "10.0.0.3:25", Critical: "tcp"},
		}},
	})
	want := []backend.Spec{
		{Pool: "p", Name: "a", Address: "10.0.0.1:25", Sources: []string{"config"}},
		{Pool: "p", Name: "b", Address: "10.0.0.2:25", Weight: 7, Maintenance: "kernel", Publish: shown, Meta: map[string]string{"mine": "1", "undrain": "so"}, Sources: []string{"config", "consul"}},
		{Pool: "p", Name: "c", Address: "10.0.0.3:25", Critical: "tcp", Sources: []string{"consul"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestMergeKeepsNamesApart(t *testing.T) {
	got := Merge("p", []Set{
		{Source: "one", Specs: []backend.Spec{spec("mx", "10.0.0.1:25"), spec("10.0.0.2:25", "10.0.0.4:25"), spec("", "[2001:db8::1]:25")}},
		{Source: "two", Specs: []backend.Spec{spec("mx", "10.0.0.2:25"), spec("mx", "10.0.0.3:25")}},
	})
	var names []string
	for _, m := range got {
		names = append(names, m.Name+"="+m.Address)
	}
	want := []string{
		"10.0.0.2:25=10.0.0.4:25", "10.0.0.2:25_=10.0.0.2:25", "10.0.0.3:25=10.0.0.3:25",
		"2001:db8::1:25=[2001:db8::1]:25", "mx=10.0.0.1:25",
	}
	if !reflect.DeepEqual(names, want) {
		t.Errorf("got  %q\nwant %q", names, want)
	}
}
