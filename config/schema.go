package config

import (
	"weir/balancer"
)

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

// listenerList is the rule for the list of listeners.
func (w *draft) listenerList() rule {
	read := func(d *decoder, v value) {
		items, ok := d.list(v)
		if ok && len(items) == 0 {
			d.report(v.at, v.path, noListeners())
		}
		for _, item := range items {
			l := newListener()
			d.section(item, listenerFields(&l))
			l.path = item.path
			w.listeners = append(w.listeners, l)
		}
	}
	show := func(whole bool) *node {
		return showList(w.listeners, whole, listenerFields, newListener(), func(l *listener) string { return l.Name })
	}
	return rule{keys: listenerFields(new(listener)), each: "[]", read: read, show: show}
}

func listenerFields(l *listener) []field {
	return []field{
		{"name", scalar(&l.Name, name)},
		{"address", scalar(&l.Address, listenAddress)},
		{"mode", only("smtp", "tcp")},
		{"pool", scalar(&l.Pool, text)},
		{"routes", scalar(&l.routes, flag)},
		{"accept_domains", later("[]")},
		{"greeting_delay", later("0s", "0")},
		{"tls", tlsOff([]string{"starttls", "required", "implicit"}, "certificates", "min_version", "client_ca", "ticket_keys")},
		{"proxy_protocol", section(field{"trust", later("[]")})},
		{"exempt", scalars(&l.Exempt, network)},
		{"xclient", section(field{"trust", later("[]")})},
		{"limits", section(
			field{"connections", scalar(&l.Limits.Connections, atLeast(0))},
			field{"per_ip", later("0")},
			field{"rate_per_ip", later("0")},
			field{"messages_per_connection", scalar(&l.Limits.MessagesPerConnection, atLeast(0))},
			field{"recipients", scalar(&l.Limits.Recipients, atLeast(0))},
			field{"message_size", scalar(&l.Limits.MessageSize, sizeOrZero)},
			field{"errors", scalar(&l.Limits.Errors, atLeast(0))},
			field{"session", scalar(&l.Limits.Session, durationOrZero)},
			field{"allow", later("[]")},
			field{"deny", later("[]")},
			field{"tarpit", later("0s", "0")},
		)},
		{"timeouts", section(
			field{"command", scalar(&l.Timeouts.Command, duration)},
			field{"data", scalar(&l.Timeouts.Data, duration)},
			field{"greeting", scalar(&l.Timeouts.Greeting, duration)},
		)},
		{"bare_newlines", oneOf(&l.RejectBare, []choice[bool]{{"normalize", false}, {"reject", true}})},
		{"received_header", oneOf(&l.Received, []choice[balancer.ReceivedHeader]{
			{"auto", balancer.ReceivedAuto}, {"always", balancer.ReceivedAlways}, {"never", balancer.ReceivedNever},
		})},
		{"max_hops", scalar(&l.MaxHops, atLeast(1))},
		{"auth_pool", later("")},
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
