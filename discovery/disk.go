package discovery

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"weir/internal/backend"
)

// keptVersion is the version of the files' form.
const keptVersion = 1

// keptSet is the form of the last good set on disk.
type keptSet struct {
	Version    int             `json:"version"`
	Feed       string          `json:"feed"`
	Pool       string          `json:"pool"`
	Key        string          `json:"key"` // a hash: what the feed was made of may be nobody's business
	Source     string          `json:"source"`
	Connectors []keptConnector `json:"connectors"`
}

type keptConnector struct {
	Name        string            `json:"name"`
	Address     string            `json:"address"`
	Weight      int               `json:"weight,omitempty"`
	Cost        int               `json:"cost,omitempty"`
	Publish     netip.Addr        `json:"publish,omitzero"`
	Meta        map[string]string `json:"meta,omitempty"`
	Maintenance string            `json:"maintenance,omitempty"`
	Critical    string            `json:"critical,omitempty"`
}

var (
	errNewer  = errors.New("was written by a newer weir")
	errBroken = errors.New("is broken")
)

// encodeSet returns a set in the form it has on disk.
func encodeSet(feed, key string, set Set) ([]byte, error) {
	kept := keptSet{
		Version: keptVersion, Feed: feed, Pool: set.Pool, Key: hashed(key), Source: set.Source,
		Connectors: make([]keptConnector, 0, len(set.Specs)),
	}
	for _, s := range set.Specs {
		kept.Connectors = append(kept.Connectors, keptConnector{
			s.Name, s.Address, s.Weight, s.Cost, s.Publish, s.Meta, s.Maintenance, s.Critical,
		})
	}
	return json.Marshal(kept)
}

// decodeSet is the inverse. Its errors are errNewer and errBroken.
func decodeSet(data []byte) (*keptSet, error) {
	var version struct{ Version int }
	if err := json.Unmarshal(data, &version); err != nil {
		return nil, fmt.Errorf("%w: %w", errBroken, err)
	}
	if version.Version > keptVersion {
		return nil, fmt.Errorf("%w: version %d, known is %d", errNewer, version.Version, keptVersion)
	}
	var kept keptSet
	if err := json.Unmarshal(data, &kept); err != nil {
		return nil, fmt.Errorf("%w: %w", errBroken, err)
	}
	if kept.Version != keptVersion {
		return nil, fmt.Errorf("%w: version %d", errBroken, kept.Version)
	}
	for i, c := range kept.Connectors {
		if _, err := netip.ParseAddrPort(c.Address); err != nil {
			return nil, fmt.Errorf("%w: connector %d has the address %q", errBroken, i+1, c.Address)
		}
	}
	return &kept, nil
}

// specs returns the connectors as a source would tell them.
func (k *keptSet) specs() []backend.Spec {
	specs := make([]backend.Spec, 0, len(k.Connectors))
	for _, c := range k.Connectors {
		specs = append(specs, backend.Spec{
			Name: c.Name, Address: c.Address, Weight: c.Weight, Cost: c.Cost, Publish: c.Publish,
			Meta: c.Meta, Maintenance: c.Maintenance, Critical: c.Critical,
		})
	}
	return sorted(specs)
}

// fileOf returns the name of the file for a feed and a pool, safe in every file
// system. The hash keeps those apart that look alike without their odd characters.
func fileOf(feed, pool string) string {
	plain := func(s string) string {
		s = strings.ReplaceAll(backend.NameOf(s), ":", "-")
		return s[:min(len(s), 64)]
	}
	return plain(feed) + "_" + plain(pool) + "_" + hashed(feed + "\x00" + pool)[:8] + ".json"
}

func hashed(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
