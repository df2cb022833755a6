package config

import (
	"path/filepath"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// domainList is the rule for the recipient domains that a listener accepts: a
// list of them, in which "@file" stands for those in a file, or such a file alone.
func domainList(dst *[]string) rule {
	r := scalars(dst, text)
	r.read = func(d *decoder, v value) {
		if _, alone := v.node.(*ast.StringNode); alone && strings.HasPrefix(rawText(v.node), "@") {
			d.seen[v.path+"[0]"] = v.at
			*dst = []string{""}
			scalar(&(*dst)[0], d.acceptance).read(d, v)
			return
		}
		scalars(dst, d.acceptance).read(d, v)
	}
	return r
}

// acceptance accepts one entry of such a list. The file's path is made whole.
func (d *decoder) acceptance(s string) (string, *fault) {
	path, isFile := strings.CutPrefix(s, "@")
	switch {
	case !isFile:
		return accepted(s)
	case path == "" || strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "", faultf("for example \"@our.domains\"", "%q names no file", s)
	case !filepath.IsAbs(path):
		path = filepath.Join(d.folder, path)
	}
	return "@" + path, nil
}

// accepted accepts what a listener can accept recipients of: what a route can
// match, but for every domain.
func accepted(s string) (string, *fault) {
	if s == "*" {
		return "", faultf("leave accept_domains out", `"*" is every domain`)
	}
	got, bad := pattern(s)
	if bad != nil && strings.Contains(s, "@") {
		return "", faultf("write "+quoted(s[strings.LastIndexByte(s, '@')+1:])+`; a file is "@" and its path`, "%q is not a domain", s)
	}
	if bad != nil {
		bad.remedy = strings.TrimSuffix(strings.TrimSuffix(bad.remedy, `, or "*" for every domain`), ` or "*"`)
	}
	return got, bad
}

// checkAccepted reads the files of accepted domains and puts all domains in one list.
func (d *decoder) checkAccepted(l *listener) {
	for i, entry := range l.accept {
		key := l.path + ".accept_domains[" + strconv.Itoa(i) + "]"
		if file, isFile := strings.CutPrefix(entry, "@"); isFile {
			found, _ := d.readPatterns(file, key, d.where(key), accepted)
			l.AcceptDomains = append(l.AcceptDomains, found...)
		} else {
			l.AcceptDomains = append(l.AcceptDomains, entry)
		}
	}
}
