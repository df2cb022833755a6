package config

import (
	"github.com/goccy/go-yaml/ast"

	"weir/balancer"
	"weir/internal/backend"
)

// fields is the table of the whole file. What a rule reads goes to its target
// at once; pool_defaults therefore stands before pools.
func (w *draft) fields() []field {
	return []field{
		{"hostname", scalar(&w.Balancer.Hostname, hostname)},
		{"cluster", scalar(&w.Balancer.Cluster, name)},
		{"advertise", later("[]")},
		{"log", section(
			field{"level", word(&w.Log.Level, []string{"debug", "info", "warn", "error"})},
			field{"format", word(&w.Log.Format, []string{"json", "console"})},
			field{"mask_addresses", scalar(&w.Log.MaskAddresses, flag)},
		)},
		{"history", later()},
		{"state_dir", later()},
		{"startup_wait", scalar(&w.StartupWait, duration)},
		{"shutdown_grace", scalar(&w.ShutdownGrace, durationOrZero)},
		{"shutdown_timeout", scalar(&w.ShutdownTimeout, duration)},
		{"replay_memory", scalar(&w.Balancer.ReplayMemory, size)},
		{"listeners", w.listeners()},
		{"routes", later("[]")},
		{"pool_defaults", rule{read: section(w.defaults.fields()...).read}}, // its keys are shown where they belong, in pools
		{"pools", w.poolsByName()},
		{"consul", later()},
		{"dns", later("[]")},
		{"webhook", section(
			field{"url", later("")},
			field{"secret_file", later("")},
		)},
		{"admin", section(
			field{"address", scalar(&w.Admin.Address, adminAddress)},
			field{"socket", later("")},
			field{"anonymous", word(&w.Admin.Anonymous, []string{"read", "operate"}, "none")},
			field{"tokens", later("[]")},
			field{"hosts", later("[]")},
			field{"base_path", later("/")},
			field{"tls", section(
				field{"mode", later("off")},
				field{"cert", later("")},
				field{"key", later("")},
			)},
		)},
	}
}

// listeners is the rule for the list of listeners.
func (w *draft) listeners() rule {
	return rule{keys: listenerFields(new(balancer.ListenerConfig)), each: "[]", read: func(d *decoder, v value) {
		items, ok := d.list(v)
		if ok && len(items) == 0 {
			d.report(v.at, v.path, noListeners())
		}
		for _, item := range items {
			l := newListener()
			d.section(item, listenerFields(&l))
			w.Balancer.Listeners = append(w.Balancer.Listeners, l)
			w.paths = append(w.paths, item.path)
		}
	}}
}

func listenerFields(l *balancer.ListenerConfig) []field {
	return []field{
		{"name", scalar(&l.Name, name)},
		{"address", scalar(&l.Address, listenAddress)},
		{"mode", only("smtp", "tcp")},
		{"pool", scalar(&l.Pool, text)},
		{"routes", later("false")},
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
	return rule{keys: new(pool).fields(), each: ".NAME", read: func(d *decoder, v value) {
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
	}}
}

// backends is the rule for a pool's list of connectors, each an address or a
// mapping. It replaces the list of pool_defaults.
func backends(dst *[]backend.Spec) rule {
	return rule{keys: backendFields(new(backend.Spec)), each: "[]", read: func(d *decoder, v value) {
		items, ok := d.list(v)
		if !ok {
			return
		}
		if len(items) == 0 {
			d.report(v.at, v.path, noBackends())
		}
		*dst = nil
		names, addresses := map[string]string{}, map[string]string{}
		for _, item := range items {
			spec := d.backend(item)
			if d.once(item, "address", spec.Address, addresses) {
				d.once(item, "name", spec.Name, names)
			}
			*dst = append(*dst, spec)
		}
	}}
}

func (d *decoder) backend(v value) backend.Spec {
	spec := backend.Spec{Weight: backend.DefaultWeight}
	switch v.node.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		d.section(v, backendFields(&spec))
		if !d.has(v.path+".address") && !d.faulty(v.path) {
			d.reject(v, `for example {address: "10.0.0.11:25", name: mx-a}`, "the backend has no address")
		}
	default:
		scalar(&spec.Address, backendAddress).read(d, v)
	}
	if spec.Name == "" && spec.Address != "" {
		spec.Name = clean(spec.Address)
		if _, bad := name(spec.Name); bad != nil {
			d.reject(v, "give the backend a name", "the address is too long to be its name too")
		}
	}
	return spec
}

func backendFields(s *backend.Spec) []field {
	return []field{
		{"address", scalar(&s.Address, backendAddress)},
		{"name", scalar(&s.Name, name)},
		{"weight", scalar(&s.Weight, count(1, 1000))},
		{"cost", scalar(&s.Cost, atLeast(0))},
		{"publish", later("")},
	}
}
