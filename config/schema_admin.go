package config

import (
	"cmp"
	"crypto/tls"
	"slices"
	"strings"
)

// adminFields is the table of the admin server.
func adminFields(a *Admin) []field {
	return []field{
		{"address", scalar(&a.Address, adminAddress)},
		{"socket", file(&a.Socket)},
		{"anonymous", word(&a.Anonymous, []string{"read", "operate", "none"})},
		{"tokens", tokens(&a.Tokens)},
		{"hosts", scalars(&a.Hosts, host)},
		{"base_path", scalar(&a.BasePath, basePath)},
		{"tls", section(
			field{"cert", file(&a.Cert, readable)},
			field{"key", file(&a.Key, private(groupMayRead))},
		)},
	}
}

// tokens is the rule for the list of tokens. Their secrets are read here.
func tokens(dst *[]Token) rule {
	read := func(d *decoder, v value) {
		items, ok := d.list(v)
		if !ok {
			return
		}
		*dst = nil
		names := map[string]string{}
		for _, item := range items {
			t := d.token(item)
			d.once(item, "name", t.Name, names)
			*dst = append(*dst, t)
		}
		d.checkSecrets(items, *dst)
	}
	show := func(bool) *node { // none of its keys has a default
		return showList(*dst, true, tokenFields, Token{}, func(t *Token) string { return t.Name })
	}
	return rule{keys: tokenFields(new(Token)), each: "[]", read: read, show: show}
}

func (d *decoder) token(v value) Token {
	t := Token{Role: "read"}
	if !d.section(v, tokenFields(&t)) || d.faulty(v.path) {
		return t
	}
	for _, key := range []string{"name", "role", "file"} {
		if !d.has(v.path + "." + key) {
			d.reject(v, "for example {name: alice, role: operate, file: alice.token}", "the token has no %s", key)
			return t
		}
	}
	path := v.path + ".file"
	if d.faulty(path) {
		return t
	}
	secret, bad := readSecret(t.File)
	if bad != nil {
		d.report(d.where(path), path, bad)
	}
	t.Secret = secret
	return t
}

// checkSecrets reports two tokens with one secret: it would not be known who
// uses it.
func (d *decoder) checkSecrets(items []value, all []Token) {
	for i, t := range all {
		first := slices.IndexFunc(all, func(other Token) bool { return other.Secret == t.Secret })
		if t.Secret != "" && first < i {
			d.reject(items[i], "give each its own", "its secret is that of %s too", items[first].path)
		}
	}
}

func tokenFields(t *Token) []field {
	return []field{
		{"name", scalar(&t.Name, name)},
		{"role", word(&t.Role, []string{"read", "operate"})},
		{"file", file(&t.File, private(ownerOnly), given)},
	}
}

// basePath accepts the path that all others of the admin server stand below.
func basePath(s string) (string, *fault) {
	const remedy = "for example /weir, or / for none"
	parts := strings.Split(strings.TrimSuffix(s, "/"), "/")
	if !strings.HasPrefix(s, "/") || len(s) > maxBasePath {
		return "", faultf(remedy, "%q is no path", s)
	}
	for _, part := range parts[1:] {
		if part == "" || strings.Trim(part, ".") == "" || strings.ContainsFunc(part, func(r rune) bool { return !letter(r) && !digit(r) && !strings.ContainsRune("-._~", r) }) {
			return "", faultf(remedy, "%q is no path of plain words", s)
		}
	}
	return cmp.Or(strings.Join(parts, "/"), "/"), nil
}

// maxBasePath is the length of the longest base path.
const maxBasePath = 128

// checkAdmin finds an admin server that strangers could reach, and half a
// certificate.
func (d *decoder) checkAdmin(w *draft) {
	a := &w.Admin
	d.checkAdminTLS(a)
	if ip, _ := addressKey(a.Address); a.Address == "" || ip.IsLoopback() || len(a.Tokens) > 0 || d.faulty("admin.tokens") {
		return
	}
	d.report(d.where("admin.address"), "admin.address", faultf("add tokens:, or listen on loopback, such as 127.0.0.1:8025",
		"others than this machine could reach it, and there are no tokens to know them by"))
}

// checkAdminTLS finds a certificate without its key, or one that is of another.
func (d *decoder) checkAdminTLS(a *Admin) {
	const cert, key = "admin.tls.cert", "admin.tls.key"
	if d.faulty(cert) || d.faulty(key) {
		return
	}
	switch {
	case a.Cert != "" && a.Key == "":
		d.report(d.where(cert), cert, faultf("add key:, or leave both out", "a certificate without its key"))
	case a.Cert == "" && a.Key != "":
		d.report(d.where(key), key, faultf("add cert:, or leave both out", "a key without its certificate"))
	case a.Cert != "":
		if _, err := tls.LoadX509KeyPair(a.Cert, a.Key); err != nil {
			d.report(d.where(cert), cert, faultf("both are PEM files; cert begins with the server's own certificate", "cert and key do not make a pair: %v", err))
		}
	}
}

// warnAdmin finds rights that nobody has.
func (d *decoder) warnAdmin(w *draft) {
	a := &w.Admin
	if a.Anonymous == "none" && len(a.Tokens) == 0 && a.Socket == "" && a.Address != "" {
		d.caution(d.where("admin.anonymous"), "admin.anonymous", faultf("add tokens: or socket:",
			"nobody can ask this weir anything: there are no tokens and no socket"))
	}
	if len(a.Tokens) > 0 && a.Address == "" {
		d.caution(d.where("admin.tokens"), "admin.tokens", faultf("add address:",
			"they have no effect: there is no address, and on a socket it is the caller's user that counts"))
	}
}
