package config

import (
	"time"

	"weir/health"
	"weir/internal/backend"
	"weir/internal/connector"
	"weir/policies"
)

// fields is the table of a pool, and of pool_defaults.
func (p *pool) fields() []field {
	return []field{
		{"protocol", word(&p.facts.Protocol, []string{"smtp", lmtp})},
		{"policy", word(&p.facts.Policy, []string{
			policies.RoundRobin, policies.LeastConnections, policies.LeastLoad, policies.Maglev, policies.Random,
		})},
		{"affinity", oneOf(&p.relay.Affinity, append([]choice[policies.Key]{{"none", policies.KeyNone}}, keys()...))},
		{"affinity_ttl", scalar(&p.relay.AffinityTTL, lifetime)},
		{"hash", oneOf(&p.relay.Hash, keys())},
		{"min_redundancy", scalar(&p.facts.MinRedundancy, atLeast(0))},
		{"tls", section(poolTLSFields(&p.tls)...)},
		{"client_identity", oneOf(&p.relay.Identity, identities())},
		{"relay", scalar(&p.open, flag)},
		{"replay_buffer", scalar(&p.relay.ReplayBuffer, sizeOrZero)},
		{"reuse", section(
			field{"idle", scalar(&p.relay.Reuse.Idle, duration)},
			field{"messages", scalar(&p.relay.Reuse.Messages, atLeast(1))},
			field{"bytes", scalar(&p.relay.Reuse.Bytes, sizeOrZero)},
			field{"age", scalar(&p.relay.Reuse.Age, duration)},
			field{"max_idle", scalar(&p.relay.Reuse.MaxIdle, atLeast(1))},
		)},
		{"timeouts", section(p.timeoutFields()...)},
		{"max_connections", scalar(&p.facts.MaxConnections, atLeast(0))},
		{"queue_timeout", scalar(&p.relay.QueueTimeout, duration)},
		{"backends", backends(&p.backends)},
		{"consul", optional(&p.consul, PoolConsul{}, poolConsulFields)},
		{"dns", optional(&p.dns, PoolDNS{Refresh: 30 * time.Second}, poolDNSFields)},
		{"file", file(&p.file)},
		{"health", section(healthFields(&p.health)...)},
		{"breaker", section(breakerFields(&p.health.Breaker)...)},
		{"ejection", section(
			field{"max_percent", scalar(&p.health.Ejection.MaxPercent, count(0, 100))},
			field{"panic_percent", scalar(&p.facts.PanicPercent, count(0, 100))},
			field{"outlier_ratio", scalar(&p.health.Ejection.OutlierRatio, outlierRatio)},
		)},
		{"slow_start", scalar(&p.health.SlowStart, durationOrZero)},
	}
}

// lmtp is the protocol that answers once per recipient (P35).
const lmtp = "lmtp"

// identities are the words for how connectors are told of the client.
func identities() []choice[connector.IdentityMode] {
	return []choice[connector.IdentityMode]{
		{"none", connector.IdentityNone},
		{"proxy-v1", connector.IdentityProxyV1},
		{"proxy-v2", connector.IdentityProxyV2},
		{"xclient", connector.IdentityXCLIENT},
		{"xforward", connector.IdentityXFORWARD},
	}
}

// poolTLSFields is the table of TLS with connectors.
func poolTLSFields(t *PoolTLS) []field {
	return []field{
		{"mode", oneOf(&t.Mode, []choice[connector.TLSMode]{
			{"off", connector.TLSOff},
			{"opportunistic", connector.TLSOpportunistic},
			{"required", connector.TLSRequired},
			{"implicit", connector.TLSImplicit},
		})},
		{"verify", scalar(&t.Verify, flag)},
		{"server_name", scalar(&t.ServerName, certificateName)},
		{"ca", file(&t.CA)},
	}
}

// certificateName accepts the name that certificates are for, and the empty text
// for the address of each connector.
func certificateName(s string) (string, *fault) {
	if s == "" {
		return "", nil
	}
	return host(s)
}

// keys are the words for what a transaction is told apart by.
func keys() []choice[policies.Key] {
	return []choice[policies.Key]{
		{"client", policies.KeyClient}, {"network", policies.KeyNetwork}, {"sender", policies.KeySender},
	}
}

// timeoutFields has one key a stage, under the stage's own name.
func (p *pool) timeoutFields() []field {
	var all []field
	for stage := range backend.Stages {
		all = append(all, field{stage.String(), scalar(&p.relay.Timeouts[stage], duration)})
	}
	return all
}

// breakerFields has stuck_after with one key a stage that is watched for silence:
// TLS is not, its handshake has a deadline only.
func breakerFields(b *health.BreakerConfig) []field {
	var stuck []field
	for stage := range backend.Stages {
		if stage != backend.StageTLS {
			stuck = append(stuck, field{stage.String(), scalar(&b.StuckAfter[stage], duration)})
		}
	}
	return []field{
		{"consecutive_failures", scalar(&b.ConsecutiveFailures, atLeast(1))},
		{"failure_ratio", scalar(&b.FailureRatio, shareAboveZero)},
		{"min_requests", scalar(&b.MinRequests, atLeast(1))},
		{"window", scalar(&b.Window, duration)},
		{"open_for", scalar(&b.OpenFor, duration)},
		{"open_max", scalar(&b.OpenMax, duration)},
		{"stuck_after", section(stuck...)},
	}
}

func healthFields(h *health.Config) []field {
	return []field{
		{"probe", oneOf(&h.Probe, []choice[health.Depth]{
			{"tcp", health.DepthTCP},
			{"banner", health.DepthBanner},
			{"ehlo", health.DepthEHLO},
			{"starttls", health.DepthStartTLS},
			{"envelope", health.DepthEnvelope},
			{"message", health.DepthMessage},
		})},
		{"probe_from", scalar(&h.From, mailbox(true))},
		{"probe_to", scalar(&h.To, mailbox(false))},
		{"interval", scalar(&h.Interval, duration)},
		{"timeout", scalar(&h.Timeout, duration)},
		{"fast_interval", scalar(&h.FastInterval, duration)},
		{"rise", scalar(&h.Rise, atLeast(1))},
		{"fall", scalar(&h.Fall, atLeast(1))},
		{"jitter", scalar(&h.Jitter, share)},
		{"expect", section(
			field{"capabilities", scalars(&h.Expect.Capabilities, keyword)},
			field{"certificate_days", scalar(&h.Expect.CertificateDays, count(0, 3650))},
		)},
	}
}
