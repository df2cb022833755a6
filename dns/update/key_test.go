package update

import (
	"encoding/base64"
	"strings"
	"testing"

	"weir/dns"
)

const secret = "Tr8q1ApKh2FgU4M1X/3IFxLJ3zGtTEwJt4dMvF9xD08="

func TestParseKey(t *testing.T) {
	want := dns.Key{Name: "weir.", Algorithm: "hmac-sha256.", Secret: secret}
	for name, text := range map[string]string{
		"as tsig-keygen writes it": "key \"weir\" {\n\talgorithm hmac-sha256;\n\tsecret \"" + secret + "\";\n};\n",
		"other order, no quotes":   "key WEIR. { secret " + secret + "; algorithm HMAC-SHA256.; };",
		"comments":                 "# one\n// two\n/* three\nfour */ key weir{algorithm hmac-sha256;secret \"" + secret + "\"; // five\n} /**/ ; #six",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseKey("weir.key", []byte(text))
			if err != nil || got != want {
				t.Errorf("ParseKey = %+v, %v; want %+v", got, err, want)
			}
		})
	}
}

func TestParseKeyErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "weir.key:1: there is no key in it"},
		{"\n\n# nothing\n", "weir.key:4: there is no key in it"},
		{"zone \"x\" { };", "weir.key:1: want: key"},
		{secret, "weir.key:1: want: key"},
		{"key { };", "weir.key:1: the key's name is missing"},
		{"key", "weir.key:1: the key's name is missing"},
		{"key \"a b\" { };", "weir.key:1: the key's name is missing"},
		{"key weir;", `weir.key:1: want "{" here`},
		{"key weir {\nalgorithm hmac-md5;", "weir.key:2: hmac-md5 is broken"},
		{"key weir {\n\nalgorithm rot13;", `weir.key:3: unknown algorithm "rot13"`},
		{"key weir {\nalgorithm hmac-sha256-80;", "weir.key:2: unknown algorithm"},
		{"key weir {\nsecret \"hunter2!\";", "weir.key:2: the secret is not base64"},
		{"key weir {\nsecret \"QUJD\nREVG\";", "weir.key:2: the secret is not base64"},
		{"key weir {\nsecret \"\";", "weir.key:2: the secret is empty"},
		{"key weir {\nsecret QUJD;\nsecret QUJD;", "weir.key:3: secret is given twice"},
		{"key weir {\nsecret QUJD;\n};", "weir.key:3: the key needs an algorithm and a secret"},
		{"key weir {\nsecret QUJD;\n", "weir.key:3: want algorithm, secret or a closing brace"},
		{"key weir {\nsecret QUJD\nalgorithm hmac-sha256;\n};", `weir.key:3: want ";" here`},
		{"key weir {\nsecret \"QUJD;\n};", "weir.key:2: a quote is opened"},
		{"/* key", "weir.key:1: a comment is opened"},
		{"key a {algorithm hmac-sha256; secret QUJD;};\nkey b {algorithm hmac-sha256; secret QUJD;};", "weir.key:2: after the key there is more"},
	} {
		_, err := ParseKey("weir.key", []byte(c.text))
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("ParseKey(%q) = %v, want %q …", c.text, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the secret is in the error: %v", err)
		}
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add([]byte("key \"weir\" {\n\talgorithm hmac-sha256;\n\tsecret \"" + secret + "\";\n};\n"))
	f.Add([]byte("key weir { /* */ secret QUJD; algorithm hmac-sha1; }; # x"))
	f.Add([]byte("key \"\x00\" {\"\n\";"))
	f.Fuzz(func(t *testing.T, data []byte) {
		key, err := ParseKey("f", data)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "f:") {
				t.Errorf("an error without file and line: %v", err)
			}
			return
		}
		if _, err := base64.StdEncoding.DecodeString(key.Secret); err != nil || !strings.HasSuffix(key.Name, ".") {
			t.Errorf("a key that cannot be used: %+v", key)
		}
		// What it read can be written down and read again.
		again, err := ParseKey("f", []byte("key \""+key.Name+"\" { algorithm "+key.Algorithm+"; secret \""+key.Secret+"\"; };"))
		if err != nil || again != key {
			t.Errorf("%+v, written down, is %+v, %v", key, again, err)
		}
	})
}
