package update

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	mdns "github.com/miekg/dns"

	"weir/dns"
)

// Every answer that is no, as a sentence for those who run the server: who said what,
// what it means there, and what to do.

// badKey explains why the key was not accepted (RFC 8945 section 5.2).
func (c *conn) badKey(tsig *mdns.TSIG) error {
	switch tsig.Error {
	case mdns.RcodeBadKey:
		return fmt.Errorf("%s does not know the key %s with %s (BADKEY): give it the same key, name and algorithm included, and reload it: %w",
			c.server, c.key.Name, c.key.Algorithm, dns.ErrRefused)
	case mdns.RcodeBadSig:
		return fmt.Errorf("%s has another secret for the key %s (BADSIG): copy the key file once more, to both sides, and reload them: %w",
			c.server, c.key.Name, dns.ErrRefused)
	case mdns.RcodeBadTime:
		return fmt.Errorf("the clock of %s and the one here are %s apart, and at most %s is allowed (BADTIME): let NTP set both; it is tried again",
			c.server, c.apart(tsig), fudge*time.Second)
	}
	return fmt.Errorf("%s does not accept the signature of the key %s (%s): compare name, algorithm and secret on both sides: %w",
		c.server, c.key.Name, mdns.RcodeToString[int(tsig.Error)], dns.ErrRefused)
}

// apart is the difference of the clocks, from the server's own that it adds to BADTIME.
func (c *conn) apart(tsig *mdns.TSIG) string {
	raw, err := hex.DecodeString(tsig.OtherData)
	if err != nil || len(raw) != 6 {
		return "too far"
	}
	var seconds int64
	for _, b := range raw {
		seconds = seconds<<8 | int64(b)
	}
	return c.now().Sub(time.Unix(seconds, 0)).Abs().Round(time.Second).String()
}

// badSignature explains an answer whose signature does not hold.
func (c *conn) badSignature(err error) error {
	if errors.Is(err, mdns.ErrTime) {
		return fmt.Errorf("the answer of %s was signed more than %s before or after now: let NTP set both clocks; it is tried again", c.server, fudge*time.Second)
	}
	return fmt.Errorf("the answer of %s has a signature that does not fit the key %s (%w): something on the way changes messages, or answers in its name",
		c.server, c.key.Name, err)
}

// unsigned explains a yes without a signature.
func (c *conn) unsigned() error {
	return fmt.Errorf("%s answers a signed message without a signature, so the answer could be anybody's and is not believed: it has no key configured, or is no primary but something in front of one: %w",
		c.server, dns.ErrRefused)
}

// unsignedNo explains a no without a signature.
func (c *conn) unsignedNo(rcode int) error {
	return fmt.Errorf("%s answers %s without a signature: it has no zone %s, has no key configured, or is no primary but something in front of one: %w",
		c.server, mdns.RcodeToString[rcode], c.zone, dns.ErrRefused)
}

// unreadable explains an answer to a question that says nothing about what stands there.
func (t *Target) unreadable(server string, n dns.Name, reply *mdns.Msg) error {
	switch reply.Rcode {
	case mdns.RcodeSuccess, mdns.RcodeNameError:
		if reply.Authoritative {
			return nil
		}
		return fmt.Errorf("%s does not speak for %s: it is no primary of %s, or that part is delegated to somebody else: %w",
			server, n.Name, t.zone, dns.ErrRefused)
	case mdns.RcodeRefused, mdns.RcodeNotAuth:
		return fmt.Errorf("%s does not let the key %s read %s (%s): it has no zone %s, or does not allow queries (in BIND: allow-query { key %s; }): %w",
			server, t.key.Name, label(n), mdns.RcodeToString[reply.Rcode], t.zone, strings.TrimSuffix(t.key.Name, "."), dns.ErrRefused)
	case mdns.RcodeServerFailure:
		return fmt.Errorf("%s cannot read %s (SERVFAIL): the zone is not loaded or has expired, its log says why; it is tried again", server, label(n))
	}
	return fmt.Errorf("%s answers %s when asked for %s", server, mdns.RcodeToString[reply.Rcode], label(n))
}

// refused explains a signed answer to an update that says it was not made.
func (t *Target) refused(server string, rcode int, change dns.Change) error {
	key, zone := strings.TrimSuffix(t.key.Name, "."), t.zone
	switch rcode {
	case mdns.RcodeRefused:
		return fmt.Errorf("%s refuses the update (REFUSED): the key %s may not write all of it. In BIND, in the zone: update-policy { %s }: %w",
			server, key, t.grants(change), dns.ErrRefused)
	case mdns.RcodeNotAuth:
		return fmt.Errorf("%s takes no updates of %s with the key %s (NOTAUTH): it is not the primary, or (Knot) no acl of the zone allows that key to write %s: %w",
			server, zone, key, strings.Join(writes(change), ", "), dns.ErrRefused)
	case mdns.RcodeServerFailure:
		return fmt.Errorf("%s could not make the update (SERVFAIL): most often the directory of the zone's journal is not writable for it, or the disk is full; its log says which. What is published stands, and it is tried again", server)
	case mdns.RcodeNotZone:
		return fmt.Errorf("%s says that a name is not in %s (NOTZONE): part of it is a zone of its own there; configure that zone: %w", server, zone, dns.ErrRefused)
	case mdns.RcodeNotImplemented, mdns.RcodeFormatError:
		return fmt.Errorf("%s does not take updates (%s): name the zone's primary, and one that knows RFC 2136: %w", server, mdns.RcodeToString[rcode], dns.ErrRefused)
	}
	return fmt.Errorf("%s answers the update with %s; its log says why. What is published stands, and it is tried again", server, mdns.RcodeToString[rcode])
}

// writes are the sets that a change touches, but for the epoch.
func writes(change dns.Change) []string {
	var all []string
	for _, set := range change.Put {
		all = append(all, label(set.Name))
	}
	for _, name := range slices.Concat(change.Claim, change.Release) {
		all = append(all, label(dns.Name{Name: dns.OwnerName(name), Type: mdns.TypeTXT}))
	}
	return all
}

// grants are the lines of BIND's update-policy that a change needs.
func (t *Target) grants(change dns.Change) string {
	kinds := map[string][]string{dns.EpochName(t.owner, t.zone): {"TXT"}}
	for _, name := range touched(change) {
		kinds[dns.OwnerName(name)] = []string{"TXT"}
	}
	for _, set := range change.Put {
		kinds[set.Name.Name] = append(kinds[set.Name.Name], mdns.TypeToString[set.Type])
	}
	lines := make([]string, 0, len(kinds))
	for name, list := range kinds {
		lines = append(lines, fmt.Sprintf("grant %s name %s %s;", strings.TrimSuffix(t.key.Name, "."), name, strings.Join(list, " ")))
	}
	slices.Sort(lines)
	return strings.Join(lines, " ")
}

// withoutAddress finds the other reason for BIND to refuse: an MX or SRV whose target
// is in the zone and has no address.
func (t *Target) withoutAddress(ctx context.Context, c *conn, change dns.Change) error {
	from := map[string]dns.Name{} // a target to the set that points there
	var wanted []dns.Name
	for _, set := range change.Put {
		rrs, _ := records(set) // checked before
		for _, rr := range rrs {
			target := pointsTo(rr)
			if target == "" || !mdns.IsSubDomain(t.zone, target) || given(change, target) {
				continue
			}
			from[target] = set.Name
			wanted = append(wanted, dns.Name{Name: target, Type: mdns.TypeA}, dns.Name{Name: target, Type: mdns.TypeAAAA})
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	got, err := t.query(ctx, c, wanted)
	if err != nil {
		return nil // the refusal itself says enough
	}
	for _, n := range wanted {
		if len(got[dns.Name{Name: n.Name, Type: mdns.TypeA}])+len(got[dns.Name{Name: n.Name, Type: mdns.TypeAAAA}]) == 0 {
			return fmt.Errorf("%s refuses %s (REFUSED): its target %s has no address in the zone; add an A or AAAA record for it: %w",
				c.server, label(from[n.Name]), n.Name, dns.ErrRefused)
		}
	}
	return nil
}

// pointsTo is the name that a record needs an address of.
func pointsTo(rr mdns.RR) string {
	switch rr := rr.(type) {
	case *mdns.MX:
		return mdns.CanonicalName(rr.Mx)
	case *mdns.SRV:
		return mdns.CanonicalName(rr.Target)
	}
	return ""
}

// given says whether a change itself gives a name an address.
func given(change dns.Change, name string) bool {
	return slices.ContainsFunc(change.Put, func(s dns.Set) bool {
		return s.Name.Name == name && (s.Type == mdns.TypeA || s.Type == mdns.TypeAAAA)
	})
}

// fenced is an epoch that is not the one that was believed. Only a newer one, or ours
// in another hand, means that somebody has taken over.
func (t *Target) fenced(found stamp, ours dns.Epoch) error {
	at := dns.EpochName(t.owner, t.zone)
	switch {
	case found == stamp{}:
		return fmt.Errorf("%s should say epoch=%d and is gone: somebody removed it, or an older copy of the zone was put back; weir begins anew", at, ours)
	case found.epoch < ours:
		return fmt.Errorf("%s should say epoch=%d and says %q: an older copy of the zone was put back; weir begins anew", at, ours, found.String())
	}
	return fmt.Errorf("%s says %q, and this weir's own is epoch %d: %w", at, found.String(), ours, dns.ErrFenced)
}

func (t *Target) foreignOwner(name, owner string) error {
	if owner == "" {
		return fmt.Errorf("%s is not weir's: there is no TXT record %s beside it; to hand it over add that record: %q: %w",
			name, dns.OwnerName(name), ownerPrefix+t.owner, dns.ErrForeign)
	}
	return fmt.Errorf("%s belongs to %s, as the TXT record %s says: let that one release it, or change the record to %q: %w",
		name, owner, dns.OwnerName(name), ownerPrefix+t.owner, dns.ErrForeign)
}

func (t *Target) foreignSet(set dns.Name) error {
	if set.Type == mdns.TypeCNAME {
		return fmt.Errorf("%s is an alias (CNAME) that weir did not make: remove it, or choose another name: %w", set.Name, dns.ErrForeign)
	}
	return fmt.Errorf("%s exists and is not weir's: choose another name, or hand this one over with a TXT record %s that says %q: %w",
		label(set), dns.OwnerName(set.Name), ownerPrefix+t.owner, dns.ErrForeign)
}

func foreignAlias(name, target string) error {
	return fmt.Errorf("%s is an alias (CNAME) of %s, beside which servers silently ignore every other record: remove it, or choose another name: %w",
		name, target, dns.ErrForeign)
}
