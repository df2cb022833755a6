package cluster

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/consul/api"
)

// ErrNoConsul means that there is no Consul in the config to keep something in.
var ErrNoConsul = errors.New("there is no consul section in the config")

// Load reads the value that the replicas share under key, consistently: what was
// swapped in before is seen. index is 0 and value nil when there is none.
func (c *Cluster) Load(ctx context.Context, key string) (value []byte, index uint64, err error) {
	if c.client == nil {
		return nil, 0, ErrNoConsul
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	options := api.QueryOptions{RequireConsistent: true}
	pair, _, err := c.client.KV().Get(c.prefix+key, options.WithContext(ctx))
	if err != nil {
		return nil, 0, fmt.Errorf("loading %s: %w", c.prefix+key, err)
	}
	if pair == nil {
		return nil, 0, nil
	}
	return pair.Value, pair.ModifyIndex, nil
}

// Swap replaces the value under key if its index is still the given one, 0 meaning
// that there is none. ok is false when another replica was faster. After an error
// it is not known whether the value was replaced: load it again. A value holds at
// most 512 KiB, which is Consul's limit.
func (c *Cluster) Swap(ctx context.Context, key string, value []byte, index uint64) (ok bool, err error) {
	if c.client == nil {
		return false, ErrNoConsul
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	pair := api.KVPair{Key: c.prefix + key, Value: value, ModifyIndex: index}
	ok, _, err = c.client.KV().CAS(&pair, new(api.WriteOptions).WithContext(ctx))
	if err != nil {
		return false, fmt.Errorf("swapping %s: %w", c.prefix+key, err)
	}
	return ok, nil
}
