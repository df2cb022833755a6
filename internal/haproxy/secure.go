package haproxy

import "strings"

// peer is how HAProxy was told to speak with one server.
type peer struct {
	ssl      bool
	verify   bool
	name     string // in the certificate
	identity string // of the client: proxy-v1 or proxy-v2
}

// peerParam takes a word behind a server's address that is about that, with the word
// behind it; it reports how many of the two it took.
func (t *translation) peerParam(s *server, comments *[]string, l line, word, next string) int {
	switch word {
	case "ssl":
		s.peer.ssl = true
	case "no-ssl":
		s.peer.ssl = false
	case "send-proxy":
		s.peer.identity = "proxy-v1"
	case "send-proxy-v2", "send-proxy-v2-ssl", "send-proxy-v2-ssl-cn":
		s.peer.identity = "proxy-v2"
	case "no-send-proxy", "no-send-proxy-v2":
		s.peer.identity = ""
	case "check-ssl", "check-send-proxy":
		// Probes go the way that mail goes.
	case "check-sni":
		return 2
	case "verify":
		s.peer.verify = next == "required"
		return 2
	case "verifyhost":
		s.peer.name = next
		return 2
	case "sni":
		name, fixed := strings.CutPrefix(next, "str(")
		if !fixed {
			*comments = append(*comments, t.comment(l.number, word+" "+next, "not translated, because weir asks for one name: tls: {server_name: NAME}"))
		} else if s.peer.name == "" {
			s.peer.name = strings.TrimSuffix(name, ")")
		}
		return 2
	case "ca-file":
		*comments = append(*comments, t.comment(l.number, word+" "+next, "add it to tls: ca: FILE"))
		return 2
	default:
		return 0
	}
	return 1
}

// agree takes what all servers of a pool have in common: weir has one way to speak
// with a pool's connectors.
func (p *pool) agree(t *translation) {
	number := 0
	switch {
	case p.template != nil:
		p.peer, number = *p.template, p.dns.line
	case len(p.servers) > 0:
		p.peer, number = p.servers[0].peer, p.servers[0].line
	}
	for _, s := range p.servers {
		if s.peer != p.peer {
			s.comments = append(s.comments, t.comment(s.line, "server "+s.name,
				"its TLS or PROXY header is not that of the pool, and weir has one of each for a pool: give it a pool of its own"))
		}
	}
	if one := &p.peer; one.ssl && one.verify && !isHost(one.name) {
		one.verify = false
		p.comments = append(p.comments, t.comment(number, "verify required",
			"HAProxy took a certificate for any name; weir wants the right one: tls: {verify: true, server_name: NAME}"))
	}
}

func isHost(name string) bool {
	return isDomain(name) && !strings.Contains(name, "_") && !strings.HasSuffix(name, ".")
}

// write writes the keys of a pool.
func (one *peer) write(p *page) {
	switch {
	case one.ssl && one.verify:
		p.line(4, "tls: {mode: implicit, verify: true, server_name: %s}", plain(one.name))
	case one.ssl && isHost(one.name):
		p.line(4, "tls: {mode: implicit, server_name: %s}", plain(one.name))
	case one.ssl:
		p.line(4, "tls: {mode: implicit}")
	}
	if one.identity != "" {
		p.line(4, "client_identity: %s", one.identity)
	}
}

// bindParam takes a word behind an address to listen on that is about TLS or PROXY,
// with the word behind it; it reports how many of the two it took.
func (t *translation) bindParam(l *listener, b bind, word, next string) int {
	file := func(why string) int {
		l.comments = append(l.comments, t.comment(b.number, word+" "+next, why))
		return 2
	}
	switch word {
	case "ssl":
		l.ssl = true
		return 1
	case "crt":
		return file("add it to tls: certificates: [{cert: FILE, key: FILE}], where one file may be both; until then senders see a certificate that weir has signed itself")
	case "crt-list":
		return file("add its files to tls: certificates: [{cert: FILE, key: FILE}]; until then senders see a certificate that weir has signed itself")
	case "ca-file":
		return file("add it to tls: client_ca: FILE; a certificate of the sender's is asked for then, and may be missing")
	case "accept-proxy":
		l.limits.proxies = []string{"0.0.0.0/0", "::/0"}
		l.comments = append(l.comments, t.comment(b.number, word, "as in HAProxy it is required from everywhere; better name your proxies' networks alone"))
		return 1
	case "ssl-min-ver":
		l.tls13 = next == "TLSv1.3"
		return 2
	case "name", "alpn", "ciphers", "ciphersuites", "curves", "ssl-max-ver", "verify":
		return 2 // said by others, or for people only
	}
	return 0
}
