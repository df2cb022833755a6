package config

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func writeSecret(t testing.TB, dir, name, text string, mode fs.FileMode) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTokensAreRead(t *testing.T) {
	dir := t.TempDir()
	writeSecret(t, dir, "alice.token", "\n 0123456789abcdef\n\n", 0o600)
	writeSecret(t, dir, "bob.token", "fedcba9876543210", 0o400)
	file := filepath.Join(dir, "weir.yaml")
	text := "admin: {address: \":8025\", anonymous: none, tokens: [{name: alice, role: operate, file: alice.token}, {name: bob, role: read, file: bob.token}]}\n" + smallest
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, warnings, err := Load(file)
	if err != nil || len(without(warnings, "signed itself", "open relay")) > 0 {
		t.Fatal(warnings, err)
	}
	if cfg.Path != file {
		t.Errorf("got path %s", cfg.Path)
	}
	want := []Token{
		{"alice", "operate", filepath.Join(dir, "alice.token"), "0123456789abcdef"},
		{"bob", "read", filepath.Join(dir, "bob.token"), "fedcba9876543210"},
	}
	for i, token := range cfg.Admin.Tokens {
		if token != want[i] {
			t.Errorf("got %v, want %v", token, want[i])
		}
	}
}

func TestSecretsAreRefused(t *testing.T) {
	dir := t.TempDir()
	open := writeSecret(t, dir, "open", "0123456789abcdef", 0o644)
	group := writeSecret(t, dir, "group", "0123456789abcdef", 0o640)
	short := writeSecret(t, dir, "short", "0123456789abcde\n", 0o600)
	good := writeSecret(t, dir, "good", "0123456789abcdef", 0o600)
	same := writeSecret(t, dir, "same", "0123456789abcdef\n", 0o600)
	odd := writeSecret(t, dir, "odd", "0123456789 abcdef", 0o600)
	large := writeSecret(t, dir, "large", strings.Repeat("x", maxSecretFile+1), 0o600)
	token := func(file string) string { return "admin: {tokens: [{name: a, role: read, file: " + file + "}]}" }
	for _, c := range []struct{ text, want string }{
		{token(open), open + " has mode 0644: others than its owner have access to a secret; chmod 600 " + open},
		{token(group), group + " has mode 0640: others than its owner have access to a secret; chmod 600 " + group},
		{token(short), "the token in " + short + " is shorter than 16 characters; for example: head -c 24 /dev/urandom | base64 > " + short},
		{token(odd), "the token in " + odd + " has characters that a request cannot carry"},
		{token(large), large + " is larger than 4 KiB: this is no token"},
		{token(dir), dir + " is not a regular file; write the path of a file"},
		{token(dir + "/none"), "there is no file " + dir + "/none; create it, or correct the path"},
		{token(`""`), "admin.tokens[0].file: is empty; for example alice.token"},
		{"admin: {tokens: [{name: a, role: read}]}", "admin.tokens[0]: the token has no file"},
		{"admin: {tokens: [{name: a, role: read, file: " + good + "}, {name: b, role: read, file: " + same + "}]}", "admin.tokens[1]: its secret is that of admin.tokens[0] too"},
		{"consul: {token_file: " + open + "}", "consul.token_file: " + open + " has mode 0644"},
		{"consul: {token_file: none}", "consul.token_file: there is no file none"},
		{"consul: {tls: {ca: none}}", "consul.tls.ca: there is no file none"},
	} {
		_, _, err := Parse("weir.yaml", []byte(c.text+"\n"+smallest))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got\n%v\nwant only\n%s", c.text, err, c.want)
		}
	}
	if cfg := mustParse(t, "consul: {token_file: "+group+"}\n"+smallest); cfg.Consul.TokenFile != group {
		t.Errorf("got %q", cfg.Consul.TokenFile)
	}
}

func TestParseBackends(t *testing.T) {
	got, err := ParseBackends("internet.yaml", []byte("- 10.0.0.11:25\n- {address: 10.0.0.12:25, name: b, weight: 3, cost: 4, publish: 192.0.2.1}\n"))
	if err != nil || len(got) != 2 || got[0].Name != "10.0.0.11:25" || got[0].Weight != 100 || got[1].Cost != 4 || got[1].Publish.String() != "192.0.2.1" {
		t.Errorf("got %v, %v", got, err)
	}
	for text, want := range map[string]string{
		"":            "internet.yaml:1:1: the file lists no backends; for example",
		"# none\n":    "internet.yaml:1:1: the file lists no backends",
		"[]":          "internet.yaml:1:1: the file lists no backends",
		"a: b":        "internet.yaml:1:1: must be a list, not a mapping of keys",
		"- 10.0.0.11": `internet.yaml:1:3: [0]: "10.0.0.11" has no port; write "10.0.0.11:25"`,
		"- {adress: 10.0.0.11:25}\n- x:25\n- 10.0.0.1:25\n- 10.0.0.1:25": "internet.yaml:1:4: [0].adress: unknown key; did you mean \"address\"?\n" +
			"internet.yaml:2:3: [1]: a backend is given by its IP address",
		"- [": "internet.yaml:1:3: a list that begins with [ has no end",
	} {
		specs, err := ParseBackends("internet.yaml", []byte(text))
		if err == nil || specs != nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: got %v, %v, want %s", text, specs, err, want)
		}
	}
}
