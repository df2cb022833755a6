package serve

import "context"

// copied is where a zone's last entry is kept on this machine too.
type copied struct {
	store  Store
	serial uint32 // what it has
}

// KeepCopy keeps a copy of the shared entry on this machine, and serves it until the
// shared store has spoken: a replica that starts while Consul is away then answers
// what it answered last. It is called before Run.
func (z *Zone) KeepCopy(ctx context.Context, store Store) error {
	z.copy = &copied{store: store}
	data, version, err := store.Load(ctx)
	if err != nil || version == 0 {
		return err
	}
	e, err := decodeEntry(data)
	if err != nil {
		return err
	}
	z.copy.serial = e.Serial
	return z.install(e, 0) // no version of the shared store
}

// refreshCopy writes what is served, if it is not what the copy has.
func (z *Zone) refreshCopy(ctx context.Context) error {
	z.mu.Lock()
	e := z.held
	z.mu.Unlock()
	if z.copy == nil || e == nil || e.Serial == z.copy.serial {
		return nil
	}
	data, err := e.encode()
	if err != nil {
		return err
	}
	_, version, err := z.copy.store.Load(ctx)
	if err != nil {
		return err
	}
	ok, err := z.copy.store.Swap(ctx, data, version)
	if ok {
		z.copy.serial = e.Serial
	}
	return err
}
