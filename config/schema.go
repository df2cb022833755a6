package config

// fields is the table of the whole file. What a rule reads goes to its target
// at once; pool_defaults therefore stands before pools.
func (w *draft) fields() []field {
	return []field{
		{"hostname", scalar(&w.Balancer.Hostname, hostname)},
		{"cluster", scalar(&w.Balancer.Cluster, name)},
		{"advertise", scalars(&w.Advertise, ownAddress)},
		{"log", section(
			field{"level", word(&w.Log.Level, []string{"debug", "info", "warn", "error"})},
			field{"format", word(&w.Log.Format, []string{"json", "console"})},
			field{"mask_addresses", scalar(&w.Log.MaskAddresses, flag)},
		)},
		{"history", section(
			field{"transactions", scalar(&w.History, count(0, mostHistory))},
		)},
		{"state_dir", file(&w.StateDir)},
		{"startup_wait", scalar(&w.StartupWait, duration)},
		{"shutdown_grace", scalar(&w.ShutdownGrace, durationOrZero)},
		{"shutdown_timeout", scalar(&w.ShutdownTimeout, duration)},
		{"replay_memory", scalar(&w.Balancer.ReplayMemory, size)},
		{"listeners", w.listenerList()},
		{"routes", w.routeList()},
		{"pool_defaults", rule{read: section(w.defaults.fields()...).read}}, // its keys are shown where they belong, in pools
		{"pools", w.poolsByName()},
		{"consul", optional(&w.Consul, newConsul(), consulFields)},
		{"dns", w.zoneList()},
		{"webhook", section(webhookFields(&w.Webhook)...)},
		{"admin", section(adminFields(&w.Admin)...)},
	}
}

// poolsByName is the rule for the mapping of pool names to pools. Each begins
// as a copy of the defaults. One with a bad name is kept too, so that listeners
// which name it cause no further error.
func (w *draft) poolsByName() rule {
	read := func(d *decoder, v value) {
		found, ok := d.mapping(v)
		if ok && len(found) == 0 {
			d.report(v.at, v.path, noPools())
		}
		for _, e := range found {
			p := w.defaults
			p.facts.Name = e.key
			item := d.value(e.node, join(v.path, e.key))
			p.path = item.path
			d.seen[p.path] = e.at
			if _, bad := name(e.key); bad != nil {
				d.report(e.at, p.path, bad)
			}
			d.section(item, p.fields())
			w.pools = append(w.pools, &p)
		}
	}
	return rule{keys: new(pool).fields(), each: ".NAME", read: read, show: w.showPools}
}

func (w *draft) showPools(whole bool) *node {
	all := &node{mapping: true}
	fresh := newPool()
	for _, p := range w.pools {
		n := showKeys(p.fields(), whole)
		if !whole {
			n = n.without(showKeys(fresh.fields(), true))
		}
		all.keys = append(all.keys, shownKey{p.facts.Name, n})
	}
	return all
}
