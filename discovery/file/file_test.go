package file

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"weir/discovery"
	"weir/internal/backend"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ceiling is for a loaded machine; nothing here is meant to take as long.
const ceiling = time.Minute

// words is a syntax for tests: names, separated by blanks.
func words(path string, data []byte) ([]backend.Spec, error) {
	var specs []backend.Spec
	for _, name := range strings.Fields(string(data)) {
		if name == "?" {
			return nil, errors.New(path + ":1: what is this?")
		}
		specs = append(specs, backend.Spec{Name: name, Address: "10.0.0.1:25"})
	}
	return specs, nil
}

type bench struct {
	t    *testing.T
	path string
	sets chan discovery.Set
}

func begin(t *testing.T, path string) *bench {
	b := &bench{t: t, path: path, sets: make(chan discovery.Set)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- (Source{Path: path, Pool: "p", Parse: words}).Run(ctx, b.sets) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
	return b
}

// expect waits until the source tells this.
func (b *bench) expect(want string) {
	b.t.Helper()
	last := "nothing"
	timeout := time.After(ceiling)
	for {
		select {
		case set := <-b.sets:
			if last = said(set); strings.Contains(last, want) {
				return
			}
		case <-timeout:
			b.t.Fatalf("said %q, want %q", last, want)
		}
	}
}

func said(set discovery.Set) string {
	if set.Unheard {
		return "unheard: " + set.Doubt
	}
	var names []string
	for _, s := range set.Specs {
		names = append(names, s.Name)
	}
	return set.Pool + ": " + strings.Join(names, " ")
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestChangesAreSeen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list")
	write(t, path, "a b")
	b := begin(t, path)
	b.expect("p: a b")
	write(t, path, "a b c") // in place
	b.expect("p: a b c")
	write(t, path+".new", "a") // as editors do
	must(t, os.Rename(path+".new", path))
	b.expect("p: a")
}

// Kubernetes mounts a directory link that is swapped; config management swaps
// links to files.
func TestLinksAreFollowed(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "..1"), 0o700))
	must(t, os.Mkdir(filepath.Join(dir, "..2"), 0o700))
	write(t, filepath.Join(dir, "..1", "list"), "a")
	write(t, filepath.Join(dir, "..2", "list"), "b")
	must(t, os.Symlink("..1", filepath.Join(dir, "..data")))
	must(t, os.Symlink("..data/list", filepath.Join(dir, "list")))
	b := begin(t, filepath.Join(dir, "list"))
	b.expect("p: a")
	must(t, os.Symlink("..2", filepath.Join(dir, "..data_tmp")))
	must(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
	b.expect("p: b")
}

// What is wrong is said, and when it is right again so is that, even if it is
// what it was before.
func TestBadFilesTakeNothingAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list")
	b := begin(t, path)
	b.expect("unheard: reading the list of connectors: stat " + path + ": no such file")
	write(t, path, "a")
	b.expect("p: a")
	write(t, path, "a ?")
	b.expect("unheard: " + path + ":1: what is this?")
	write(t, path, "a")
	b.expect("p: a")
	write(t, path, "\n")
	b.expect("lists no connectors; to take all of them out, drain them")
	write(t, path, strings.Repeat(" ", maxSize)+"a")
	b.expect("is larger than 4 MiB")
	must(t, os.Remove(path))
	must(t, syscall.Mkfifo(path, 0o600))
	b.expect("is not a regular file")
	must(t, os.Remove(path))
	b.expect("no such file")
	write(t, path, "a")
	b.expect("p: a")
}

// The clock finds what no notice tells of: a directory that comes later, and
// another one in its place. Run's loop is walked by hand to spare the wait.
func TestDirectoryThatComesAndGoes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dir")
	w := watch{dir: dir}
	defer w.close()
	if w.keep(); w.watcher != nil {
		t.Fatal("watches what is not there")
	}
	must(t, os.Mkdir(dir, 0o700))
	w.keep()
	first := w.watcher
	if w.keep(); first == nil || w.watcher != first {
		t.Fatal("does not watch, or anew though nothing changed")
	}
	must(t, os.Rename(dir, dir+".old"))
	must(t, os.Mkdir(dir, 0o700))
	w.keep()
	write(t, filepath.Join(dir, "list"), "a")
	ctx, cancel := context.WithTimeout(t.Context(), ceiling)
	defer cancel()
	if !w.wait(ctx, nil) {
		t.Error("a change in the new directory was not noticed")
	}
}

func TestClockAloneWillDo(t *testing.T) {
	clock := make(chan time.Time, 1)
	clock <- time.Now()
	if w := (&watch{}); !w.wait(t.Context(), clock) {
		t.Error("the clock was not heard")
	}
}

func TestSameContentIsToldOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list")
	sets := make(chan discovery.Set, 10)
	s := Source{Path: path, Pool: "p", Parse: words}
	var last seen
	for i, content := range []string{"a", "a", "?", "?", "a", "a"} {
		write(t, path, content)
		must(t, s.tell(t.Context(), sets, &last))
		if want := i/2 + 1; len(sets) != want {
			t.Errorf("after %d: told %d times, want %d", i+1, len(sets), want)
		}
	}
}
