package config

import (
	"encoding/base64"
	"io"
	"slices"
	"strconv"
	"strings"

	mdns "github.com/miekg/dns"

	"weir/dns"
	"weir/dns/serve"
	"weir/dns/update"
)

// checkUpdate finds a zone that could not be written, and reads its key.
func (d *decoder) checkUpdate(u *zoneUpdate, path string) {
	if len(u.servers) == 0 && !d.faulty(path+".servers") && !d.faulty(path) {
		d.report(d.where(path+".servers", path), path, faultf(`for example servers: ["10.0.0.53:53"]`, "it names no servers"))
	}
	taken := map[string]string{}
	for i, server := range u.servers {
		at := path + ".servers[" + strconv.Itoa(i) + "]"
		d.once(value{path: at, at: d.where(at, path+".servers")}, "address", server, taken)
	}
	switch keyFile, tsig := path+".key_file", path+".tsig"; {
	case d.faulty(keyFile) || d.faulty(tsig) || d.faulty(path):
	case u.keyFile != "" && u.tsig != nil:
		d.report(d.where(tsig), tsig, faultf("keep one of them", "key_file is given too"))
	case u.keyFile != "":
		if key := d.readKey(u.keyFile, keyFile); key != nil {
			u.key = *key
		}
	case u.tsig != nil:
		d.checkTSIG(u, tsig)
	default:
		d.report(d.where(path), path, faultf("for example key_file: weir.key, made by: tsig-keygen weir > weir.key",
			"it names no key: anybody could write the zone"))
	}
}

// readKey reads a key as tsig-keygen writes it; what is wrong with it is reported
// where the file is named.
func (d *decoder) readKey(file, path string) *dns.Key {
	data, bad := readSmall(file)
	if bad == nil {
		key, err := update.ParseKey(file, data)
		if err == nil {
			return &key
		}
		bad = faultf("", "%s", err)
	}
	d.report(d.where(path), path, bad)
	return nil
}

// checkTSIG makes a key of its parts.
func (d *decoder) checkTSIG(u *zoneUpdate, path string) {
	for _, key := range []string{"name", "secret_file"} {
		switch {
		case d.faulty(path + "." + key):
			return
		case !d.has(path + "." + key):
			d.report(d.where(path), path, faultf("for example tsig: {name: weir, algorithm: hmac-sha256, secret_file: weir.secret}", "it has no %s", key))
			return
		}
	}
	data, bad := readSmall(u.tsig.secretFile)
	secret := strings.TrimSpace(string(data))
	if decoded, err := base64.StdEncoding.DecodeString(secret); bad == nil && (err != nil || len(decoded) == 0) {
		bad = faultf("for example: head -c 32 /dev/urandom | base64 > "+u.tsig.secretFile, "what %s holds is not base64", u.tsig.secretFile)
	}
	if bad != nil {
		d.report(d.where(path+".secret_file"), path+".secret_file", bad)
		return
	}
	u.key = dns.Key{Name: mdns.CanonicalName(u.tsig.name), Algorithm: mdns.Fqdn(u.tsig.algorithm), Secret: secret}
}

// readSmall returns the content of a file that holds a few lines at most.
func readSmall(path string) ([]byte, *fault) {
	f, _, bad := open(path)
	if bad != nil {
		return nil, bad
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	switch {
	case err != nil:
		return nil, faultf("", "%s cannot be read: %s", path, bare(err))
	case len(data) > maxSecretFile:
		return nil, faultf("", "%s is larger than 4 KiB: this is no key", path)
	}
	return data, nil
}

// checkServe finds a zone that could not be answered for, and reads its key.
func (d *decoder) checkServe(w *draft, i int) {
	s, path := w.zones[i].serve, zonePath(i)+".serve"
	if len(s.ns) == 0 && s.zoneFile == "" && !d.faulty(path+".ns") && !d.faulty(path+".zone_file") && !d.faulty(path) {
		d.report(d.where(path+".ns", path), path, faultf("for example ns: [ns1.example.com]",
			"it names no name servers: a zone without them is none (RFC 1035 section 5.2)"))
	}
	d.checkServeAddress(w, i, path+".address")
	if s.keyFile != "" && !d.faulty(path+".key_file") {
		s.key = d.readKey(s.keyFile, path+".key_file")
	}
	d.checkZone(w, i)
}

// checkServeAddress finds an address that something else listens on. Zones may
// share one.
func (d *decoder) checkServeAddress(w *draft, i int, path string) {
	const remedy = "give each its own address or port"
	address, at := w.zones[i].serve.address, d.where(path, zonePath(i)+".serve")
	for _, l := range w.listeners {
		if overlap(address, l.Address) {
			d.report(at, path, faultf(remedy, "%q overlaps with %q of %s", address, l.Address, l.path))
			return
		}
	}
	if overlap(address, w.Admin.Address) {
		d.report(at, path, faultf(remedy, "%q overlaps with %q of admin.address", address, w.Admin.Address))
		return
	}
	for j := range i {
		if other := w.zones[j].serve; other != nil && other.address != address && overlap(address, other.address) {
			d.report(at, path, faultf("give both the same, or each its own", "%q overlaps with %q of %s", address, other.address, zonePath(j)))
			return
		}
	}
}

// checkZone has the server look at the zone that it would answer for, with the file
// of foreign records.
func (d *decoder) checkZone(w *draft, i int) {
	z, path := &w.zones[i], zonePath(i)
	if slices.ContainsFunc(d.problems, func(p Problem) bool { return strings.HasPrefix(p.Path+".", path+".") || p.Path == "cluster" }) {
		return
	}
	_, err := serve.Check(z.build(&w.Balancer))
	all := []error{err}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		all = many.Unwrap()
	}
	for _, err := range all {
		if err != nil {
			d.report(d.where(path+".serve.zone_file", path+".serve"), path+".serve.zone_file", faultf("", "%s", err))
		}
	}
}
