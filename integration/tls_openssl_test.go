package integration

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// sClient runs openssl's client against a listener, says a NOOP and QUIT in the TLS, and returns all that it showed.
func sClient(t *testing.T, addr string, ca *authority, args ...string) (string, error) {
	t.Helper()
	need(t, "openssl", "openssl")
	ctx, cancel := context.WithTimeout(t.Context(), ceiling)
	defer cancel()
	all := append([]string{"s_client", "-connect", addr, "-CAfile", ca.file, "-verify_return_error", "-name", "openssl.sender.example", "-crlf", "-ign_eof"}, args...)
	cmd := exec.CommandContext(ctx, "openssl", all...)
	cmd.Stdin = strings.NewReader("NOOP\nquit\n") // a Q at the beginning of a line would be an order to openssl
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// starttls are the arguments for a listener in mode starttls.
func starttls(more ...string) []string { return append([]string{"-starttls", "smtp"}, more...) }

// TestTLS_OpenSSLVersionsAndNames: which versions are spoken, and which of several certificates is shown for which name.
func TestTLS_OpenSSLVersionsAndNames(t *testing.T) {
	t.Parallel()
	needWeir(t)
	ca := newAuthority(t)
	var pairs []string
	for _, name := range []string{"first.test.example", "second.test.example", "*.wild.test.example"} {
		cert, key := ca.issue(name)
		pairs = append(pairs, fmt.Sprintf("{cert: %q, key: %q}", cert, key))
	}
	many := "certificates: [" + strings.Join(pairs, ", ") + "]"
	e := newEdge(t, ca,
		lane{name: "starttls", edge: "{mode: starttls, " + many + "}"},
		lane{name: "implicit", edge: "{mode: implicit, " + many + "}"},
		lane{name: "new", edge: "{mode: implicit, min_version: \"1.3\", " + many + "}"},
		lane{name: "own", edge: "{mode: starttls}"}, // a certificate that weir makes itself
	)
	for _, c := range []struct {
		name, lane string
		args       []string
		want       []string
		fails      bool
	}{
		{"STARTTLS, TLS 1.3", "starttls", starttls("-tls1_3"), []string{"New, TLSv1.3, Cipher is TLS_", "CN = first.test.example", "250 2.0.0", "221 2.0.0"}, false},
		{"STARTTLS, TLS 1.2", "starttls", starttls("-tls1_2"), []string{"New, TLSv1.2, Cipher is ECDHE-ECDSA-", "221 2.0.0"}, false},
		{"STARTTLS, TLS 1.1", "starttls", starttls("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"), []string{"alert protocol version"}, true},
		{"STARTTLS, TLS 1.0", "starttls", starttls("-tls1", "-cipher", "ALL:@SECLEVEL=0"), []string{"alert protocol version"}, true},
		{"STARTTLS without forward secrecy", "starttls", starttls("-tls1_2", "-cipher", "AES128-SHA:AES256-GCM-SHA384"), []string{"alert handshake failure"}, true},
		{"implicit, TLS 1.3", "implicit", []string{"-tls1_3"}, []string{"New, TLSv1.3", "220 weir.test.example", "221 2.0.0"}, false},
		{"implicit, TLS 1.2 is too old here", "new", []string{"-tls1_2"}, []string{"alert protocol version"}, true},
		{"the second name", "starttls", starttls("-servername", "second.test.example"), []string{"CN = second.test.example", "221 2.0.0"}, false},
		{"a wildcard", "implicit", []string{"-servername", "mx1.wild.test.example"}, []string{"CN = *.wild.test.example", "221 2.0.0"}, false},
		{"a name in capitals", "implicit", []string{"-servername", "SECOND.test.example"}, []string{"CN = second.test.example"}, false},
		{"a name that nobody has", "implicit", []string{"-servername", "other.test.example"}, []string{"CN = first.test.example", "221 2.0.0"}, false},
		{"no name", "implicit", []string{"-noservername"}, []string{"CN = first.test.example", "221 2.0.0"}, false},
		{"weir's own, which nobody vouches for", "own", starttls(), []string{"self-signed certificate"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			out, err := sClient(t, e.at(c.lane), ca, c.args...)
			if (err != nil) != c.fails {
				t.Errorf("it ended with %v", err)
			}
			says(t, "openssl", out, c.want...)
		})
	}
}

// TestTLS_TicketsAcrossReplicas: a session that began at one replica goes on at the other, where they share a key file, and
// at none that does not. A key that has become the second one still opens tickets.
func TestTLS_TicketsAcrossReplicas(t *testing.T) {
	t.Parallel()
	needWeir(t)
	ca := newAuthority(t)
	old, next := ticketKey(), ticketKey()
	shared := ca.write("tickets", []byte(old+"\n"))
	rotated := ca.write("tickets.rotated", []byte(next+"\n"+old+"\n"))
	both := func(keys string) *edge {
		more := ""
		if keys != "" {
			more = fmt.Sprintf("ticket_keys: %q", keys)
		}
		return newEdge(t, ca, lane{name: "starttls", edge: ca.edgeWith("starttls", more)}, lane{name: "implicit", edge: ca.edgeWith("implicit", more)})
	}
	first, second, third, alone := both(shared), both(shared), both(rotated), both("")
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		for name, args := range map[string][]string{"starttls": starttls(version), "implicit": {version}} {
			t.Run(name+version, func(t *testing.T) {
				t.Parallel()
				session := filepath.Join(t.TempDir(), "session")
				out, err := sClient(t, first.at(name), ca, append(args, "-sess_out", session)...)
				if err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				says(t, "the first visit", out, "New, TLSv1.")
				for at, want := range map[*edge]string{first: "Reused, TLSv1.", second: "Reused, TLSv1.", third: "Reused, TLSv1.", alone: "New, TLSv1."} {
					out, err := sClient(t, at.at(name), ca, append(args, "-sess_in", session)...)
					if err != nil {
						t.Errorf("%v\n%s", err, out)
					}
					says(t, "a further visit", out, want, "221 2.0.0")
				}
			})
		}
	}
}

// ticketKey is a line of a file of ticket keys.
func ticketKey() string {
	var key [32]byte
	_, _ = rand.Read(key[:])
	return base64.StdEncoding.EncodeToString(key[:])
}
