package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// What a secret's file must not grant.
const (
	ownerOnly    fs.FileMode = 0o077
	groupMayRead fs.FileMode = 0o037 // as service managers hand secrets over
)

// Bounds of a secret: shorter ones can be guessed, longer ones are another file.
const (
	minSecret     = 16 // characters
	maxSecretFile = 4 << 10
)

// file is the rule for the path of a file, relative to the config file's own
// folder. Empty is none; the checks are asked of others.
func file(dst *string, checks ...func(path string) *fault) rule {
	r := scalar(dst, text)
	r.read = func(d *decoder, v value) {
		path, ok := d.text(v)
		if !ok {
			return
		}
		if strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			d.reject(v, "", "%q is not the path of a file", path)
			return
		}
		if path != "" && !filepath.IsAbs(path) {
			path = filepath.Join(d.folder, path)
		}
		for _, check := range checks {
			if bad := check(path); bad != nil {
				d.report(v.at, v.path, bad)
				return
			}
		}
		*dst = path
	}
	return r
}

// given refuses the empty path.
func given(path string) *fault {
	if path == "" {
		return faultf("for example alice.token", "is empty")
	}
	return nil
}

// readable refuses a file that is not there or cannot be opened.
func readable(path string) *fault {
	if path == "" {
		return nil
	}
	f, _, bad := open(path)
	if bad != nil {
		return bad
	}
	_ = f.Close()
	return nil
}

// private refuses what [readable] does, and a file that others may read: those
// whom a bit of forbidden stands for.
func private(forbidden fs.FileMode) func(path string) *fault {
	return func(path string) *fault {
		if path == "" {
			return nil
		}
		f, mode, bad := open(path)
		if bad != nil {
			return bad
		}
		_ = f.Close()
		if mode.Perm()&forbidden != 0 {
			return faultf("chmod 600 "+path, "%s has mode %04o: others than its owner have access to a secret", path, mode.Perm())
		}
		return nil
	}
}

// open opens a regular file. Others, such as pipes, could block.
func open(path string) (*os.File, fs.FileMode, *fault) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		return nil, 0, faultf("write the path of a file", "%s is not a regular file", path)
	}
	var f *os.File
	if err == nil {
		f, err = os.Open(path)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, 0, faultf("create it, or correct the path", "there is no file %s", path)
	case errors.Is(err, fs.ErrPermission):
		return nil, 0, faultf("make the user that weir runs as its owner", "%s cannot be read: %s", path, bare(err))
	case err != nil:
		return nil, 0, faultf("", "%s cannot be read: %s", path, bare(err))
	}
	return f, info.Mode(), nil
}

// readSecret returns a file's text without white space around it.
func readSecret(path string) (string, *fault) {
	f, _, bad := open(path)
	if bad != nil {
		return "", bad
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	secret := strings.TrimSpace(string(data))
	remedy := fmt.Sprintf("for example: head -c 24 /dev/urandom | base64 > %s", path)
	switch {
	case err != nil:
		return "", faultf("", "%s cannot be read: %s", path, bare(err))
	case len(data) > maxSecretFile:
		return "", faultf(remedy, "%s is larger than 4 KiB: this is no token", path)
	case len(secret) < minSecret:
		return "", faultf(remedy, "the token in %s is shorter than %d characters", path, minSecret)
	case strings.ContainsFunc(secret, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", faultf(remedy, "the token in %s has characters that a request cannot carry", path)
	}
	return secret, nil
}
