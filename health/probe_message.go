package health

import (
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"weir/internal/backend"
	"weir/internal/connector"
)

// message delivers a real message. Its recipient was chosen for that, so a
// refusal is a failure here, also one that would be policy in an envelope.
func (v *visit) message() error {
	if err := v.sender(); err != nil {
		return err
	}
	if err := v.recipient(2); err != nil {
		return err
	}
	if _, err := v.command(backend.StageData, "DATA", 3); err != nil {
		return err
	}
	err := v.step(backend.StageBody, func(deadline time.Time) error {
		v.conn.SetPending(append(v.conn.Pending(), v.text(time.Now())...))
		if err := v.conn.Flush(deadline); err != nil {
			return &connector.Error{Stage: backend.StageBody, Err: err}
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, err = v.command(backend.StageFinalDot, ".", 2)
	return err
}

// text is the message: whoever finds it should see at once what it is, filters
// should be able to drop it by its header, and nobody should answer it (RFC 3834).
// No line begins with a dot.
func (v *visit) text(now time.Time) string {
	cfg, id, host := &v.prober.cfg, v.spec.ID(), v.prober.dialer.Hostname
	from := cfg.From
	if from == "" {
		from = "postmaster@" + host
	}
	return strings.Join([]string{
		"Date: " + now.Format(time.RFC1123Z),
		"From: weir <" + from + ">",
		"To: <" + cfg.To + ">",
		"Message-ID: <" + rand.Text() + ".weir-probe@" + host + ">",
		"Subject: weir probe of " + id.String(),
		"X-Weir-Probe: " + id.String(),
		"Auto-Submitted: auto-generated",
		"",
		fmt.Sprintf("weir (%s) has sent this message to find out whether the connector", host),
		fmt.Sprintf("%s takes mail. It may be thrown away.", id),
		"",
	}, "\r\n")
}
