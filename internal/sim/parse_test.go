package sim

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestBadScenarios compares all that is wrong with each file of testdata/bad with
// the file of the same name that ends in .want.
func TestBadScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Parse(filepath.Base(file), data)
			if err == nil {
				t.Fatal("it was taken for a good one")
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".want"
			if os.Getenv("WEIR_UPDATE") != "" {
				if err := os.WriteFile(golden, []byte(err.Error()+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, readErr := os.ReadFile(golden)
			if readErr != nil {
				t.Fatal(readErr)
			}
			if got := err.Error() + "\n"; got != string(want) {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		})
	}
}

// parsed is a scenario that must be right.
func parsed(t testing.TB, text string) *Scenario {
	t.Helper()
	s, err := Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEveryKeyIsRead(t *testing.T) {
	data, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s := parsed(t, string(data))
	if s.Seed != 7 || s.Messages != 2000 || s.Replicas != 2 || len(s.Policies) != 2 || s.connectors() != 5 || len(s.incidents) != 9 {
		t.Errorf("%+v", s)
	}
	if s.senders.count != 50 || s.senders.skew != 1.5 || !s.arrivals.changes[0].ramp || s.arrivals.bursts[0].messages != 30 {
		t.Errorf("%+v, %+v", s.senders, s.arrivals)
	}
	h := s.pool.health
	if h.Fall != 4 || h.SlowStart != 20*time.Second || h.Breaker.OpenFor != 4*time.Second || h.Ejection.MaxPercent != 60 || s.pool.panicPercent != 10 {
		t.Errorf("%+v", h)
	}
	if s.pool.maxConnections != 30 || s.pool.queueTimeout != 3*time.Second || s.pool.affinityTTL != time.Minute {
		t.Errorf("%+v", s.pool)
	}
}

func TestShippedScenariosAreRight(t *testing.T) {
	names := ShippedNames()
	for _, want := range []string{"slow-tenth", "stuck-one", "rolling-restart", "large"} {
		if !strings.Contains(listing(names), want) {
			t.Errorf("%s is not among %v", want, names)
		}
	}
	for _, name := range names {
		data, err := Shipped(name)
		if err != nil {
			t.Fatal(err)
		}
		if s := parsed(t, string(data)); s.Name != name || s.About == "" {
			t.Errorf("%s calls itself %q, and says %q", name, s.Name, s.About)
		}
	}
	if _, err := Shipped("../doc"); err == nil {
		t.Error("a scenario that is none was found")
	}
}

func TestCheckAfterAChange(t *testing.T) {
	for _, tt := range []struct {
		change func(*Scenario)
		want   string
	}{
		{func(s *Scenario) { s.Policies = []string{"sideways"} }, `there is no "sideways"`},
		{func(s *Scenario) { s.Messages = -1 }, "-1 is not from 1"},
		{func(s *Scenario) { s.Messages = 0 }, "neither messages nor a duration"},
	} {
		s := parsed(t, small)
		tt.change(s)
		if err := s.Check(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %q", err, tt.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	shipped, err := filepath.Glob("scenarios/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range append(append(files, shipped...), "testdata/full.yaml") {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse("fuzz.yaml", data)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "fuzz.yaml") {
				t.Fatalf("an error without its file: %v", err)
			}
			return
		}
		if err := s.Check(); err != nil {
			t.Fatalf("right, and then wrong: %v", err)
		}
		if s.expected() <= 0 {
			t.Fatalf("it takes %v", s.expected())
		}
	})
}

// TestDocumentedExample: the scenario in docs/policies.md is right, and has every
// action in it but undrain, which drain does by itself.
func TestDocumentedExample(t *testing.T) {
	text, err := os.ReadFile("../../docs/policies.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```yaml\n")
	example, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("there is no example")
	}
	s := parsed(t, example)
	for _, name := range actionNames() {
		if name != actionNames()[undrain] && !strings.Contains(example, "do: "+name) {
			t.Errorf("%s is not in it", name)
		}
	}
	if len(s.incidents) != len(actionNames())-1 {
		t.Errorf("%d events", len(s.incidents))
	}
}
