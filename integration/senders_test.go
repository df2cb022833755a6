package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/smtp"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// sender hands messages to a server and returns those that were acknowledged. Each is a program or a library that
// somebody else wrote, or our raw client where octets matter.
type sender struct {
	name string
	// takes says whether this sender can express a case at all.
	takes func(bodyCase) bool
	send  func(t *testing.T, addr string, msgs []*message) []*message
}

func viaDATA(c bodyCase) bool { return !c.bdatOnly }

// viaSwaks: swaks takes dots at the end of its input for the end of data, and adds to a message without text.
func viaSwaks(c bodyCase) bool {
	return !c.bdatOnly && len(c.body) > 0 && !bytes.HasSuffix(c.body, []byte("\r\n.\r\n"))
}

// viaSource: smtp-source adds an empty line at the end, which is text of its own when there is no body.
func viaSource(c bodyCase) bool { return !c.bdatOnly && len(c.body) > 0 }

func senders() []sender {
	return []sender{
		{"raw", viaDATA, sendRaw((*client).sendData)},
		{"pipelined", viaDATA, sendRaw((*client).sendPipelined)},
		{"bdat", func(bodyCase) bool { return true }, sendRaw(func(c *client, m *message) (reply, error) {
			return c.sendBDAT(m, 1+len(m.raw)/3) // three chunks, borders in the middle of lines
		})},
		{"bdat-tiny", func(c bodyCase) bool { return len(c.body) < 4096 }, sendRaw(func(c *client, m *message) (reply, error) {
			return c.sendBDAT(m, 7) // borders inside CRLF and behind dots
		})},
		{"net-smtp", viaDATA, sendNetSMTP},
		{"smtplib", viaDATA, sendSmtplib},
		{"swaks", viaSwaks, sendSwaks},
		{"smtp-source", viaSource, sendSMTPSource},
	}
}

// sendRaw sends all messages over one connection with a method of the raw client.
func sendRaw(method func(*client, *message) (reply, error)) func(*testing.T, string, []*message) []*message {
	return func(t *testing.T, addr string, msgs []*message) []*message {
		t.Helper()
		c, err := dialSMTP(addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.quit()
		var done []*message
		for _, m := range msgs {
			if rep, err := method(c, m); err != nil {
				t.Fatalf("sending %s: %v", m.id, err)
			} else if rep.class() == 2 {
				done = append(done, m)
			}
		}
		return done
	}
}

// sendNetSMTP uses Go's own net/smtp.
func sendNetSMTP(t *testing.T, addr string, msgs []*message) []*message {
	t.Helper()
	var done []*message
	for _, m := range msgs {
		// SendMail adds BODY=8BITMIME by itself where it is offered.
		if err := smtp.SendMail(addr, nil, m.from, m.to, m.raw); err != nil {
			t.Fatalf("net/smtp sending %s: %v", m.id, err)
		}
		done = append(done, m)
	}
	return done
}

// run runs a sender's program with a ceiling.
func run(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	return string(out), err
}

// sendSmtplib uses Python's smtplib, all messages over one connection.
func sendSmtplib(t *testing.T, addr string, msgs []*message) []*message {
	t.Helper()
	need(t, "/usr/bin/python3", "python3")
	spool := t.TempDir()
	type envelope struct {
		ID       string   `json:"id"`
		From     string   `json:"from"`
		To       []string `json:"to"`
		EightBit bool     `json:"eightbit"`
	}
	var envelopes []envelope
	for _, m := range msgs {
		envelopes = append(envelopes, envelope{m.id, m.from, m.to, m.eightBit})
		writeSpool(t, spool, m.id+".eml", m.raw)
	}
	list, _ := json.Marshal(envelopes)
	writeSpool(t, spool, "envelopes.json", list)
	host, port, _ := net.SplitHostPort(addr)
	out, err := run(t, "/usr/bin/python3", "testdata/smtplib_send.py", host, port, spool)
	if err != nil {
		t.Fatalf("smtplib: %v\n%s", err, out)
	}
	ids := strings.Fields(out)
	return slices.DeleteFunc(slices.Clone(msgs), func(m *message) bool { return !slices.Contains(ids, m.id) })
}

func writeSpool(t *testing.T, spool, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(spool, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatalf("writing the spool: %v", err)
	}
	return path
}

// sendSwaks uses swaks, one run a message, every other one pipelined.
func sendSwaks(t *testing.T, addr string, msgs []*message) []*message {
	t.Helper()
	need(t, "swaks", "swaks")
	spool := t.TempDir()
	for i, m := range msgs {
		// swaks ends the last line itself, whether or not it has an end.
		content := bytes.TrimSuffix(m.textFile(), []byte("\n"))
		args := []string{
			"--server", addr, "--ehlo", "swaks.test.example", "--from", m.from, "--to", strings.Join(m.to, ","),
			"--data", "@" + writeSpool(t, spool, m.id, content), "--silent", "2", "--suppress-data",
		}
		if i%2 == 1 {
			args = append(args, "--pipeline")
		}
		if out, err := run(t, "swaks", args...); err != nil {
			t.Fatalf("swaks sending %s: %v\n%s", m.id, err, out)
		}
	}
	return msgs
}

// sendSMTPSource uses Postfix's smtp-source, one run a message. It knows one recipient only.
func sendSMTPSource(t *testing.T, addr string, msgs []*message) []*message {
	t.Helper()
	for _, m := range msgs {
		smtpSource(t, addr, m)
	}
	return msgs
}

// smtpSource runs smtp-source with the message as its content; its exit code is its acknowledgement.
func smtpSource(t *testing.T, addr string, m *message, args ...string) {
	t.Helper()
	need(t, "smtp-source", "postfix")
	file := writeSpool(t, t.TempDir(), "content", m.withEmptyLine().textFile())
	args = append(args, "-M", "source.test.example", "-f", m.from, "-t", m.to[0], "-F", file, addr)
	if out, err := run(t, "smtp-source", args...); err != nil {
		t.Fatalf("smtp-source: %v\n%s", err, out)
	}
}

// front is what the senders talk to: weir before the Postfixes, or with WEIR_DIRECT=1 the first Postfix itself.
func front(t *testing.T, posts []*postfix) (addr string, w *weir) {
	t.Helper()
	if os.Getenv("WEIR_DIRECT") == "1" {
		return posts[0].addr, nil
	}
	w = startWeir(t, basicConfig(opts{backends: addrs(posts)}))
	w.waitEligible(poolName, len(posts))
	return w.SMTPAddr(), w
}

func addrs(posts []*postfix) []string {
	var out []string
	for _, p := range posts {
		out = append(out, p.addr)
	}
	return out
}
