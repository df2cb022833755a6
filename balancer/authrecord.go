package balancer

import (
	"net/netip"
	"time"

	"weir/internal/smtp"
)

// AuthRecord tells of an AUTH that was relayed, or would have been. It has nothing
// of what was said in it: neither secrets nor the words of a connector that may
// repeat them.
type AuthRecord struct {
	Session, Listener string
	Client            netip.AddrPort
	HELO, TLS         string
	Mechanism         string // in capitals
	Pool, Backend     string // names; Backend is the connector that answered last, or was asked last
	Tries             []Try  // connectors that were left or passed over
	Misuse            string // as in [Record]
	Code              int    // of the sender's answer: 235 let it in; 0: it gave up, or was gone
	Enhanced          smtp.EnhancedCode
	ByConnector       bool // whose answer that is
	Duration          time.Duration
}
