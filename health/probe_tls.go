package health

import (
	"crypto/tls"
	"fmt"
	"time"

	"weir/internal/connector"
)

// inspect says what TLS there is on the connection and what its certificate is
// worth, also where nobody asks for that: mail may pass all the same.
func (v *visit) inspect() {
	state := v.conn.TLS()
	if state == nil {
		return
	}
	v.report.Certificate = state.PeerCertificates[0].NotAfter
	v.tap.note(fmt.Sprintf("%s, %s, certificate until %s",
		tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite), day(v.report.Certificate)))
	if err := v.prober.dialer.TLS.Check(v.spec.Address, state); err != nil {
		v.tap.note(fmt.Sprintf("the certificate is not verified: %v", err))
	} else {
		v.tap.note("the certificate is verified")
	}
	v.remark()
}

// noteProxy says that a PROXY header, which is no part of the dialogue, goes ahead.
func (v *visit) noteProxy() {
	if v.prober.cfg.Probe < DepthBanner {
		return
	}
	switch v.prober.dialer.Identity {
	case connector.IdentityProxyV1:
		v.tap.note("PROXY v1 header with weir's own address")
	case connector.IdentityProxyV2:
		v.tap.note("PROXY v2 header, LOCAL")
	}
}

// remark says that the certificate is about to end, or has.
func (v *visit) remark() {
	until := v.report.Certificate
	left := time.Until(until)
	wanted := v.prober.cfg.Expect.CertificateDays
	switch days := int(left / (24 * time.Hour)); {
	case wanted == 0 || days >= wanted:
	case left <= 0:
		v.report.Remark = "the certificate has ended on " + day(until)
	default:
		v.report.Remark = fmt.Sprintf("the certificate has %s left, until %s", counted(days, "day"), day(until))
	}
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }
