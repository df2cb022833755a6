package discovery

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"weir/internal/backend"
)

// kept runs a feed that is kept on disk.
func kept(t *testing.T, dir, key string) (script, *bench) {
	s := newScript()
	return s, begin(t, dir, Feed{Name: "consul web/1", Key: key, Pools: []string{"p"}, Source: s, Hold: time.Minute, Keep: true})
}

func TestLastGoodSetOutlivesTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "made", "by", "us")
		s, b := kept(t, dir, "k")
		full := hosts("abc")
		full[1].Publish, full[1].Meta, full[1].Maintenance = netip.MustParseAddr("192.0.2.1"), map[string]string{"rack": "7"}, "kernel"
		s.sets <- Set{Pool: "p", Source: "consul", Specs: full}
		b.members("p", "a", "b", "c")
		before := b.registry.Snapshot().Pool("p").Members[1].Spec
		b.end()

		// The source cannot be asked at the next start.
		s, b = kept(t, dir, "k")
		s.sets <- Set{Pool: "p", Unheard: true, Doubt: "connection refused"}
		<-b.First()
		b.members("p", "a", "b", "c")
		if got := b.registry.Snapshot().Pool("p").Members[1].Spec; !reflect.DeepEqual(got, before) {
			t.Errorf("restored %+v\nwant     %+v", got, before)
		}
		if got := b.status(0, Stale, "connection refused"); !got.FromDisk || got.Connectors != 3 {
			t.Errorf("status %+v", got)
		}
		s.sets <- Set{Pool: "p", Source: "consul"} // empty: it counts as the last good one
		if got := b.status(0, Holding, "answered empty: keeping 3"); got.FromDisk {
			t.Error("still said to be from the disk")
		}
		b.members("p", "a", "b", "c")
		b.end()
	})
}

// A source that comes back without its memory, while weir was restarted, too.
func TestEmptyFirstAnswerIsHeldAgainstTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s, b := kept(t, dir, "k")
		s.sets <- Set{Pool: "p", Specs: hosts("abc")}
		synctest.Wait()
		b.end()
		s, b = kept(t, dir, "k")
		s.sets <- Set{Pool: "p"}
		b.members("p", "a", "b", "c")
		b.status(0, Holding, "answered empty")
		b.end()
	})
}

func TestSilentSourceIsNotWaitedForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s, b := kept(t, dir, "k")
		s.sets <- Set{Pool: "p", Specs: hosts("ab")}
		synctest.Wait()
		b.end()
		_, b = kept(t, dir, "k")
		b.members("p")
		b.status(0, Waiting, "")
		time.Sleep(patience)
		b.members("p", "a", "b")
		b.status(0, Stale, "has not answered since the start")
		b.end()
		_, b = kept(t, dir, "another service")
		time.Sleep(time.Minute)
		b.members("p")
		b.end()
	})
}

func TestFilesThatCannotBeUsed(t *testing.T) {
	for _, tt := range []struct{ name, content, aside, want string }{
		{"half a file", `{"version":1,"connectors":[{"na`, ".bad", "is broken: unexpected end"},
		{"empty", ``, ".bad", "is broken"},
		{"newer", `{"version":2,"connectors":"encrypted"}`, ".newer", "was written by a newer weir: version 2, known is 1"},
		{"no version", `{}`, ".bad", "is broken: version 0"},
		{"bad address", `{"version":1,"connectors":[{"name":"a","address":"mx.example.com"}]}`, ".bad", `connector 1 has the address "mx.example.com"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				path := filepath.Join(dir, fileOf("consul web/1", "p"))
				if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
					t.Fatal(err)
				}
				s, b := kept(t, dir, "k")
				if got := strings.Join(b.heard(), "\n"); !strings.Contains(got, "consul web/1 failed: ") || !strings.Contains(got, tt.want) || !strings.Contains(got, tt.aside) {
					t.Errorf("told %q", got)
				}
				s.sets <- Set{Pool: "p", Specs: hosts("a")}
				b.members("p", "a")
				b.end()
				if got, err := os.ReadFile(path + tt.aside); err != nil || string(got) != tt.content {
					t.Errorf("set aside: %q, %v", got, err)
				}
			})
		})
	}
}

func TestDiskThatCannotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		s, b := kept(t, filepath.Join(file, "dir"), "k")
		for _, who := range []string{"a", "ab", "abc"} {
			s.sets <- Set{Pool: "p", Specs: hosts(who)}
			time.Sleep(2 * time.Minute)
		}
		b.members("p", "a", "b", "c")
		said := strings.Count(strings.Join(b.heard(), "\n"), "failed: keeping the last good set")
		if said != 1 {
			t.Errorf("said %d times", said)
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * retryWrite) // it is tried again, without a change
		synctest.Wait()
		if _, err := os.Stat(filepath.Join(file, "dir", fileOf("consul web/1", "p"))); err != nil {
			t.Errorf("not written in the end: %v", err)
		}
		b.end()
		_, b = kept(t, filepath.Join(file, "dir"), "k")
		time.Sleep(patience)
		b.members("p", "a", "b", "c")
		b.end()
	})
}

func TestUnchangedFilesAreNotWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, fileOf("consul web/1", "p"))
		s, b := kept(t, dir, "k")
		s.sets <- Set{Pool: "p", Specs: hosts("ab")}
		b.members("p", "a", "b")
		b.end()
		before, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		s, b = kept(t, dir, "k")
		s.sets <- Set{Pool: "p", Specs: hosts("ba")}
		b.members("p", "a", "b")
		b.end()
		after, err := os.Stat(path)
		if err != nil || !os.SameFile(before, after) {
			t.Errorf("written anew: %v", err)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "*.tmp")); left != nil {
			t.Errorf("left behind: %v", left)
		}
	})
}

func TestFileNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		feed, pool := rapid.String().Draw(t, "feed"), rapid.String().Draw(t, "pool")
		name := fileOf(feed, pool)
		if name != filepath.Base(name) || strings.HasPrefix(name, ".") && len(name) < 10 || len(name) > 160 || strings.ContainsAny(name, "/\x00 :\\") {
			t.Fatalf("%q", name)
		}
	})
	if fileOf("a/b", "p") == fileOf("a-b", "p") {
		t.Error("two feeds, one file")
	}
}

func FuzzDecodeSet(f *testing.F) {
	data, err := encodeSet("consul", "k", Set{Pool: "p", Source: "consul", Specs: hosts("ab")})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"version":1,"connectors":[null]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		kept, err := decodeSet(data)
		if err != nil {
			return
		}
		for _, s := range kept.specs() {
			if _, err := netip.ParseAddrPort(s.Address); err != nil {
				t.Errorf("let through: %+v", backend.Spec(s))
			}
		}
	})
}
