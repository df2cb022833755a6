package config

import (
	"os"
	"path/filepath"
	"testing"

	"weir/internal/haproxy"
)

// What is imported from an haproxy.cfg is a right config, warnings aside.
func TestImportedFilesAreRight(t *testing.T) {
	files, err := filepath.Glob("../internal/haproxy/testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no test data", err)
	}
	for _, file := range files {
		if _, _, err := Load(file); err != nil {
			t.Error(err)
		}
	}
}

// FuzzImport: whatever an haproxy.cfg holds, there is an error or a right config.
func FuzzImport(f *testing.F) {
	files, err := filepath.Glob("../internal/haproxy/testdata/*.cfg")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("listen null\nbind :25\nserver 1 a.example:25\nserver b 10.0.0.1:25 maxconn 3 inter 1us weight 3 rise 99999999"))
	f.Fuzz(func(t *testing.T, data []byte) {
		yaml, _, err := haproxy.Import("haproxy.cfg", data)
		if err != nil {
			return
		}
		if _, _, err := Parse("weir.yaml", yaml); err != nil {
			t.Fatalf("%v in\n%s", err, yaml)
		}
	})
}
