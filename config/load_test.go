package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	mdns "github.com/miekg/dns"
	"pgregory.net/rapid"

	"weir/dns"
)

func TestLoadNamesTheFile(t *testing.T) {
	dir := t.TempDir()
	large := filepath.Join(dir, "large.yaml")
	if err := os.WriteFile(large, bytes.Repeat([]byte("# no config\n"), maxFile/12+1), 0o600); err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(dir, "bad.yaml")
	if err := os.WriteFile(bad, []byte(with("colour", "red")), 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "missing.yaml")
	for _, c := range []struct{ path, want string }{
		{missing, "reading config " + missing + ": no such file or directory"},
		{dir, "reading config " + dir + ": is a directory"},
		{large, "reading config " + large + ": larger than 4 MiB: this is no config file"},
		{bad, bad + ":3:1: colour: unknown key"},
	} {
		cfg, _, err := Load(c.path)
		if cfg != nil || err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
	if _, _, err := Load(missing); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, which is not fs.ErrNotExist", err)
	}
}

func TestLoadReadsAFile(t *testing.T) {
	cfg, warnings, err := Load(filepath.Join("testdata", "good", "smallest", "weir.yaml"))
	if err != nil || len(without(warnings, "signed itself", "open relay")) != 0 {
		t.Fatalf("got %v, %v", warnings, err)
	}
	if got := cfg.Balancer.Listeners[0].Pool; got != "internet" {
		t.Errorf("got pool %q", got)
	}
}

func TestProblemsAreInTheFilesOrder(t *testing.T) {
	_, _, err := Parse("weir.yaml", []byte("admin: {address: x}\nzzz: 1\nlisteners: 5\nhostname: \"-\"\n"))
	var all *Errors
	if !errors.As(err, &all) {
		t.Fatalf("got %v", err)
	}
	var lines []int
	for _, p := range all.Problems {
		lines = append(lines, p.Line)
	}
	if want := []int{1, 1, 2, 3, 4}; !slices.Equal(lines, want) {
		t.Errorf("got lines %v, want %v:\n%v", lines, want, err)
	}
}

// Merging mappings that merge others must not double the work with each level.
func TestMergesOfMergesStaySmall(t *testing.T) {
	const levels = 16
	file := "listeners: [{address: \":25\", pool: p0}]\npools:\n  p0: &p0 {backends: [\"10.0.0.11:25\"], min_redundancy: 0}\n"
	for i := range levels {
		file += fmt.Sprintf("  p%d: &p%d {<<: [*p%d, *p%d]}\n", i+1, i+1, i, i)
	}
	var cfg *Config
	var err error
	allocs := testing.AllocsPerRun(1, func() { cfg, _, err = Parse("weir.yaml", []byte(file)) })
	if err != nil {
		t.Fatal(err)
	}
	if got := cfg.Pools[levels].Static; len(got) != 1 || got[0].Pool != "p16" {
		t.Errorf("got %v", got)
	}
	// Doubled at each level, the entries alone would need more.
	if allocs > 1<<levels {
		t.Errorf("%v allocations for %d levels", allocs, levels)
	}
}

// Whatever of a file is cut off or changed, there is a config or at least one
// problem with a place in the file, and never both.
func TestParseOfDamagedFiles(t *testing.T) {
	whole, err := os.ReadFile(filepath.Join("testdata", "good", "everything", "weir.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		from := rapid.IntRange(0, len(whole)).Draw(t, "from")
		to := rapid.IntRange(from, min(len(whole), from+200)).Draw(t, "to")
		instead := rapid.SampledFrom([]string{"", " ", "\n", ":", "- ", "[", "}", "&a ", "*a", "<<: ", "\t", "0", "null", "\"", "|\n"}).Draw(t, "instead")
		check(t, []byte(string(whole[:from])+instead+string(whole[to:])))
	})
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "*", "*", "weir.yaml"))
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
	f.Fuzz(func(t *testing.T, data []byte) { check(t, data) })
}

func check(t interface{ Fatalf(string, ...any) }, data []byte) {
	cfg, warnings, err := Parse("weir.yaml", data)
	if err == nil {
		checkConfig(t, cfg)
		return
	}
	var all *Errors
	if !errors.As(err, &all) || len(all.Problems) == 0 || cfg != nil || warnings != nil {
		t.Fatalf("got %v, %v, %v", cfg, warnings, err)
	}
	lines := bytes.Count(data, []byte("\n")) + bytes.Count(data, []byte("\r")) + 1
	for _, p := range all.Problems {
		if p.Line < 0 || p.Line > lines || p.Line > 0 && p.Column < 1 || p.What == "" {
			t.Fatalf("problem %q in a file of %d lines", p, lines)
		}
	}
}

// checkConfig is what the rooms may rely on.
func checkConfig(t interface{ Fatalf(string, ...any) }, cfg *Config) {
	pools := map[string]bool{}
	for i, p := range cfg.Pools {
		if pools[p.Name] || p.Name == "" || p.Name != p.Health.Pool || p.Name != cfg.Balancer.Pools[i].Name {
			t.Fatalf("bad name of pool %d: %+v", i, p)
		}
		pools[p.Name] = true
		if len(p.Static) == 0 && p.Consul == nil && p.DNS == nil && p.File == "" || p.Consul != nil && (cfg.Consul == nil || p.Consul.Service == "") {
			t.Fatalf("a pool without a source: %+v", p)
		}
		if p.DNS != nil && ((p.DNS.SRV == "") == (p.DNS.Host == "") || (p.DNS.Host == "") != (p.DNS.Port == 0) || p.DNS.Refresh <= 0) {
			t.Fatalf("bad dns %+v", *p.DNS)
		}
		if p.Health.Interval <= 0 || p.Health.Timeout <= 0 || p.Health.Rise < 1 || p.Health.Fall < 1 {
			t.Fatalf("bad pool %+v", p)
		}
		b, e := &p.Health.Breaker, &p.Health.Ejection
		if b.ConsecutiveFailures < 1 || b.FailureRatio <= 0 || b.MinRequests < 1 || b.Window <= 0 || b.OpenFor <= 0 || b.OpenMax < b.OpenFor {
			t.Fatalf("bad breaker %+v", *b)
		}
		if e.MaxPercent == 0 && e.OutlierRatio > 0 || e.OutlierRatio != 0 && !(e.OutlierRatio >= 1) || p.Health.SlowStart < 0 {
			t.Fatalf("bad ejection %+v", *e)
		}
		for _, timeout := range cfg.Balancer.Pools[i].Timeouts {
			if timeout <= 0 {
				t.Fatalf("bad timeouts %v", cfg.Balancer.Pools[i].Timeouts)
			}
		}
		names := map[string]bool{}
		for _, s := range p.Static {
			if names[s.Name] || s.Name == "" || s.Pool != p.Name || s.Address == "" || s.Weight < 1 || s.Cost < 0 {
				t.Fatalf("bad backend %+v", s)
			}
			names[s.Name] = true
		}
	}
	for _, l := range cfg.Balancer.Listeners {
		if !pools[l.Pool] && (l.Pool != "" || len(cfg.Balancer.Routes) == 0) || l.Name == "" || l.Address == "" || l.Timeouts.Command <= 0 {
			t.Fatalf("bad listener %+v", l)
		}
	}
	checkTable(t, cfg, pools)
	checkZones(t, cfg, pools)
	checkShown(t, cfg)
	if len(pools) == 0 || len(cfg.Balancer.Listeners) == 0 {
		t.Fatalf("nothing to do: %+v", cfg)
	}
}

func checkZones(t interface{ Fatalf(string, ...any) }, cfg *Config, pools map[string]bool) {
	for _, z := range cfg.DNS {
		if (z.Update == nil) == (z.Serve == nil) || z.TTL < time.Second || z.MinRecords < 1 || z.MinInterval <= 0 || len(z.Records) == 0 || z.HoldDown.Out <= 0 || z.HoldDown.In <= 0 {
			t.Fatalf("bad zone %+v", z)
		}
		for _, r := range z.Records {
			if r.Type == 0 || !mdns.IsSubDomain(z.Zone, r.Name) || r.Name != mdns.CanonicalName(r.Name) || r.Pool != "" && !pools[r.Pool] || r.Pool == "" && len(cfg.Advertise) == 0 {
				t.Fatalf("bad record %+v of %s", r, z.Zone)
			}
			for _, name := range []string{dns.OwnerName(r.Name), dns.EpochName(z.Owner, z.Zone)} {
				if _, ok := mdns.IsDomainName(name); !ok {
					t.Fatalf("%s is no name", name)
				}
			}
		}
		if s := z.Serve; s != nil {
			if _, ok := mdns.IsDomainName(s.Contact); !ok || !mdns.IsFqdn(s.Contact) || len(s.NS) == 0 || s.Address == "" {
				t.Fatalf("bad serve %+v", *s)
			}
		}
		if u := z.Update; u != nil && (len(u.Servers) == 0 || u.Key.Name == "" || u.Key.Algorithm == "" || u.Key.Secret == "") {
			t.Fatalf("bad update of %s", z.Zone)
		}
	}
}

// checkShown shows a config and reads it again.
func checkShown(t interface{ Fatalf(string, ...any) }, cfg *Config) {
	for _, shown := range []string{Render(cfg), RenderChanged(cfg)} {
		if got := mustParse(t, shown); !reflect.DeepEqual(got, cfg) {
			t.Fatalf("other values in what is shown:\n%s\n%v", shown, Diff(cfg, got))
		}
	}
}
