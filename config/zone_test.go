package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weir/dns"
)

// zoneKey is a key as tsig-keygen writes it.
const zoneKey = "key \"Weir\" {\n\talgorithm hmac-sha256;\n\tsecret \"MDEyMzQ1Njc4OWFiY2RlZg==\";\n};\n"

// zoneText is a file that keeps one record in example.com, in the way given.
func zoneText(way string) string {
	return "dns: [{zone: example.com, records: [{name: mx, type: A, pool: internet}], " + way + "}]\n" + smallest
}

func updateBy(key string) string { return zoneText(`update: {servers: ["10.0.0.53:53"], ` + key + `}`) }

func TestKeysOfZonesAreRead(t *testing.T) {
	dir := t.TempDir()
	whole := writeSecret(t, dir, "weir.key", zoneKey, 0o640)
	secret := writeSecret(t, dir, "weir.secret", " MDEyMzQ1Njc4OWFiY2RlZg==\n", 0o600)
	want := dns.Key{Name: "weir.", Algorithm: "hmac-sha256.", Secret: "MDEyMzQ1Njc4OWFiY2RlZg=="}
	for _, text := range []string{
		updateBy("key_file: " + whole),
		updateBy("tsig: {name: Weir, secret_file: " + secret + "}"),
		updateBy("tsig: {name: weir., algorithm: hmac-sha256, secret_file: " + secret + "}"),
	} {
		if got := mustParse(t, text).DNS[0].Update.Key; got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
	served := mustParse(t, zoneText("serve: {ns: [ns1.example.net], key_file: "+whole+"}")).DNS[0].Serve
	if served.Key == nil || *served.Key != want {
		t.Errorf("got %v", served.Key)
	}
}

func TestKeysOfZonesAreRefused(t *testing.T) {
	dir := t.TempDir()
	good := writeSecret(t, dir, "good.key", zoneKey, 0o600)
	open := writeSecret(t, dir, "open.key", zoneKey, 0o644)
	text := writeSecret(t, dir, "text.secret", "not base64!\n", 0o600)
	empty := writeSecret(t, dir, "empty.secret", "\n", 0o600)
	large := writeSecret(t, dir, "large.key", strings.Repeat("# nothing\n", 1000), 0o600)
	secret := writeSecret(t, dir, "good.secret", "MDEyMzQ1Njc4OWFiY2RlZg==\n", 0o600)
	odd := writeSecret(t, dir, "odd.key", strings.Replace(zoneKey, "MDEy", "!", 1), 0o600)
	md5 := writeSecret(t, dir, "md5.key", strings.Replace(zoneKey, "sha256", "md5", 1), 0o600)
	for _, c := range []struct{ text, want string }{
		{updateBy("key_file: " + open), "dns[0].update.key_file: " + open + " has mode 0644"},
		{updateBy("key_file: none"), "dns[0].update.key_file: there is no file none"},
		{updateBy(`key_file: ""`), "dns[0].update.key_file: is empty"},
		{updateBy("key_file: " + large), "dns[0].update.key_file: " + large + " is larger than 4 KiB: this is no key"},
		{updateBy("key_file: " + odd), "dns[0].update.key_file: " + odd + ":3: "},
		{updateBy("key_file: " + md5), "dns[0].update.key_file: " + md5 + ":2: "},
		{updateBy("key_file: " + text), "dns[0].update.key_file: " + text + ":1: "},
		{updateBy("key_file: " + good + ", tsig: {name: weir, secret_file: " + good + "}"), "dns[0].update.tsig: key_file is given too; keep one of them"},
		{updateBy("tsig: {name: weir, secret_file: " + text + "}"), "dns[0].update.tsig.secret_file: what " + text + " holds is not base64; for example: head -c 32 /dev/urandom | base64 > " + text},
		{updateBy("tsig: {name: weir, secret_file: " + empty + "}"), "dns[0].update.tsig.secret_file: what " + empty + " holds is not base64"},
		{updateBy("tsig: {name: weir, algorithm: hmac-sha265, secret_file: " + secret + "}"), `dns[0].update.tsig.algorithm: "hmac-sha265" is not one of its values; did you mean "hmac-sha256"?`},
		{zoneText("serve: {ns: [ns1.example.net], key_file: " + open + "}"), "dns[0].serve.key_file: " + open + " has mode 0644"},
		{zoneText("serve: {ns: [ns1.example.net], key_file: " + odd + "}"), "dns[0].serve.key_file: " + odd + ":3: "},
	} {
		_, _, err := Parse("weir.yaml", []byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "MDEy") {
			t.Errorf("%s: got\n%v\nwant only\n%s", c.text, err, c.want)
		}
	}
}

func TestZoneFilesAreRead(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ name, text, want string }{
		{"good", "$ORIGIN example.com.\n$TTL 1h\nwww IN A 192.0.2.1\nftp IN CNAME www\n", ""},
		{"relative", "www 60 IN A 192.0.2.1\n", ""},
		{"cname", "www 60 IN A 192.0.2.1\nmx 60 IN CNAME www\n", ":2: mx.example.com. has a CNAME, and weir publishes A there"},
		{"words", "this is no zone file\n", ":1: "},
		{"elsewhere", "www.example.org. 60 IN A 192.0.2.1\nftp.example.org. 60 IN A 192.0.2.1\n", ":1: www.example.org. is outside the zone example.com."},
	} {
		file := filepath.Join(dir, c.name)
		if err := os.WriteFile(file, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		_, _, err := Parse("weir.yaml", []byte(zoneText("serve: {ns: [ns1.example.net], zone_file: "+file+"}")))
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), "dns[0].serve.zone_file: "+file+c.want)):
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
}

func TestContactName(t *testing.T) {
	for mailbox, want := range map[string]string{
		"hostmaster":             "hostmaster.example.com.",
		"first.last":             `first\.last.example.com.`,
		"first.last@Example.net": `first\.last.example.net.`,
	} {
		if got := contactName(mailbox, "example.com"); got != want {
			t.Errorf("%s: got %s, want %s", mailbox, got, want)
		}
	}
}

func TestDiffOfZones(t *testing.T) {
	dir := t.TempDir()
	key := writeSecret(t, dir, "weir.key", zoneKey, 0o600)
	text := updateBy("key_file: " + key)
	before := mustParse(t, text)
	for _, c := range []struct{ old, new, want string }{
		{"{name: mx, type: A", "{name: mx, type: AAAA", `dns["example.com"].records["mx A"]: removed`},
		{"zone: example.com", "zone: example.com, ttl: 2m", `dns["example.com"].ttl: 1m → 2m`},
		{"zone: example.com", "zone: example.net", `dns["example.com"]: removed`},
	} {
		changed := strings.Replace(strings.Replace(text, c.old, c.new, 1), "10.0.0.11:25", "[2001:db8::1]:25", 1)
		before := mustParse(t, strings.Replace(text, "10.0.0.11:25", "[2001:db8::1]:25", 1))
		after := mustParse(t, changed)
		if got := Diff(before, after); len(got) == 0 || got[0] != c.want {
			t.Errorf("got %q, want first %q", got, c.want)
		}
		if got := NeedsRestart(before, after); len(got) == 0 {
			t.Errorf("%s: no restart", c.want)
		}
	}
	writeSecret(t, dir, "weir.key", strings.Replace(zoneKey, "MDEy", "MDEz", 1), 0o600)
	if got := Diff(before, mustParse(t, text)); len(got) != 1 || got[0] != `dns["example.com"].update: another key` {
		t.Errorf("got %q", got)
	}
}
