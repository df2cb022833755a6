package dns

import (
	"net/netip"
	"strings"
	"testing"

	mdns "github.com/miekg/dns"
	"pgregory.net/rapid"

	"weir/internal/backend"
)

func TestAddressOf(t *testing.T) {
	tests := []struct{ address, publish, want string }{
		{"10.0.0.1:25", "", "10.0.0.1"},
		{"10.0.0.1:25", "192.0.2.1", "192.0.2.1"},
		{"[2001:db8::1]:25", "", "2001:db8::1"},
		{"[::ffff:192.0.2.1]:25", "", "192.0.2.1"},
		{"10.0.0.1:25", "::ffff:192.0.2.1", "192.0.2.1"},
		{"127.0.0.1:25", "", "127.0.0.1"},
		{"[fe80::1%eth0]:25", "", "invalid IP"},
		{"0.0.0.0:25", "", "invalid IP"},
		{"mx.example.com:25", "", "invalid IP"},
		{"mx.example.com:25", "192.0.2.1", "192.0.2.1"},
		{"10.0.0.1:25", "224.0.0.1", "invalid IP"},
	}
	for _, tc := range tests {
		spec := backend.Spec{Address: tc.address}
		if tc.publish != "" {
			spec.Publish = netip.MustParseAddr(tc.publish)
		}
		if got := addressOf(spec).String(); got != tc.want {
			t.Errorf("%s publish %q: %s, want %s", tc.address, tc.publish, got, tc.want)
		}
	}
}

func TestLabel(t *testing.T) {
	tests := map[string]string{
		"mx-a":           "mx-a",
		"MX_A":           "mx-a",
		"10.0.0.11:25":   "10-0-0-11-25",
		"mx.example.com": "mx-example-com",
		"-fax-":          "fax",
		"":               "connector-811c9dc5",
	}
	for name, want := range tests {
		if got := label(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func TestLabelsAreSafe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		got := label(rapid.String().Draw(t, "name"))
		if len(got) == 0 || len(got) > maxLabel || strings.Trim(got, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" ||
			got[0] == '-' || got[len(got)-1] == '-' {
			t.Fatalf("%q", got)
		}
	})
}

func TestLongNamesStayApart(t *testing.T) {
	a, b := strings.Repeat("x", 80)+"a", strings.Repeat("x", 80)+"b"
	if label(a) == label(b) {
		t.Errorf("both are %s", label(a))
	}
}

func TestKeyOf(t *testing.T) {
	tests := []struct {
		kind         uint16
		record, want string
	}{
		{mdns.TypeA, "192.0.2.1", "192.0.2.1"},
		{mdns.TypeAAAA, "2001:DB8:0::1", "2001:db8::1"},
		{mdns.TypeMX, "10 MX-A.example.com.", "mx-a.example.com."},
		{mdns.TypeSRV, "0 100 25 a.example.com.", "a.example.com."},
		{mdns.TypeMX, "0 .", "."},
		{mdns.TypeSRV, "garbage", "garbage"},
	}
	for _, tc := range tests {
		if got := keyOf(tc.kind, tc.record); got != tc.want {
			t.Errorf("%q: %q, want %q", tc.record, got, tc.want)
		}
	}
}

func TestPortOf(t *testing.T) {
	for address, want := range map[string]uint16{"10.0.0.1:2525": 2525, "[::1]:587": 587, "10.0.0.1": 25, "x:y": 25} {
		if got := portOf(address); got != want {
			t.Errorf("%s: %d, want %d", address, got, want)
		}
	}
}
