package balancer

import (
	"testing"

	"weir/internal/backend"
	"weir/internal/smtp"
)

// An offer is converted into what MAIL and RCPT may carry, and needs are converted
// back: the bits must be the same.
func TestExtensionBits(t *testing.T) {
	for ext, want := range map[backend.Extension]smtp.Extensions{
		backend.Ext8BitMIME:   smtp.With8BitMIME,
		backend.ExtSize:       smtp.WithSize,
		backend.ExtSMTPUTF8:   smtp.WithUTF8,
		backend.ExtDSN:        smtp.WithDSN,
		backend.ExtRequireTLS: smtp.WithRequireTLS,
		backend.ExtBinaryMIME: smtp.WithBinaryMIME,
		backend.ExtDeliverBy:  smtp.WithDeliverBy,
		backend.ExtMTPriority: smtp.WithPriority,
		backend.ExtAuth:       smtp.WithAuth,
	} {
		if got := smtp.Extensions(ext); got != want {
			t.Errorf("%s has the bit %b here and %b on the wire", ext, got, want)
		}
	}
}
