package integration

import (
	"fmt"
	"strings"
	"testing"
)

// edgeCase is a real sender in front of one way of having TLS.
type edgeCase struct {
	name  string
	send  program
	lane  string
	args  []string
	tls   []string // words of the log's tls; none: in the clear
	fails string   // the sender gives up, and says so; empty: the message is taken
	why   []string // then: words of the reason in the log; none: not looked at
}

// TestEdge_SendersTLS: what swaks, curl and Python make of each mode of a listener's TLS; who they are stands in the log.
func TestEdge_SendersTLS(t *testing.T) {
	t.Parallel()
	needWeir(t)
	ca, stranger := newAuthority(t), newAuthority(t)
	withClients := fmt.Sprintf("client_ca: %q", ca.file)
	e := newEdge(t, ca,
		lane{name: "starttls", edge: ca.edgeWith("starttls", withClients)},
		lane{name: "required", edge: ca.edge("required")},
		lane{name: "implicit", edge: ca.edge("implicit")},
		lane{name: "new", edge: ca.edgeWith("starttls", `min_version: "1.3"`)},
		lane{name: "off"},
	)
	for i, c := range edgeCases(ca, stranger) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			from := guest{source(51, i), fmt.Sprintf("s%d.sender.example", i)}
			m := newMessage("edge", filler(5000))
			out, err := c.send(e, t, from, c.lane, m, c.args...)
			if c.fails == "" {
				if err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				e.arrived(t, m, said{from.addr, from.helo, c.tls})
				return
			}
			if err == nil || e.stored(m) > 0 {
				t.Fatalf("it was taken, %d times:\n%s", e.stored(m), out)
			}
			says(t, "the sender", out, c.fails)
			if len(c.why) > 0 {
				e.sessionEnd(t, from.addr+":", c.why...)
			}
		})
	}
}

func edgeCases(ca, stranger *authority) []edgeCase {
	own, ownKey := ca.sender("swaks.sender.example")
	alien, alienKey := stranger.sender("alien.sender.example")
	verified := func(args ...string) []string { return append(args, "--tls-verify", "--tls-ca-path", ca.file) }
	return []edgeCase{
		{name: "swaks STARTTLS", send: swaks, lane: "starttls", args: verified("--tls"), tls: []string{"1.3"}},
		{name: "swaks STARTTLS 1.2", send: swaks, lane: "starttls", args: verified("--tls", "--tls-protocol", "tlsv1_2"), tls: []string{"1.2"}},
		{name: "swaks STARTTLS pipelined", send: swaks, lane: "starttls", args: verified("--tls", "--pipeline"), tls: []string{"1.3"}},
		{name: "swaks where TLS is required", send: swaks, lane: "required", args: verified("--tls"), tls: []string{"1.3"}},
		{name: "swaks optional TLS", send: swaks, lane: "starttls", args: []string{"--tls-optional"}, tls: []string{"1.3"}},
		{name: "swaks optional TLS without an offer", send: swaks, lane: "off", args: []string{"--tls-optional"}},
		{name: "swaks optional strict TLS", send: swaks, lane: "starttls", args: verified("--tls-optional-strict"), tls: []string{"1.3"}},
		{name: "swaks implicit TLS", send: swaks, lane: "implicit", args: verified("--tls-on-connect"), tls: []string{"1.3"}},
		{name: "swaks without TLS", send: swaks, lane: "starttls"},
		{
			name: "swaks with a certificate", send: swaks, lane: "starttls", tls: []string{"1.3", "swaks.sender.example"},
			args: verified("--tls", "--tls-cert", own, "--tls-key", ownKey),
		},
		{
			name: "swaks with a certificate of strangers", send: swaks, lane: "starttls", fails: "TLS startup failed", why: []string{"TLS"},
			args: verified("--tls", "--tls-protocol", "tlsv1_2", "--tls-cert", alien, "--tls-key", alienKey),
		},
		{name: "swaks where it is required and not used", send: swaks, lane: "required", fails: "530 5.7.0 Must issue a STARTTLS command first"},
		{name: "swaks needs TLS and it is not offered", send: swaks, lane: "off", args: []string{"--tls"}, fails: "Host did not advertise STARTTLS"},
		{
			name: "swaks too old", send: swaks, lane: "new", args: []string{"--tls", "--tls-protocol", "tlsv1_2"},
			fails: "TLS startup failed", why: []string{"TLS"},
		},
		{name: "swaks in the clear to implicit TLS", send: swaks, lane: "implicit", args: []string{"--timeout", "2s"}, fails: "***"},
		{name: "curl smtp", send: curl, lane: "starttls", args: []string{"--ssl-reqd", "--cacert", ca.file}, tls: []string{"1.3"}},
		{name: "curl smtp where TLS is required", send: curl, lane: "required", args: []string{"--ssl-reqd", "--cacert", ca.file}, tls: []string{"1.3"}},
		{name: "curl smtps", send: curl, lane: "implicit", args: []string{"--cacert", ca.file}, tls: []string{"1.3"}},
		{name: "curl smtps 1.2", send: curl, lane: "implicit", args: []string{"--cacert", ca.file, "--tls-max", "1.2"}, tls: []string{"1.2"}},
		{name: "curl in the clear", send: curl, lane: "starttls"},
		{
			name: "curl does not know the authority", send: curl, lane: "starttls", args: []string{"--ssl-reqd", "--cacert", stranger.file},
			fails: "certificate", why: []string{"TLS"},
		},
		{name: "curl needs TLS and it is not offered", send: curl, lane: "off", args: []string{"--ssl-reqd"}, fails: "STARTTLS"},
		{name: "smtplib STARTTLS", send: smtplib, lane: "starttls", args: []string{"--starttls"}, tls: []string{"1.3"}},
		{name: "smtplib implicit TLS", send: smtplib, lane: "implicit", args: []string{"--implicit"}, tls: []string{"1.3"}},
		{name: "smtplib in the clear", send: smtplib, lane: "starttls"},
		{name: "smtplib where it is required and not used", send: smtplib, lane: "required", fails: "Must issue a STARTTLS command first"},
	}
}

// TestEdge_OfferedBeforeAndAfter: STARTTLS is offered until it was taken, and whoever speaks TLS says EHLO anew.
func TestEdge_OfferedBeforeAndAfter(t *testing.T) {
	t.Parallel()
	needWeir(t)
	ca := newAuthority(t)
	e := newEdge(t, ca, lane{name: "starttls", edge: ca.edge("starttls")}, lane{name: "implicit", edge: ca.edge("implicit")}, lane{name: "off"})
	from := guest{source(52, 0), "before.sender.example"}
	for name, want := range map[string]bool{"starttls": true, "off": false} {
		if c := e.visit(t, from, name); c.offers("STARTTLS") != want {
			t.Errorf("%s offers STARTTLS: %v, want %v", name, !want, want)
		}
	}
	implicit := shake(t, overConn(guestDial(t, from.addr, e.at("implicit"))), ca.trusts())
	if rep, err := implicit.read(); err != nil || rep.code != 220 {
		t.Fatalf("the greeting in TLS: %v, %v", rep, err)
	}
	e.hello(t, implicit, from)
	if implicit.offers("STARTTLS") {
		t.Error("TLS in TLS is offered")
	}
	expect(t, implicit, 503, "STARTTLS")
	expect(t, e.visit(t, from, "off"), 502, "STARTTLS")

	// P23: what was said in the clear is forgotten.
	c := e.visit(t, from, "starttls")
	expect(t, c, 501, "STARTTLS now")
	expect(t, c, 250, "MAIL FROM:<early@sender.example>")
	e.secureOnly(t, c, ca)
	expect(t, c, 503, "RCPT TO:<box@test.example>")
	expect(t, c, 503, "MAIL FROM:<early@sender.example>")
	e.hello(t, c, from)
	if c.offers("STARTTLS") {
		t.Error("TLS in TLS is offered")
	}
	m := newMessage("after", filler(300))
	e.give(t, c, m)
	e.arrived(t, m, said{from.addr, from.helo, []string{"1.3"}})
	if n := strings.Count(strings.Join(e.heardMails(), "\n"), "early@"); n > 0 {
		t.Errorf("the connector heard of a sender from before TLS %d times", n)
	}
}

// secureOnly takes STARTTLS without an EHLO behind it.
func (e *edge) secureOnly(t *testing.T, c *client, ca *authority) {
	t.Helper()
	expect(t, c, 220, "STARTTLS")
	secured := shake(t, c, ca.trusts())
	c.conn, c.r = secured.conn, secured.r
}

// heardMails are the MAIL commands that the connector has heard.
func (e *edge) heardMails() (all []string) {
	for _, l := range e.c.Transcript() {
		if strings.HasPrefix(l.Text, "MAIL") {
			all = append(all, l.Text)
		}
	}
	return all
}
