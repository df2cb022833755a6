package connector

import (
	"testing"

	"weir/internal/backend"
)

// TestRequireTLSNeedsProof (P30, P31): REQUIRETLS counts only where the certificate
// had to be verified (RFC 8689 section 4.2.1).
func TestRequireTLSNeedsProof(t *testing.T) {
	config, roots := authority(t)
	plain := dialogue("> 220 mx1", "< EHLO weir.test", "> 250-mx1", "> 250 REQUIRETLS")
	starts := dialogue("> 220 mx1", "< EHLO weir.test", "> 250-mx1", "> 250-REQUIRETLS", "> 250 STARTTLS",
		"< STARTTLS", "> 220 go", "TLS", "< EHLO weir.test", "> 250-mx1", "> 250 REQUIRETLS")
	for name, tt := range map[string]struct {
		security Security
		script   []string
		want     bool
	}{
		"plaintext":     {Security{}, plain, false},
		"opportunistic": {Security{Mode: TLSOpportunistic, Verify: true}, starts, false},
		"not verified":  {Security{Mode: TLSRequired}, starts, false},
		"verified":      {Security{Mode: TLSRequired, Verify: true}, starts, true},
	} {
		t.Run(name, func(t *testing.T) {
			address, _ := playsTLS(t, config, tt.script)
			tt.security.ServerName, tt.security.Roots = "mx.test", roots
			d := &Dialer{Hostname: "weir.test", TLS: tt.security}
			c, err := d.Dial(t.Context(), address, later())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if got := c.Capabilities().Has(backend.ExtRequireTLS); got != tt.want {
				t.Errorf("REQUIRETLS counts: %v", got)
			}
			if c.PlainCapabilities().Has(backend.ExtRequireTLS) {
				t.Error("it counts in plaintext")
			}
		})
	}
}
