package integration

import (
	"encoding/base64"
	"fmt"
	"testing"
)

// TestEdge_SendersAUTH: real senders authenticate through weir with what a real connector verifies (P34): a Postfix with a
// Dovecot behind it.
func TestEdge_SendersAUTH(t *testing.T) {
	t.Parallel()
	needWeir(t)
	ca := newAuthority(t)
	d := startDovecot(t, "anna")
	h := newMailHost(t, "submission.test.example")
	h.secured(ca)
	backend := h.smtpd("submission", "smtpd_tls_security_level = encrypt", "smtpd_sasl_auth_enable = yes", "smtpd_sasl_type = dovecot",
		"smtpd_sasl_path = "+d.path("base/auth-client"), "smtpd_sasl_authenticated_header = yes")
	h.start()
	toPostfix := fmt.Sprintf("{mode: required, verify: true, ca: %q, server_name: submission.test.example}", ca.file)
	to := func(name string) lane {
		return lane{name: name, backends: []string{backend}, tls: toPostfix, edge: ca.edge(name)}
	}
	e := &edge{lanes: startLanes(t, to("starttls"), to("required"), to("implicit")), ca: ca}
	user := "anna@" + accountDomain
	for i, c := range authCases(ca, user) {
		t.Run("P34 "+c.name, func(t *testing.T) {
			t.Parallel()
			from := guest{source(59, i), fmt.Sprintf("a%d.sender.example", i)}
			m := newMessage("submitted", filler(2000))
			out, err := c.send(e, t, from, c.lane, m, c.args...)
			if c.fails != "" {
				if err == nil {
					t.Fatalf("it was taken:\n%s", out)
				}
				says(t, "the sender", out, c.fails)
				return
			}
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			says(t, "Postfix's line", receivedLines(h.got(t, m))[0], "Authenticated sender: "+user)
			said{from.addr, from.helo, c.tls}.by(t, e.line(t, m))
		})
	}
	t.Run("P34 OpenSMTPD", func(t *testing.T) {
		_, port := e.hostPort("required")
		o := startOpenSMTPD(t, ca, "opensmtpd.sender.example", fmt.Sprintf("test=smtp+tls://anna@%s:%s", edgeName, port))
		m := newMessage("submitted", filler(2000))
		c, err := dialSMTP(o.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.quit()
		if _, err := c.sendData(m); err != nil {
			t.Fatalf("OpenSMTPD does not take it: %v", err)
		}
		says(t, "Postfix's line", receivedLines(h.got(t, m))[0], "Authenticated sender: "+user)
	})
	t.Cleanup(func() { // behind the parallel tests
		silent(t, "weir's log", e.stderr(), accountPassword, base64.StdEncoding.EncodeToString([]byte(accountPassword)),
			base64.StdEncoding.EncodeToString([]byte("\x00"+user+"\x00"+accountPassword)))
	})
}

func authCases(ca *authority, user string) (all []edgeCase) {
	swaksTLS := map[string]string{"starttls": "--tls", "implicit": "--tls-on-connect", "required": "--tls"}
	pythonTLS := map[string]string{"starttls": "--starttls", "implicit": "--implicit", "required": "--starttls"}
	for i, mechanism := range []string{"PLAIN", "LOGIN", "CRAM-MD5"} {
		lane := []string{"starttls", "required", "implicit"}[i]
		all = append(all, edgeCase{
			name: "swaks " + mechanism, send: swaks, lane: lane, tls: []string{"1.3"},
			args: []string{swaksTLS[lane], "--auth", mechanism, "--auth-user", user, "--auth-password", accountPassword},
		}, edgeCase{
			name: "curl " + mechanism, send: curl, lane: lane, tls: []string{"1.3"},
			args: []string{"--ssl-reqd", "--cacert", ca.file, "--user", user + ":" + accountPassword, "--login-options", "AUTH=" + mechanism},
		}, edgeCase{
			name: "smtplib " + mechanism, send: smtplib, lane: lane, tls: []string{"1.3"},
			args: []string{pythonTLS[lane], "--only", mechanism, "--login", user, accountPassword},
		})
	}
	return append(all,
		edgeCase{
			name: "swaks with a wrong password", send: swaks, lane: "starttls", fails: "535 5.7.8",
			args: []string{"--tls", "--auth", "PLAIN", "--auth-user", user, "--auth-password", "wrong"},
		},
		edgeCase{
			name: "swaks without TLS", send: swaks, lane: "starttls", fails: "Host did not advertise authentication",
			args: []string{"--auth", "PLAIN", "--auth-user", user, "--auth-password", accountPassword},
		},
		edgeCase{
			name: "curl with a wrong password", send: curl, lane: "implicit", fails: "535 5.7.8",
			args: []string{"--cacert", ca.file, "--user", user + ":wrong"},
		},
		edgeCase{
			name: "smtplib with a wrong password", send: smtplib, lane: "required", fails: "5.7.8",
			args: []string{"--starttls", "--login", user, "wrong"},
		},
	)
}
