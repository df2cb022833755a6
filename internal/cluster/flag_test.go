package cluster

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir/internal/backend"
)

func TestFlagMeans(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		name string
		flag flag
		want backend.Admin
	}{
		{"nothing", flag{}, backend.AdminEnabled},
		{"drain", flag{Drained: true}, backend.AdminDrain},
		{"disabled", flag{Disabled: true}, backend.AdminDisabled},
		{"both", flag{Drained: true, Disabled: true}, backend.AdminDisabled},
		{"not over", flag{Drained: true, Until: now.Add(1)}, backend.AdminDrain},
		{"over", flag{Drained: true, Until: now}, backend.AdminEnabled},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			if got := tc.flag.admin(now); got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
}

func TestFlagText(t *testing.T) {
	f := flag{Drained: true, Who: "alice", Why: "reboot", When: time.Date(2026, 1, 31, 12, 0, 0, 5, time.UTC)}
	want := `{"drained":true,"disabled":false,"who":"alice","when":"2026-01-31T12:00:00.000000005Z","why":"reboot"}`
	if got := string(f.encode()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, err := decodeFlag(f.encode(), f.When); err != nil || !got.same(f) {
		t.Errorf("read back as %+v, %v", got, err)
	}
}

func TestFlagGarbage(t *testing.T) {
	noon := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	for _, value := range []string{
		`{"drained":true,"when":"9999-12-31T23:59:59.999999999Z"}`, `{"drained":true,"when":"2026-02-01T12:00:01Z"}`,
		"", "yes", "{}", `{"drained":true}`, `{"drained":"yes","when":"2026-01-31T12:00:00Z"}`, `{"when":"yesterday"}`, "[]", "null", strings.Repeat("{", 1000),
	} {
		if f, err := decodeFlag([]byte(value), noon); err == nil {
			t.Errorf("%q is read as %+v", value, f)
		}
	}
	if _, err := decodeFlag([]byte(`{"drained":true,"when":"2026-02-01T12:00:00Z"}`), noon); err != nil {
		t.Errorf("of a clock that is a day ahead: %v", err)
	}
}

func TestFlagThatCannotBeWritten(t *testing.T) {
	f := flag{When: time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC)}
	if err := f.writable(); err != nil {
		t.Error(err)
	}
	if f.When = f.When.Add(1); f.writable() == nil {
		t.Error("the year 10000 is written")
	}
}

// Of two different words exactly one stands, whoever asks, and a word is the same
// after a journey through Consul.
func TestFlagOrderIsTotal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, g := drawFlag(t, "f"), drawFlag(t, "g")
		if f.newer(g) && g.newer(f) {
			t.Error("both stand against the other")
		}
		if f.same(g) != (string(f.encode()) == string(g.encode())) {
			t.Error("same says another thing than the content")
		}
		if back, err := decodeFlag(f.encode(), f.When); err != nil || !back.same(f) {
			t.Errorf("read back as %+v, %v", back, err)
		}
	})
}

func drawFlag(t *rapid.T, label string) flag {
	f := flag{
		Drained: rapid.Bool().Draw(t, label+" drained"),
		Who:     rapid.SampledFrom([]string{"alice", "bob"}).Draw(t, label+" who"),
		When:    time.Unix(int64(rapid.IntRange(1, 3).Draw(t, label+" when")), 0),
	}
	if rapid.Bool().Draw(t, label+" ends") {
		f.Until = f.When.Add(time.Hour)
	}
	return f
}

func TestParseID(t *testing.T) {
	if id, ok := parseID("internet/mx-a"); !ok || id != (backend.ID{Pool: "internet", Name: "mx-a"}) {
		t.Errorf("%v, %t", id, ok)
	}
	for _, text := range []string{"", "/", "internet", "internet/", "/mx-a", "a/b/c"} {
		if id, ok := parseID(text); ok {
			t.Errorf("%q is read as %v", text, id)
		}
	}
}
