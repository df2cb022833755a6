package cluster

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"weir/internal/backend"
)

func someFlags() map[backend.ID]entry {
	when := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	return map[backend.ID]entry{
		idOf("a"): {flag: flag{Drained: true, Who: "alice", Why: "reboot", When: when, Until: when.Add(time.Hour)}},
		idOf("b"): {flag: flag{Disabled: true, Who: "bob", When: when}, unshared: true},
	}
}

func TestStateFileIsReadBack(t *testing.T) {
	f := stateFile{t.TempDir()}
	if flags, err := f.read(); err != nil || len(flags) != 0 {
		t.Fatalf("at the first start: %v, %v", flags, err)
	}
	if err := f.write(someFlags()); err != nil {
		t.Fatal(err)
	}
	flags, err := f.read()
	if err != nil || !maps.Equal(flags, someFlags()) {
		t.Errorf("read back as %v, %v", flags, err)
	}
	if names, err := filepath.Glob(f.dir + "/.*"); err != nil || len(names) > 0 {
		t.Errorf("left behind: %v, %v", names, err)
	}
}

// Whatever a crash or a bad disk makes of the file: the flags are those that were
// written, or none with a word about it and the file set aside.
func TestStateFileDamagedAnywhere(t *testing.T) {
	f := stateFile{t.TempDir()}
	if err := f.write(someFlags()); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(f.path())
	if err != nil {
		t.Fatal(err)
	}
	for at := range whole {
		check(t, f, whole[:at])
		for _, bit := range []byte{0x01, 0x20, 0x80} {
			damaged := slices.Clone(whole)
			damaged[at] ^= bit
			check(t, f, damaged)
		}
	}
}

func check(t *testing.T, f stateFile, data []byte) {
	t.Helper()
	if err := os.WriteFile(f.path(), data, 0o600); err != nil {
		t.Fatal(err)
	}
	flags, err := f.read()
	switch {
	case err == nil && !maps.Equal(flags, someFlags()):
		t.Errorf("%q is read as %v", data, flags)
	case err != nil && len(flags) > 0:
		t.Errorf("%q gives flags and %v", data, err)
	case err != nil:
		if _, there := os.Stat(f.path()); there == nil {
			t.Errorf("%q is not set aside after %v", data, err)
		}
	}
}

func TestStateFileOfANewerWeir(t *testing.T) {
	dir := t.TempDir()
	newer := []byte(`{"version":7,"flags":{"something":"else"}}`)
	if err := os.WriteFile(filepath.Join(dir, "flags.json"), newer, 0o600); err != nil {
		t.Fatal(err)
	}
	flags, err := stateFile{dir}.read()
	if len(flags) > 0 || err == nil || !strings.Contains(err.Error(), "newer weir") {
		t.Errorf("%v, %v", flags, err)
	}
	if kept, err := os.ReadFile(filepath.Join(dir, "flags.json.v7")); err != nil || string(kept) != string(newer) {
		t.Errorf("set aside as %q, %v", kept, err)
	}
}

func TestReplicaNameIsKept(t *testing.T) {
	dir := t.TempDir()
	first, err := replicaName(dir, "mx1.example.com/x")
	if err != nil || !strings.HasPrefix(first, "mx1.example.com-x-") {
		t.Fatalf("%q, %v", first, err)
	}
	if second, err := replicaName(dir, "mx1.example.com/x"); err != nil || second != first {
		t.Errorf("%q after %q, %v", second, first, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "replica"), []byte("../../x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if third, err := replicaName(dir, ""); err != nil || strings.Contains(third, "/") || !strings.HasPrefix(third, "weir-") {
		t.Errorf("%q, %v", third, err)
	}
	if name, err := replicaName(filepath.Join(dir, "nowhere"), "mx1"); err == nil || !strings.HasPrefix(name, "mx1-") {
		t.Errorf("%q, %v, want a name and what is wrong", name, err)
	}
}
