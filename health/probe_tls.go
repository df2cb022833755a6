package health

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"weir/internal/backend"
	"weir/internal/connector"
	"weir/internal/smtp"
)

// secure goes on in TLS (RFC 3207) and says EHLO again, as the extensions that
// were announced before are void there.
func (v *visit) secure(ctx context.Context) error {
	if err := v.startTLS(); err != nil {
		return err
	}
	err := v.step(backend.StageTLS, func(deadline time.Time) error {
		if err := v.shakeHands(ctx, deadline); err != nil {
			return &connector.Error{Stage: backend.StageTLS, Err: err}
		}
		return nil
	})
	if err != nil {
		return err
	}
	v.remark()
	return v.hello()
}

func (v *visit) startTLS() error {
	if !v.offered("STARTTLS") {
		return v.step(backend.StageTLS, func(time.Time) error {
			return &connector.Error{Stage: backend.StageTLS, Err: unmet{"STARTTLS"}}
		})
	}
	_, err := v.command(backend.StageTLS, "STARTTLS", 2)
	return err
}

// shakeHands does not verify the certificate: the probe asks whether mail can
// pass, and how long the certificate lasts. It puts TLS below the dialogue, so
// that what is kept of it stays readable.
func (v *visit) shakeHands(ctx context.Context, deadline time.Time) error {
	if v.conn.Look() != smtp.Quiet {
		// What came in plaintext must not be read as if it had come in TLS (P23).
		return errors.New("plaintext behind the answer to STARTTLS")
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	secure := tls.Client(v.tap.wire, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // see above
	if err := secure.HandshakeContext(ctx); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return err
	}
	state := secure.ConnectionState()
	v.tap.Conn = secure
	v.report.Certificate = state.PeerCertificates[0].NotAfter
	v.tap.note(fmt.Sprintf("%s, certificate until %s", tls.VersionName(state.Version), day(v.report.Certificate)))
	return nil
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
