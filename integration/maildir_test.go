package integration

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// stored is one file of a Maildir, judged.
type stored struct {
	host, queueID string // the instance and its own id: together one acceptance by one connector
	id, to        string
	fault         string // why its content is not what was sent; empty when it is
}

// maildir reads an instance's Maildir, each file once.
type maildir struct {
	host, dir string
	seen      map[string]stored
}

func newMaildir(host, dir string) *maildir {
	return &maildir{host: host, dir: dir, seen: map[string]stored{}}
}

// scan reads what is new.
func (d *maildir) scan() {
	for _, sub := range []string{"new", "cur"} {
		entries, _ := os.ReadDir(filepath.Join(d.dir, sub)) // absent until the first mail
		for _, e := range entries {
			if _, known := d.seen[e.Name()]; known {
				continue
			}
			text, err := os.ReadFile(filepath.Join(d.dir, sub, e.Name()))
			if err == nil {
				d.seen[e.Name()] = judge(d.host, text)
			}
		}
	}
}

// The topmost Received line is that of the Postfix that stored the file; its id is signed behind "(Postfix)".
var queueIDPattern = regexp.MustCompile(`\(Postfix\) with \w+\s+id (\w+)`)

// judge takes a stored file apart and compares its body with the digest it carries.
func judge(host string, text []byte) stored {
	header, body, _ := bytes.Cut(text, []byte("\n\n"))
	s := stored{host: host, id: headerField(header, "X-Weir-Id"), to: headerField(header, "Delivered-To")}
	if m := queueIDPattern.FindSubmatch(header); m != nil {
		s.queueID = string(m[1])
	}
	switch want := headerField(header, "X-Weir-Digest"); {
	case bytes.ContainsRune(text, '\r'):
		s.fault = "a CR in the stored file"
	case want == "":
		s.fault = "its header lost X-Weir-Digest"
	case want != digest(body):
		s.fault = fmt.Sprintf("its body of %d octets is not what was sent: starts %.60q, ends %q", len(body), body, body[max(0, len(body)-60):])
	}
	return s
}

// headerField is the value of the first such field; test messages do not fold theirs.
func headerField(header []byte, name string) string {
	for line := range strings.Lines(string(header)) {
		if field, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(field, name) {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// inbox is what all instances stored: by message and recipient, the distinct acceptances.
type inbox map[string]map[string]stored

func inboxKey(id, to string) string { return id + " " + to }

// readAll scans all Maildirs. A file that Postfix itself delivered twice (it was killed between the delivery and its
// note of it) has one queue id and counts once: that is not the balancer's doing.
func readAll(posts []*postfix) inbox {
	box := inbox{}
	for _, p := range posts {
		p.maildir.scan()
		for _, s := range p.maildir.seen {
			key := inboxKey(s.id, s.to)
			if box[key] == nil {
				box[key] = map[string]stored{}
			}
			box[key][s.host+" "+s.queueID] = s
		}
	}
	return box
}

// settle waits until every instance has delivered what it accepted, and returns the inbox.
func settle(t *testing.T, posts []*postfix) inbox {
	t.Helper()
	eventually(t, 90*time.Second, func() bool {
		for _, p := range posts {
			if p.queued() > 0 {
				return false
			}
		}
		return true
	}, "Postfix has not delivered its queue: %s", posts[0].log())
	return readAll(posts)
}

// allowance is how many further copies of a message may exist; nil means none.
type allowance func(id string) int

// checkDelivered proves the promise: every acknowledged message is stored once for each recipient, byte for byte,
// and more often only where it is allowed.
func checkDelivered(t *testing.T, box inbox, acknowledged []*message, extra allowance) {
	t.Helper()
	bad := 0
	for _, m := range acknowledged {
		for _, to := range m.to {
			if why := m.judgeCopies(box[inboxKey(m.id, to)], extra); why != "" {
				if bad++; bad <= 10 {
					t.Errorf("message %s for %s: %s", m.id, to, why)
				}
			}
		}
	}
	if bad > 10 {
		t.Errorf("… and %d more", bad-10)
	}
}

func (m *message) judgeCopies(copies map[string]stored, extra allowance) string {
	allowed := 1
	if extra != nil {
		allowed += extra(m.id)
	}
	switch {
	case len(copies) == 0:
		return "acknowledged, and LOST"
	case len(copies) > allowed:
		return fmt.Sprintf("%d copies, at most %d explained: %v", len(copies), allowed, copies)
	}
	for _, s := range copies {
		if s.fault != "" {
			return s.fault
		}
	}
	return ""
}

// byHost counts what each instance stored.
func (b inbox) byHost() map[string]int {
	n := map[string]int{}
	for _, copies := range b {
		for _, s := range copies {
			n[s.host]++
		}
	}
	return n
}
