package haproxy

import (
	"strings"
	"time"
)

// choice is how HAProxy was told to choose a server, in weir's words. Empty is
// nothing: weir's default.
type choice struct {
	policy, hash string
	affinity     string
	lifetime     time.Duration
	stick, table line // where the affinity comes from
}

// balance takes the policy.
func (p *pool) balance(t *translation, l line) {
	algorithm, draws, _ := strings.Cut(l.arg(1), "(")
	switch algorithm {
	case "roundrobin", "static-rr":
		p.choice.policy = "round-robin"
	case "leastconn":
		p.choice.policy = "least-connections"
	case "source":
		p.choice.policy, p.choice.hash = "maglev", "client"
	case "random":
		p.choice.policy = "random"
		if draws != "1)" {
			p.comments = append(p.comments, t.comment(l.number, l.text(),
				"HAProxy draws two and takes the one with fewer connections; policy: least-load does so, and minds how quick they are"))
		}
	case "hash":
		p.choice.hash = clientKey(l.arg(2))
		if p.choice.hash != "" {
			p.choice.policy = "maglev"
			return
		}
		fallthrough
	default:
		p.comments = append(p.comments, t.comment(l.number, l.text(), "not translated, because weir has no such policy; it goes by the default, least-load"))
	}
}

// clientKey is what weir calls a sample of the client's address; "" for others.
func clientKey(sample string) string {
	switch {
	case sample == "src":
		return "client"
	case sample == "src,ipmask(24)", sample == "src,ipmask(24,64)":
		return "network"
	}
	return ""
}

// sticks takes what binds a client to a server, and reports whether it is such a
// line: "stick on src", or the two halves of it.
func (p *pool) sticks(l line) bool {
	switch {
	case l.is("stick-table"):
		p.choice.table, p.choice.lifetime = l, 0
		for i, word := range l.words {
			if word == "expire" {
				p.choice.lifetime, _ = duration(l.arg(i + 1))
			}
		}
		return true
	case l.is("stick", "on"), l.is("stick", "match"), l.is("stick", "store-request"):
		key := clientKey(l.arg(2))
		if key == "" || len(l.words) > 3 {
			return false // by something else, under a condition, or in another section's table
		}
		p.choice.affinity, p.choice.stick = key, l
		return true
	}
	return false
}

// settle keeps an affinity that means something.
func (p *pool) settle(t *translation) {
	c := &p.choice
	switch {
	case c.affinity == "" && c.table.number > 0:
		p.comments = t.tell(p.comments, c.table, func(line) string {
			return "not translated, because no line binds the senders' addresses by it: affinity"
		})
	case c.affinity != "" && c.policy == "maglev" && c.hash == c.affinity:
		p.comments = append(p.comments, t.comment(c.stick.number, c.stick.text(),
			"nothing to translate: policy: maglev sends a "+c.affinity+" to the same connector anyway"))
		c.affinity = ""
	}
	if c.affinity == "" {
		c.lifetime = 0
	}
}

func (c *choice) write(p *page) {
	for _, k := range []struct{ key, value string }{{"policy", c.policy}, {"hash", c.hash}, {"affinity", c.affinity}} {
		if k.value != "" {
			p.line(4, "%s: %s", k.key, k.value)
		}
	}
	if c.lifetime > 0 {
		p.line(4, "affinity_ttl: %s", short(c.lifetime))
	}
}
