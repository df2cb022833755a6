package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBadConfig_Sources: what is wrong with a source or its token is told with its place, before anything is started.
func TestBadConfig_Sources(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open := filepath.Join(dir, "open.token")
	if err := os.WriteFile(open, []byte("0123456789abcdef0123\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	consul := "consul: {address: \"127.0.0.1:8500\"%s}"
	for name, tt := range map[string]struct {
		o    opts
		says []string
	}{
		"token that others may read": {
			opts{top: []string{fmt.Sprintf(consul, ", token_file: \""+open+"\"")}, pool: []string{"consul: {service: x}"}},
			[]string{"@FILE@:3", open, "chmod"},
		},
		"token that is not there": {
			opts{top: []string{fmt.Sprintf(consul, ", token_file: nowhere.token")}, pool: []string{"consul: {service: x}"}},
			[]string{"@FILE@:3", "nowhere.token"},
		},
		"no Consul named": {opts{pool: []string{"consul: {service: x}"}}, []string{"@FILE@:", "consul: {address"}},
		"no service":      {opts{top: []string{fmt.Sprintf(consul, "")}, pool: []string{"consul: {tag: x}"}}, []string{"@FILE@:", "service"}},
		"two names":       {opts{pool: []string{"dns: {srv: a.example, host: b.example}"}}, []string{"@FILE@:", "srv"}},
		"no source":       {opts{}, []string{"@FILE@:", "backends"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "bad.yaml")
			text := strings.NewReplacer("@SMTP@", freeAddr(t), "@ADMIN@", freeAddr(t), "@STATE@", t.TempDir()).Replace(basicConfig(tt.o))
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			refused(t, runWeir(t, "check", "-c", path), path, tt.says)
		})
	}
}
