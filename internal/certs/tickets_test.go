package certs

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"path/filepath"
	"testing"
)

func ticketLine(b byte) string {
	return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, 32)) + "\n"
}

func TestTicketKeysAreReadInAnyForm(t *testing.T) {
	raw := bytes.Repeat([]byte{0xfb}, 32)
	for _, text := range []string{
		base64.StdEncoding.EncodeToString(raw), base64.RawStdEncoding.EncodeToString(raw),
		hex.EncodeToString(raw), "  " + hex.EncodeToString(raw) + "\r\n\n# " + "old",
	} {
		keys, err := makeTickets([]byte(text))
		if err != nil || len(keys) != 1 || !bytes.Equal(keys[0][:], raw) {
			t.Errorf("%q: %d keys, %v", text, len(keys), err)
		}
	}
}

func TestSessionsAreResumedAtAnotherReplica(t *testing.T) {
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			pair := made{names: names("mx.test")}.write(t, dir, "a")
			file := filepath.Join(dir, "tickets")
			put(t, file, []byte(ticketLine(1)))
			one, _ := open(t, Config{Certificates: []Pair{pair}, TicketKeys: file})
			two, _ := open(t, Config{Certificates: []Pair{pair}, TicketKeys: file})
			apart, _ := open(t, Config{Certificates: []Pair{pair}})
			client := &tls.Config{ServerName: "mx.test", MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(8)}
			resumes := func(s *Store, want bool, why string) {
				t.Helper()
				state, err := shake(s, client)
				if err != nil || state.DidResume != want {
					t.Fatalf("%s: resumed %v, %v", why, state.DidResume, err)
				}
			}
			resumes(one, false, "first")
			resumes(one, true, "the same replica")
			resumes(two, true, "another replica")
			put(t, file, []byte(ticketLine(2)+ticketLine(1)))
			if err := two.Reload(); err != nil {
				t.Fatal(err)
			}
			resumes(two, true, "a ticket of the old key")
			put(t, file, []byte(ticketLine(2)))
			if err := two.Reload(); err != nil {
				t.Fatal(err)
			}
			resumes(two, true, "a ticket of the new key")
			put(t, file, []byte("broken"))
			if err := two.Reload(); err == nil {
				t.Fatal("a broken key was taken")
			}
			resumes(two, true, "the old keys stay")
			resumes(apart, false, "a replica that shares no keys")
			resumes(apart, true, "with Go's own keys")
			if err := apart.Reload(); err != nil {
				t.Fatal(err)
			}
			resumes(apart, true, "with Go's own keys, after a reload")
			made{names: names("mx.test"), serial: 2}.write(t, dir, "a")
			if err := apart.Reload(); err != nil {
				t.Fatal(err)
			}
			resumes(apart, true, "with Go's own keys, after a renewal")
		})
	}
}

func FuzzTickets(f *testing.F) {
	f.Add([]byte(ticketLine(1) + "# old\n" + hex.EncodeToString(make([]byte, 32))))
	f.Add([]byte("password"))
	f.Fuzz(func(t *testing.T, content []byte) {
		keys, err := makeTickets(content)
		if (err == nil) != (len(keys) > 0) || len(keys) > maxTickets {
			t.Fatalf("%d keys, %v", len(keys), err)
		}
	})
}
